"""`decontaminate` against every benchmark: 500 planted leaks in three scripts are found, and what else it flags is printed.

Leaks are prompts of items: whole, cut to 80 %, re-cased, re-punctuated, inside longer text, in the answer. A cut prompt of
fewer than 12 tokens shares less than half of its 8-grams with the item, so only longer ones are cut.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from bars import Bars
from shared_data import DATA, needed

import datagen as dg
from datagen.curate.decontaminate import Decontaminate, prompts
from datagen.data.rows import ROW, new_row
from datagen.data.shards import ShardWriter
from datagen.formats.read import read, records
from datagen.text.tokens import words

PLANTED, BAR_S, BAR_OTHERS = 500, 8.0, 0.001
KINDS = ("whole", "cut", "case", "punctuation", "inside", "answer")
FILLER = {
    "en": ("Please help me with the homework that I got today.", "Thank you very much for your help, have a nice day!"),
    "zh": ("你好，请帮我看看今天的作业。", "非常感谢你的帮助，祝你愉快！"),
    "th": ("สวัสดีครับ ช่วยดูการบ้านวันนี้ให้หน่อย", "ขอบคุณมากครับ ขอให้มีความสุข"),
}  # fmt: skip


def script(text: str) -> str:
    """Which of the three scripts a text is in."""
    if any("\u0e00" <= c <= "\u0e7f" for c in text):
        return "th"
    return "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en"


def leak(text: str, kind: str, draw: random.Random) -> dict[str, str]:
    """A row that holds an item's prompt in one of the ways."""
    before, after = FILLER[script(text)]
    if kind == "cut":
        return {"instruction": text[: -(len(text) // 5)], "output": "I do not know."}
    if kind == "case":
        return {"instruction": text.upper() if draw.random() < 0.5 else text.title(), "output": "I do not know."}
    if kind == "punctuation":
        changed = text.replace(",", " ;").replace("，", "、").replace(". ", " -- ").replace("。", "！").replace("?", " ?!")
        return {"instruction": f"“{changed}”", "output": "I do not know."}
    if kind == "inside":
        return {"instruction": f"{before} {text} {after}", "output": "I do not know."}
    if kind == "answer":
        return {"instruction": before, "output": f"{after}\n{text}\n{before}"}
    return {"instruction": text, "output": "I do not know."}


def planted() -> list[tuple[str, str, dict[str, str]]]:
    """Kind, item and row of every leak, evenly over kinds and scripts."""
    items: dict[str, list[str]] = {"en": [], "zh": [], "th": []}
    for path in sorted((DATA / "benchmarks").iterdir()):
        for name, piece in records(str(path)):
            if isinstance(piece.record, dict):
                for text in prompts(piece.record, Decontaminate.fields):
                    items[script(text)].append(f"{name}\0{text}")
    draw, found = random.Random(17), []
    for n in range(PLANTED):
        kind, language = KINDS[n % len(KINDS)], ("en", "zh", "th")[n // len(KINDS) % 3]
        while True:
            name, _, text = draw.choice(items[language]).partition("\0")
            if len(words(text)) >= (12 if kind == "cut" else 5):
                break
        found.append((f"{kind}, {language}", name, leak(text, kind, draw)))
    return found


def main() -> None:
    """Print the table."""
    needed(DATA / "benchmarks")
    with tempfile.TemporaryDirectory() as folder:
        leaks, real = planted(), 0
        with ShardWriter(Path(folder, "in"), ROW) as writer:
            for name in ("alpaca_en_52k", "alpaca_zh_9k", "zh_own_10k"):
                for row in islice(read(str(DATA / "rows" / f"{name}.jsonl.gz")), 60_000):
                    if "reason" not in row:
                        writer.add({**row, "source": name})
                        real += 1
            for n, (kind, _, row) in enumerate(leaks):
                writer.add(new_row(**row, source=f"leak {n}", extra="", language=kind.split(", ")[1]))
        stages = [{"decontaminate": {"against": [str(DATA / "benchmarks")]}}]
        started = time.monotonic()
        run = dg.filter(Path(folder, "in"), stages, out=Path(folder, "out"), allow_wipeout=True)
        wall = time.monotonic() - started
        seconds = next(s["seconds"] for s in run.summary["stages"] if s["name"] == "decontaminate")
        dropped = run.dropped.to_pylist()
    flagged = {r["source"] for r in dropped if r["source"].startswith("leak")}
    gone = {r["source"] for r in dropped if r["reason"] == "exact_duplicate"}
    lost = [(kind, item, row) for n, (kind, item, row) in enumerate(leaks) if f"leak {n}" not in flagged | gone]
    kinds = Counter(kind for kind, _, _ in leaks)
    missed = Counter(kind for kind, _, _ in lost)
    print(f"{'planted':<20}{'leaks':>7}{'found':>7}")
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<20}{count:>7}{count - missed[kind]:>7}")
    for kind, item, row in lost[:10]:
        print(f"  missed: {kind}, {item}: {str(row)[:120]}")
    others = [r for r in dropped if r["reason"] == "contaminated" and not r["source"].startswith("leak")]
    print(f"\n{len(others)} of {real:,} real rows flagged ({len(others) / real:.3%}); each with its span:")
    for row in others:
        print(f"  {row['score']:.2f}  {row['source'][:10]}  {row['evidence'][:110]}")
    print(f"\nthe stage {seconds:.1f} s, all of the run {wall:.1f} s")
    bars = Bars()
    bars.at_least("planted leaks that are found", PLANTED, PLANTED - len(lost))
    bars.at_most("share of other rows that is flagged", BAR_OTHERS, len(others) / real)
    bars.at_most("seconds of the stage", BAR_S, seconds)
    bars.end()


if __name__ == "__main__":
    main()
