"""What the default chain drops from sets that hold no duplicates, and which planted near copies it finds."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import datagen as dg
from datagen.rows import view
from datagen.text import tokens

DATA = Path(os.environ.get("DATA", "../shared/data"))
POLITE = {"zh": "请认真回答：", "th": "ช่วยตอบคำถามนี้หน่อย "}
Row = dict[str, Any]


def load(name: str) -> list[Row]:
    """Return the records of a shared file."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def filtered(rows: list[Row], folder: Path, name: str) -> Any:
    """Run the default chain on rows."""
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    return dg.filter(path, out=folder / name)


def other_answers(run: Any) -> int:
    """Rows dropped beside a witness whose answer has other tokens."""
    answers = {}
    for table in (run.kept, run.dropped):
        answers.update(zip(table.column("id").to_pylist(), view(table, "answer"), strict=True))
    drops = run.dropped.select(["id", "witness_id", "reason"]).to_pylist()
    return sum(
        tokens(answers[d["id"]]) != tokens(answers[d["witness_id"]])
        for d in drops if d["witness_id"] and d["reason"] != "exact_duplicate"
    )  # fmt: skip


def planted(rows: list[Row], language: str) -> list[Row]:
    """Return 200 near copies of whole rows: one character of the task swapped, or a polite clause before it."""
    draw = random.Random(17)
    long = [r for r in rows if len(tokens(r["instruction"])) >= 20]
    found = []
    for n, row in enumerate(draw.sample(long, 200)):
        text = row["instruction"]
        if n % 2:
            text = POLITE[language] + text
        else:
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice("的一是" if language == "zh" else "กขค") + text[at + 1 :]
        found.append({**row, "instruction": text, "planted": True})
    return found


def main() -> None:
    """Print both tables."""
    if not DATA.exists():
        sys.exit(f"skipped: {DATA} is not here; set DATA")
    pairs = load("parallel/ntrex_en_zh_th_ja.jsonl.gz")
    sets = {
        "translation en-th": [
            {"instruction": "Translate the text into Thai.", "input": p["en"], "output": p["th"]} for p in pairs
        ],
        "translation en-zh": [{"instruction": "把下面的英文翻译成中文。", "input": p["en"], "output": p["zh"]} for p in pairs],
        "MBPP": [{"instruction": r["text"], "output": r["code"]} for r in load("benchmarks/mbpp_test.jsonl.gz")],
        "tool chats": load("chats/glaive_toolcall_en.jsonl.gz"),
        "Chinese, own": load("rows/zh_own_10k.jsonl.gz"),
        "Chinese, Alpaca": load("rows/alpaca_zh_9k.jsonl.gz"),
        "Thai questions": load("rows/thai_wiki_qa.jsonl.gz"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'set':<20}{'rows':>8}{'kept':>8}{'share':>8}  dropped beside another answer")
        for label, rows in sets.items():
            run = filtered(rows, folder, label)
            kept = run.summary["rows_kept"]
            print(f"{label:<20}{len(rows):>8,}{kept:>8,}{kept / len(rows):>8.3f}  {other_answers(run)}")
        print(f"\n{'planted in':<20}{'copies':>8}{'found':>8}")
        for label, language in (("Chinese, own", "zh"), ("Chinese, Alpaca", "zh"), ("Thai questions", "th")):
            copies = planted(sets[label], language)
            run = filtered(sets[label] + copies, folder, f"{label} planted")
            left = sum('"planted"' in e for e in run.kept.column("extra").to_pylist())
            print(f"{label:<20}{len(copies):>8,}{len(copies) - left:>8,}")


if __name__ == "__main__":
    main()
