"""What the default chain drops from sets that hold no duplicates, and which planted near copies it finds.

The bars hold what was measured when they were set: rows kept, less two rows in a thousand (two at least) for those that stand
at a threshold, and copies found, less two. One that is missed says that a set loses rows which it did not lose before.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from bars import Bars
from shared_data import DATA, needed, records

import datagen as dg
from datagen.data.rows import view
from datagen.text.tokens import tokens

POLITE = {"zh": "请认真回答：", "th": "ช่วยตอบคำถามนี้หน่อย "}
Row = dict[str, Any]
MEASURED = {  # rows kept
    "translation en-th": 1988,
    "translation en-zh": 1996,
    "MBPP": 496,
    "tool chats": 264,
    "Chinese, own": 8825,
    "Chinese, Alpaca": 9238,
    "Thai questions": 7166,
}
FOUND = {"Chinese, own": ("zh", 191), "Chinese, Alpaca": ("zh", 198), "Thai questions": ("th", 198)}  # of 200 planted copies


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
    """Print both tables; end with 1 where a bar is missed."""
    needed(DATA)
    bars = Bars()
    pairs = list(records("parallel/ntrex_en_zh_th_ja.jsonl.gz"))
    sets = {
        "translation en-th": [
            {"instruction": "Translate the text into Thai.", "input": p["en"], "output": p["th"]} for p in pairs
        ],
        "translation en-zh": [{"instruction": "把下面的英文翻译成中文。", "input": p["en"], "output": p["zh"]} for p in pairs],
        "MBPP": [{"instruction": r["text"], "output": r["code"]} for r in records("benchmarks/mbpp_test.jsonl.gz")],
        "tool chats": list(records("chats/glaive_toolcall_en.jsonl.gz")),
        "Chinese, own": list(records("rows/zh_own_10k.jsonl.gz")),
        "Chinese, Alpaca": list(records("rows/alpaca_zh_9k.jsonl.gz")),
        "Thai questions": list(records("rows/thai_wiki_qa.jsonl.gz")),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'set':<20}{'rows':>8}{'kept':>8}{'share':>8}  dropped beside another answer")
        kept = {}
        for label, rows in sets.items():
            run = filtered(rows, folder, label)
            kept[label] = run.summary["rows_kept"]
            share = kept[label] / len(rows)
            print(f"{label:<20}{len(rows):>8,}{kept[label]:>8,}{share:>8.3f}  {other_answers(run)}", flush=True)
        print(f"\n{'planted in':<20}{'copies':>8}{'found':>8}")
        found = {}
        for label, (language, _) in FOUND.items():
            copies = planted(sets[label], language)
            run = filtered(sets[label] + copies, folder, f"{label} planted")
            left = sum('"planted"' in e for e in run.kept.column("extra").to_pylist())
            found[label] = len(copies) - left
            print(f"{label:<20}{len(copies):>8,}{found[label]:>8,}", flush=True)
    bars.title("what is kept and found")
    for label, measured in MEASURED.items():
        room = max(2, len(sets[label]) // 500)
        bars.at_least(f"{label}: rows kept of {len(sets[label]):,}", measured - room, kept[label])
    for label, (_, measured) in FOUND.items():
        bars.at_least(f"{label}: planted copies found of 200", measured - 2, found[label])
    bars.end()


if __name__ == "__main__":
    main()
