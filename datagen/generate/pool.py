"""The seeds and the rows kept so far: what a new task may not repeat, and what a prompt may show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datagen.data.rows import Row
from datagen.generate.draft import Repeat
from datagen.text.tokens import tokens


class Pool:
    """The seeds, then the kept rows in order; their texts are compared by the kernel of `rouge`, one row at a time."""

    def __init__(self, seeds: Sequence[Row], threshold: float) -> None:
        """Begin with the seeds; `threshold` is the ROUGE-L F1 above which a task is not new."""
        from datagen.similarity.rouge_pool import RougePool

        self.threshold = threshold
        self.seeds = list(seeds)
        self.kept: list[Row] = []  # id, instruction, input, output
        self._rouge = RougePool(threshold)
        for seed in seeds:
            self._rouge.add(tokens(seed["instruction"]))

    def add(self, row: Row) -> None:
        """Keep a row."""
        self._rouge.add(tokens(row["instruction"]))
        self.kept.append({name: row[name] for name in ("id", "instruction", "input", "output")})

    def repeats(self, instruction: str, kept: int | None = None) -> Repeat | None:
        """Return the seed or row that a task repeats, looking only at the first `kept` rows; None = it is new."""
        among = None if kept is None else len(self.seeds) + kept
        hit = self._rouge.nearest(tokens(instruction), among)
        if hit is None:
            return None
        at, score = hit
        if at < len(self.seeds):
            return Repeat(self.seeds[at]["id"], self.seeds[at]["instruction"], score)
        return Repeat(self.kept[at - len(self.seeds)]["id"], None, score)


@dataclass(frozen=True)
class Seen:
    """The pool as a request may see it: with the first `kept` rows, whatever was added since."""

    pool: Pool
    kept: int

    def repeats(self, instruction: str) -> Repeat | None:
        """Return what a task repeats among what is seen, or None."""
        return self.pool.repeats(instruction, self.kept)

    def row(self, at: int) -> Row:
        """Return one of the kept rows that are seen, by its position."""
        return self.pool.kept[at]
