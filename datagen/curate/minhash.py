"""Near-duplicate rows by the Jaccard similarity of their token n-grams, which MinHash estimates; here it is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from datagen.options import between, check_same_answer
from datagen.rows import View
from datagen.stage import Context, Stage, Verdict, repetition
from datagen.text import Tokenizer


@dataclass(frozen=True)
class Minhash(Stage):
    """Drop rows that share most of their shingles with a kept row.

    The first of two near duplicates stays. Exact: no signature stands between, every pair at or above the threshold is
    found. A row shorter than one shingle equals only a row of the same tokens. With `same_answer=off` Jaccard alone decides.
    """

    threshold: float = 0.7  # Jaccard similarity, 0..1; at or above is a duplicate
    field: View = "conversation"  # what is compared
    ngram: int = 5  # tokens per shingle
    same_answer: float | None = 0.7  # ROUGE-L F1 that the answers must be above too; off = answers do not matter
    short_answer: int = 20  # tokens; a shorter answer is the same only when equal
    same_facts: bool = True  # with same_answer: numbers, operators, identifiers and tools must agree
    tokenizer: Tokenizer = "graphemes"  # rouge_score: ASCII words only, for comparisons

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"near_duplicate"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "ngram", "same_facts"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0.01, 1)
        between("ngram", self.ngram, 1, 64)
        check_same_answer(self.same_answer, self.short_answer)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text, and of the answers where they matter."""
        from datagen.similarity.same_answer import token_columns

        return token_columns(rows, self.field, self.tokenizer, self.same_answer, self.short_answer)

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep the first of each group of near duplicates, comparing with kept rows only."""
        from datagen.similarity import jaccard
        from datagen.similarity.columns import token_lists
        from datagen.similarity.same_answer import answers_of

        answers, same = answers_of(columns, self.same_answer, self.short_answer, self.same_facts)
        sets = jaccard.shingles(token_lists(columns.column("tokens")), self.ngram)
        nearest = jaccard.greedy(sets, self.threshold, answers, same)
        return repetition("near_duplicate", nearest.witness, nearest.score, self.threshold)
