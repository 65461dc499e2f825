"""The novelty filter of Self-Instruct: a row goes when a kept row is too like it by ROUGE-L."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.rows import View, view
from datagen.options import between, check_same_answer, option
from datagen.stage import Context, Stage, Verdict
from datagen.text.tokens import Units
from datagen.verdict import repetition

if TYPE_CHECKING:
    from datagen.similarity.rouge_l import Contexts, Nearest
    from datagen.similarity.token_lists import TokenLists

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
FLOOR = 0.5  # F1 above which a row is among the nearest
NEAREST = pa.list_(pa.struct([("id", pa.string()), ("score", pa.float64())]))


@dataclass(frozen=True)
class Rouge(Stage):
    """Drop rows whose task and answer a kept row repeats, by ROUGE-L.

    With `same_answer=off` and `field=instruction` it is the generators' novelty test. The first of two similar rows stays; the
    witness is the kept row most like the dropped one. All answers of a conversation count as its answer. Rows with the context
    of an earlier one and another answer are counted as `conflicting_answers`; `conflicts=mark` names that row in the column
    `conflicts_with`, and only `conflicts=drop` drops them.
    `nearest=10` adds the kept rows that each row is most like (F1 above 0.5) and `rouge_l_max`.
    Source: Self-Instruct and Alpaca (F1 above 0.7 goes).
    """

    threshold: float = option(0.7, "ROUGE-L F1, 0..1; above is a repetition")
    field: View = option("context", "what is compared")
    same_answer: float | None = option(0.7, "F1 that the answers must be above too; off = answers do not matter")
    short_answer: int = option(20, "tokens; a shorter answer is the same only when equal")
    same_facts: bool = option(True, "with same_answer: numbers, operators, identifiers, tools, what is asked about must agree")
    units: Units = option("graphemes", "words: a dictionary's, for Chinese and Thai; rouge_score: ASCII words, for comparisons")
    against: tuple[str, ...] = option((), "files of rows that come first and stay")
    nearest: int = option(0, "kept rows named for each row, above F1 0.5; 0 = none")
    conflicts: Literal["report", "mark", "drop"] = option("report", "rows with an earlier row's context and another answer")

    version: ClassVar[int] = 5
    reasons: ClassVar[frozenset[str]] = frozenset({"too_similar", "conflicting_answers"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "same_facts", "against", "conflicts"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0, 1, open_high=True)
        between("nearest", self.nearest, 0, 100)
        check_same_answer(self.same_answer, self.short_answer)

    @property
    def marks(self) -> dict[str, pa.DataType]:
        """The row that each contradicts, and the nearest kept rows, where they are asked for."""
        found: dict[str, pa.DataType] = {"conflicts_with": pa.string()} if self.conflicts == "mark" else {}
        return found | ({"rouge_l_max": pa.float64(), "rouge_l_nearest": NEAREST} if self.nearest else {})

    def score_options(self) -> dict[str, Any]:
        """Ids are among the scores where rows are named."""
        return {**super().score_options(), "names": self._names}

    @property
    def _names(self) -> bool:
        return bool(self.nearest) or self.conflicts == "mark"

    @property
    def references(self) -> tuple[str, ...]:
        """The files of rows that come first."""
        return self.against

    @property
    def curve(self) -> tuple[str, tuple[float, ...]]:
        """How many rows it would keep when rows must be more, or less, alike."""
        return "threshold", (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

    @property
    def guarded(self) -> bool:
        """Templated rows look like repetitions."""
        return True

    @property
    def incremental(self) -> bool:
        """A row is compared with those before it."""
        return not self.nearest

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text and of the answer where it matters, and digests of context and answers."""
        from datagen.similarity.same_answer import digests, token_columns

        found = token_columns(rows, self.field, self.units, self.same_answer, self.short_answer)
        # A row without any context has nothing that another could contradict.
        contexts = view(rows, "context")
        found["context"] = pa.array([d if text.strip() else None for d, text in zip(digests(contexts), contexts, strict=True)])
        found["answers"] = pa.array(digests(view(rows, "answers")))
        if self._names:
            found["id"] = rows.column("id").combine_chunks()
        return found

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep each row that no kept row before it is too like."""
        from datagen.similarity import rouge_l
        from datagen.similarity.columns import token_lists
        from datagen.similarity.same_answer import answers_of, spared

        answers, same = answers_of(columns, self.same_answer, self.short_answer, self.same_facts)
        text, contexts = token_lists(columns.column("tokens")), _contexts(columns)
        dropping = contexts if self.conflicts == "drop" else rouge_l.NO_CONTEXTS
        found = rouge_l.greedy(text, self.threshold, answers, same, pinned=ctx.pinned, contexts=dropping)
        first = found.conflict
        if self.conflicts != "drop":
            first = conflicting(contexts, found.witness >= 0)
            first[: ctx.pinned] = -1
        notes = _notes(first)
        kept = (found.witness < 0) & (found.conflict < 0)

        def compared(rows: pa.Table, pinned: int) -> Nearest:
            answers, same = answers_of(rows, self.same_answer, self.short_answer, same_facts=False)
            return rouge_l.greedy(token_lists(rows.column("tokens")), self.threshold, answers, same, pinned=pinned)

        if self.same_answer is not None and self.same_facts:
            notes |= spared(columns, kept, ctx.pinned, compared)
        told = repetition("too_similar", found.witness, found.score, self.threshold, notes)
        if self.conflicts == "drop":
            told = _with_conflicts(told, first)
        marks: dict[str, pa.Array] = {}
        if self.conflicts == "mark":
            ids = columns.column("id").combine_chunks()
            marks["conflicts_with"] = ids.take(pa.array(first, mask=first < 0))
        if self.nearest:
            kept = told.reason.is_null().to_numpy(zero_copy_only=False)
            marks |= self._nearest(columns, text, kept)
        return replace(told, columns=marks)

    def _nearest(self, columns: pa.Table, text: TokenLists, kept: Flags) -> dict[str, pa.Array]:
        from datagen.similarity.rouge_nearest import nearest

        rows, scores = nearest(text, kept, self.nearest, FLOOR)
        ids = columns.column("id").combine_chunks()
        there = rows >= 0
        flat = pa.StructArray.from_arrays(
            [ids.take(pa.array(rows[there])), pa.array(scores[there])], fields=list(NEAREST.value_type)
        )
        offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
        return {"rouge_l_max": pa.array(scores[:, 0]), "rouge_l_nearest": pa.ListArray.from_arrays(pa.array(offsets), flat)}


def _contexts(columns: pa.Table) -> Contexts:
    """Return what each row is asked and what it says, numbered."""
    from datagen.similarity.rouge_l import Contexts

    asked = columns.column("context").combine_chunks().dictionary_encode(null_encoding="mask").indices
    said = columns.column("answers").combine_chunks().dictionary_encode().indices
    return Contexts(asked.fill_null(-1).to_numpy().astype(np.int64), said.to_numpy().astype(np.int64))


def conflicting(contexts: Contexts, dropped: Flags) -> Places:
    """Return, per row that is left, the first row left with the same context and another answer: int64[n], -1 = none."""
    found = np.full(len(dropped), -1, np.int64)
    usable = np.flatnonzero((contexts.asked >= 0) & ~dropped)
    _, at, inverse = np.unique(contexts.asked[usable], return_index=True, return_inverse=True)
    first = usable[at][inverse]
    other = contexts.said[usable] != contexts.said[first]
    found[usable[other]] = first[other]
    return found


def _notes(first: Places) -> dict[str, Any]:
    count = int((first >= 0).sum())
    return {"conflicting_answers": count} if count else {}


def _with_conflicts(told: Verdict, first: Places) -> Verdict:
    """Return the verdict with the rows of another answer dropped too."""
    here = first >= 0
    reason = np.where(here, "conflicting_answers", told.reason.to_numpy(zero_copy_only=False))
    witness = np.where(here, first, told.witness.fill_null(-1).to_numpy() if told.witness is not None else -1)
    return Verdict(
        pa.array(reason, pa.string()), told.score, told.threshold, pa.array(witness, mask=witness < 0), notes=told.notes
    )
