"""The novelty filter of Self-Instruct: a row goes when a kept row is too like it by ROUGE-L."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from datagen.options import between
from datagen.rows import View, view
from datagen.stage import Context, Stage, Verdict, repetition
from datagen.text import Tokenizer, facts, tokenizer


@dataclass(frozen=True)
class Rouge(Stage):
    """Drop rows whose task and answer a kept row repeats, by ROUGE-L.

    With `same_answer=off` and `field=instruction` it is the generators' novelty test. The first of two similar rows stays;
    the witness is the kept row most like the dropped one. All answers of a conversation count as its answer. Source: Self-Instruct and Alpaca (F1 above 0.7 goes).
    """

    threshold: float = 0.7  # ROUGE-L F1, 0..1; above is a repetition
    field: View = "context"  # what is compared
    same_answer: float | None = 0.7  # F1 that the answers must be above too; off = answers do not matter
    short_answer: int = 20  # tokens; a shorter answer is the same only when equal: F1 does not see one other fact in it
    same_facts: bool = True  # with same_answer: numbers, operators, identifiers and tools must agree, in text and answer
    tokenizer: Tokenizer = "graphemes"  # rouge_score: ASCII words only, for comparisons

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"too_similar"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "short_answer"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0, 1, open_high=True)
        if self.same_answer is not None:
            between("same_answer", self.same_answer, 0, 1, open_high=True)
        between("short_answer", self.short_answer, 0, 1_000_000)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text, and of the answer where it matters."""
        from datagen.similarity.columns import tokenised

        split = tokenizer(self.tokenizer)
        found = {"tokens": tokenised(view(rows, self.field), split)}
        if self.same_answer is not None:
            answers = view(rows, "answers")
            found["answer_tokens"] = tokenised(answers, split)
            if self.same_facts:
                both = zip(view(rows, self.field), answers, rows.column("tools").to_pylist(), strict=True)
                found["facts"] = pa.array([f"{facts(text)}\n{facts(answer)}\n{tools}" for text, answer, tools in both])
        return found

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep each row that no kept row before it is too like."""
        from datagen.similarity import rouge_l
        from datagen.similarity.columns import token_lists

        text = token_lists(columns.column("tokens"))
        if self.same_answer is None:
            nearest = rouge_l.greedy(text, self.threshold)
        else:
            answers = token_lists(columns.column("answer_tokens"))
            known = _numbered(columns.column("facts")) if self.same_facts else None
            nearest = rouge_l.greedy(text, self.threshold, answers, self.same_answer, self.short_answer, known)
        return repetition("too_similar", nearest.witness, nearest.score, self.threshold)


def _numbered(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One number per distinct text, so that the kernel compares numbers."""
    return column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
