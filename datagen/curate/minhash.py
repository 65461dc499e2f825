"""Near-duplicate rows by the Jaccard similarity of their token n-grams, which MinHash estimates; here it is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from datagen.options import between
from datagen.rows import View, view
from datagen.stage import Context, Stage, Verdict, repetition
from datagen.text import Tokenizer, tokenizer


@dataclass(frozen=True)
class Minhash(Stage):
    """Drop rows that share most of their shingles with a kept row.

    The first of two near duplicates stays. Exact: no signature stands between, every pair at or above the threshold is
    found. A row shorter than one shingle equals only a row of the same tokens.
    """

    threshold: float = 0.7  # Jaccard similarity, 0..1; at or above is a duplicate
    field: View = "conversation"  # what is compared
    ngram: int = 5  # tokens per shingle
    tokenizer: Tokenizer = "graphemes"  # rouge_score: ASCII words only, for comparisons

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"near_duplicate"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "ngram"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0.01, 1)
        between("ngram", self.ngram, 1, 64)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text."""
        from datagen.similarity.columns import tokenised

        return {"tokens": tokenised(view(rows, self.field), tokenizer(self.tokenizer))}

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep the first of each group of near duplicates, comparing with kept rows only."""
        from datagen.similarity import columns as token_columns
        from datagen.similarity import jaccard
        from datagen.similarity.columns import token_lists

        sets = jaccard.shingles(token_lists(columns.column("tokens")), self.ngram)
        nearest = jaccard.greedy(sets, self.threshold)
        return repetition("near_duplicate", nearest.witness, nearest.score, self.threshold)
