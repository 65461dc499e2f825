"""How often a judge scores the answer that people preferred higher: the embedded model as it is, and tuned on other pairs.

Chance is 0.5; ties count half. The pairs are those of the shared data, English ones of at most --longest characters; the tuned
judge has seen none of those that it is measured on.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

from shared_data import DATA, needed, records
from small_rows import written

import datagen as dg
from datagen.chat.prompt import Prompt


def pairs(longest: int) -> list[tuple[str, str, str]]:
    """Return task, preferred and other answer."""
    found = []
    for r in records("pairs/dpo_en_zh_600.jsonl.gz"):
        task = (
            "\n\n".join(f"{t['from']}: {t['value']}" for t in r["conversations"])
            if len(r["conversations"]) > 1
            else r["conversations"][0]["value"]
        )
        one, other = r["chosen"]["value"], r["rejected"]["value"]
        if len(task) + max(len(one), len(other)) <= longest and (task + one).isascii() and one != other:
            found.append((task, one, other))
    return found


def agreement(folder: Path, name: str, held_out: list[tuple[str, str, str]], **judge: Any) -> None:
    """Print how often the preferred answer scores higher, with its interval."""
    rows = [
        {"instruction": t, "output": a, "n": i, "preferred": k}
        for i, (t, x, y) in enumerate(held_out)
        for k, a in ((1, x), (0, y))
    ]
    run = dg.teach("judge", written(folder / f"{name}.jsonl", rows), folder / name, language="en", **judge)
    import json

    scores: dict[tuple[int, int], float] = {}
    for row in run.kept.to_pylist():
        extra = json.loads(row["extra"])
        if row["judge_score"] is not None:
            scores[extra["n"], extra["preferred"]] = row["judge_score"]
    both = [(scores[i, 1], scores[i, 0]) for i in range(len(held_out)) if (i, 1) in scores and (i, 0) in scores]
    wins = sum((a > b) + 0.5 * (a == b) for a, b in both)
    shown(
        name,
        wins,
        len(both),
        f"mean {sum(a for a, _ in both) / len(both):.2f} beside {sum(b for _, b in both) / len(both):.2f}",
    )


def shown(name: str, wins: float, n: int, more: str = "") -> None:
    share = wins / n
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    print(f"{name:<28}{share:>7.3f}  95 % interval {share - half:.3f} to {share + half:.3f}  of {n} pairs  {more}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=int, default=1600)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--steps", type=int, default=30, help="of the tuned judge; 0 = none")
    asked = parser.parse_args()
    needed(DATA / "pairs")
    found = pairs(asked.longest)
    held_out, seen = found[: asked.held_out], found[asked.held_out :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        longer = sum((len(a) > len(b)) + 0.5 * (len(a) == len(b)) for _, a, b in held_out)
        shown("the longer answer (no judge)", longer, len(held_out))
        agreement(folder, "smollm2", held_out)
        if asked.steps and seen:
            prompt = Prompt("judge", "en")
            rows = [
                {"instruction": prompt.text(task=t, answer=a, rubric=None, low=1, high=5), "output": f"Score: {s}"}
                for t, x, y in seen for a, s in ((x, 5), (y, 1))
            ]  # fmt: skip
            tuned = dg.train(written(folder / "seen.jsonl", rows), folder / "tuned", steps=asked.steps, batch_size=8)
            print(f"tuned on {len(rows):,} answers, loss {tuned.summary['stages'][-1]['training']['last_loss']}", flush=True)
            agreement(folder, "smollm2 tuned on other pairs", held_out, model=str(folder / "tuned" / "adapter"))


if __name__ == "__main__":
    main()
