"""Rows by people alone, with pseudo rows beside them, and with those tagged: three short LoRA runs x seeds, held-out loss.

The pseudo rows are a backtranslation's (`--pseudo RUN`, as `benchmarks/backtranslation.py -o` leaves it). The held-out rows are
by people and carry the line of people's rows where training did. The differences come with an interval over the seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from scipy import stats
from shared_data import DATA, needed
from small_rows import dolly, written

import datagen as dg
from datagen.backtranslation import TAGS


def tagged(rows: list[dict[str, Any]], line: str) -> list[dict[str, Any]]:
    """Return rows with a system line."""
    return [{**r, "system": line} for r in rows]


def main() -> None:
    """Print the losses and their differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pseudo", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=64, help="by people, and as many pseudo rows")
    parser.add_argument("--held-out", type=int, default=40, help="rows by people that the loss is of")
    parser.add_argument("--max-length", type=int, default=512, help="tokens of a row")
    asked = parser.parse_args()
    needed(DATA / "rows")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real = [json.loads(line) for line in dolly(folder, asked.rows).read_text().splitlines()]
        held_out = [json.loads(line) for line in dolly(folder, asked.held_out, skip=1000).read_text().splitlines()]
        made = [r for r in dg.opened(asked.pseudo).kept.to_pylist() if r["source"] == "backtranslated"]
        made.sort(key=lambda r: -(r["judge_score"] or 0))
        pseudo = [{"instruction": r["instruction"], "output": r["output"]} for r in made[: asked.rows]]
        people, web = TAGS["en"]
        real_tagged = tagged(real, people)
        runs = {
            "people only": (real, held_out),
            "people + pseudo, untagged": ([*real, *pseudo], held_out),
            "people + pseudo, tagged": ([*real_tagged, *tagged(pseudo, web)], tagged(held_out, people)),
        }
        print(f"{len(real)} rows by people, {len(pseudo)} pseudo rows, {len(held_out)} held out, {asked.steps} steps, batch 8")
        losses: dict[str, list[float]] = {}
        for title, (rows, eval_rows) in runs.items():
            key = title.replace(" ", "-").replace(",", "").replace("+", "and")
            data, evaluated = written(folder / f"{key}.jsonl", rows), written(folder / f"{key}-eval.jsonl", eval_rows)
            for seed in range(17, 17 + asked.seeds):
                run = dg.train(
                    data,
                    folder / f"{key}-{seed}",
                    steps=asked.steps,
                    batch_size=8,
                    seed=seed,
                    eval=str(evaluated),
                    max_length=asked.max_length,
                )
                told = run.summary["stages"][-1]["training"]
                losses.setdefault(title, []).append(told["eval_after"]["loss"])
                print(
                    f"  {title:<28} seed {seed}: {told['eval_before']['loss']:.4f} -> {told['eval_after']['loss']:.4f}",
                    flush=True,
                )
        base = losses["people only"]
        for title, values in losses.items():
            differences = [a - b for a, b in zip(values, base, strict=True)]
            mean = sum(differences) / len(differences)
            spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / max(1, len(differences) - 1))
            half = float(stats.t.ppf(0.975, max(1, len(differences) - 1))) * spread / math.sqrt(len(differences))
            interval = f"95 % {mean - half:+.4f} to {mean + half:+.4f}"
            print(f"{title:<28} mean {sum(values) / len(values):.4f}; against people only {mean:+.4f} ({interval})")


if __name__ == "__main__":
    main()
