"""`tag` and `balance:by=diversity` on Alpaca: the tags that a subset covers, beside random subsets of the same size."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from shared_data import ALPACA, needed

import datagen as dg
from datagen.curate.balance import diverse

SIZES, SEEDS = (100, 300, 1000, 3000, 6000), 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args()
    needed(ALPACA)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = dg.filter(ALPACA, [{"tag": {"by": "words"}}], out=Path(folder, "out"), limit=asked.limit)
        tags = run.kept.column("tags").to_pylist()
        seconds = time.perf_counter() - started
        told = run.summary["stages"][-1]["notes"]
    print(
        f"{len(tags):,} rows, {told['open_tags']:,} open tags -> {told['tags']:,}, with topics {told['covered']:,};"
        f" {told['tags_per_row']:.2f} per row, {told['rows_without_tags']:,} rows without; {seconds:.1f} s"
    )
    print(f"{'rows':>7}{'diverse':>10}{'random, mean':>14}{'random, best of 10':>20}")
    order = diverse(tags, max(SIZES))
    for size in (s for s in SIZES if s <= len(tags)):
        draws = [np.random.default_rng(seed).permutation(len(tags))[:size].tolist() for seed in range(SEEDS)]
        covered = [len({t for i in draw for t in tags[i]}) for draw in draws]
        print(f"{size:>7,}{len({t for i in order[:size] for t in tags[i]}):>10,}{np.mean(covered):>14.1f}{max(covered):>20,}")


if __name__ == "__main__":
    main()
