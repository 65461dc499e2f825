"""The novelty filter of Self-Instruct: a row goes when a kept row is too like it by ROUGE-L."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from datagen.options import between, check_same_answer
from datagen.rows import View
from datagen.stage import Context, Stage, Verdict, repetition
from datagen.text import Tokenizer


@dataclass(frozen=True)
class Rouge(Stage):
    """Drop rows whose task and answer a kept row repeats, by ROUGE-L.

    With `same_answer=off` and `field=instruction` it is the generators' novelty test. The first of two similar rows stays; the
    witness is the kept row most like the dropped one. All answers of a conversation count as its answer.
    Source: Self-Instruct and Alpaca (F1 above 0.7 goes).
    """

    threshold: float = 0.7  # ROUGE-L F1, 0..1; above is a repetition
    field: View = "context"  # what is compared
    same_answer: float | None = 0.7  # F1 that the answers must be above too; off = answers do not matter
    short_answer: int = 20  # tokens; a shorter answer is the same only when equal
    same_facts: bool = True  # with same_answer: numbers, operators, identifiers and tools must agree
    tokenizer: Tokenizer = "graphemes"  # rouge_score: ASCII words only, for comparisons

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"too_similar"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "same_facts"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0, 1, open_high=True)
        check_same_answer(self.same_answer, self.short_answer)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text, and of the answer where it matters."""
        from datagen.similarity.same_answer import token_columns

        return token_columns(rows, self.field, self.tokenizer, self.same_answer, self.short_answer)

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep each row that no kept row before it is too like."""
        from datagen.similarity import rouge_l
        from datagen.similarity.columns import token_lists
        from datagen.similarity.same_answer import answers_of

        text = token_lists(columns.column("tokens"))
        answers, same = answers_of(columns, self.same_answer, self.short_answer, self.same_facts)
        nearest = rouge_l.greedy(text, self.threshold, answers, same)
        return repetition("too_similar", nearest.witness, nearest.score, self.threshold)
