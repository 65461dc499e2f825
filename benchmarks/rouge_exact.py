"""`rouge` against the pairwise loop of rouge_score: the same decisions on a subset, and the time of both on the whole."""

from __future__ import annotations

import random
import time

import numpy as np
from bars import Bars
from rouge_score.rouge_scorer import _score_lcs
from rouge_score.tokenize import tokenize
from shared_data import ALPACA, needed, records

from datagen import stage
from datagen.data.rows import new_row, table_of
from datagen.stage import Context

CLAUSES = ("Please be brief.", "Explain your answer.", "as clearly as you can", "for a beginner")
Row = dict[str, str]


def variant(row: Row, draw: random.Random) -> Row:
    """Return a planted copy: a word swapped, a clause added, or the case changed."""
    words = row["instruction"].split()
    kind = draw.randrange(3)
    if kind == 0 and words:
        words[draw.randrange(len(words))] = draw.choice(("thing", "topic", "item", "example"))
    elif kind == 1:
        words.insert(draw.randrange(len(words) + 1), draw.choice(CLAUSES))
    text = " ".join(words)
    return {**row, "instruction": text.upper() if kind == 2 else text, "output": row["output"] + " (copy)"}


def planted(rows: list[Row], copies: int, seed: int) -> list[Row]:
    """Return the rows with so many variants put at random places after their originals."""
    draw = random.Random(seed)
    keyed = [(float(i), row) for i, row in enumerate(rows)]
    keyed += [(draw.uniform(i, len(rows)), variant(rows[i], draw)) for i in draw.sample(range(len(rows)), copies)]
    return [row for _, row in sorted(keyed, key=lambda k: k[0])]


def brute_force(rows: list[Row]) -> tuple[list[bool], int]:
    """Return which rows the pairwise greedy loop drops, and how many pairs it compared."""
    kept: list[list[str]] = []
    dropped, pairs = [], 0
    for row in rows:
        tokens = tokenize(row["instruction"], None)
        pairs += len(kept)
        dropped.append(any(_score_lcs(other, tokens).fmeasure > 0.7 for other in kept))
        if not dropped[-1]:
            kept.append(tokens)
    return dropped, pairs


def ours(rows: list[Row], units: str = "rouge_score") -> tuple[list[bool], float, float]:
    """Return which rows the stage drops, and the seconds of its scores (tokens) and of its decision (the kernel)."""
    made = stage.make("rouge", {"field": "instruction", "same_answer": None, "same_facts": False, "units": units})
    table = table_of([new_row(instruction=r["instruction"], input=r["input"], output=r["output"]) for r in rows])
    started = time.perf_counter()
    columns = stage.scored(made, table, Context())
    scored = time.perf_counter()
    alive = np.ones(len(rows), bool)
    stage.apply(made, columns, alive, Context())
    return (~alive).tolist(), scored - started, time.perf_counter() - scored


def main() -> None:
    """Print the table."""
    needed(ALPACA)
    rows = list(records("rows/alpaca_en_52k.jsonl.gz"))
    ours(planted(rows[:200], 20, 1))  # compiles the kernels where they are not yet
    small = planted(random.Random(17).sample(rows, 2500), 500, 17)
    started = time.perf_counter()
    truth, pairs = brute_force(small)
    loop = time.perf_counter() - started
    found, _, seconds = ours(small)
    agree = sum(a == b for a, b in zip(truth, found, strict=True))
    print(
        f"subset of {len(small):,} rows: {agree:,} decisions equal, {sum(truth)} dropped by both; "
        f"loop {loop:.1f} s for {pairs:,} pairs, kernel {seconds:.2f} s"
    )
    bars = Bars()
    bars.holds("the decisions of rouge_score's loop", agree == len(small))
    whole = planted(rows, 5000, 17)
    for units in ("rouge_score", "graphemes"):
        found, tokens, seconds = ours(whole, units)
        copies = [d for d, r in zip(found, whole, strict=True) if r["output"].endswith(" (copy)")]
        n_pairs = (len(whole) - sum(found)) * len(whole) // 2
        print(
            f"whole set of {len(whole):,} rows, units={units}: {sum(copies):,} of {len(copies):,} planted variants and"
            f" {sum(found) - sum(copies):,} other rows dropped; tokens {tokens:.2f} s, kernel {seconds:.2f} s; the loop would"
            f" take about {n_pairs * loop / pairs / 3600:.1f} h ({n_pairs * loop / pairs / seconds:,.0f} times as long)"
        )
        bars.at_most(f"seconds in the kernel, units={units}", 4, seconds)
    bars.end()


if __name__ == "__main__":
    main()
