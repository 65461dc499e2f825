"""Near-duplicate rows by the Jaccard similarity of their token n-grams, which MinHash estimates; here it is exact."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.data.rows import View, view
from datagen.errors import UsageError
from datagen.options import between, check_same_answer, option
from datagen.stage import Context, Stage, Verdict
from datagen.text.tokens import Units, tokenizer
from datagen.verdict import repetition

if TYPE_CHECKING:
    from datagen.similarity.rouge_l import Nearest


@dataclass(frozen=True)
class Minhash(Stage):
    """Drop rows that share most of their shingles with a kept row.

    Exact: no signature stands between, every pair at or above the threshold is found (`candidates=all`), and no row goes
    because of one that went. `candidates=lsh` looks only at rows that share a band of their MinHash signatures, for the largest
    sets; what it finds is verified by exact Jaccard, and run.json gives the share of pairs at the threshold that it finds.
    Which of two stays is `keep`. A row shorter than one shingle equals only a row of the same tokens. With `same_answer=off`
    Jaccard alone decides. Source: Broder 1997; PPJoin (Xiao et al. 2008).
    """

    threshold: float = option(0.7, "Jaccard similarity, 0..1; at or above is a duplicate")
    field: View = option("conversation", "what is compared")
    ngram: int = option(5, "tokens per shingle")
    same_answer: float | None = option(0.7, "ROUGE-L F1 that the answers must be above too; off = answers do not matter")
    short_answer: int = option(20, "tokens; a shorter answer is the same only when equal")
    same_facts: bool = option(True, "with same_answer: numbers, operators, identifiers, tools, what is asked about must agree")
    units: Units = option("graphemes", "words: a dictionary's, for Chinese and Thai; rouge_score: ASCII words, for comparisons")
    keep: Literal["first", "longest", "score", "priority"] = option(
        "first", "who stays: by place, answer, the column `by`, source"
    )
    by: str | None = option(None, "keep=score: a column of numbers, highest first; off in a row = last")
    priority: tuple[str, ...] = option((), "keep=priority: sources, the best first; others after them")
    candidates: Literal["all", "lsh"] = option("all", "which pairs are compared")
    against: tuple[str, ...] = option((), "files of rows that come first and stay")

    version: ClassVar[int] = 5
    reasons: ClassVar[frozenset[str]] = frozenset({"near_duplicate"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "same_facts", "against"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0.01, 1)
        between("ngram", self.ngram, 1, 64)
        check_same_answer(self.same_answer, self.short_answer)
        if (self.keep == "score") != bool(self.by) or (self.keep == "priority") != bool(self.priority):
            raise ValueError("keep=score goes with by=COLUMN, and keep=priority with priority=SOURCE,SOURCE")

    @property
    def reads(self) -> tuple[str, ...]:
        """The column that says who stays."""
        return (self.by,) if self.by else ("source",) if self.priority else ()

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
        """Templated rows look like duplicates."""
        return True

    @property
    def incremental(self) -> bool:
        """A row is compared with those before it."""
        return self.keep == "first"

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of the compared text, of the answers where they matter, and what says who stays."""
        from datagen.similarity.same_answer import token_columns

        found = token_columns(rows, self.field, self.units, self.same_answer, self.short_answer)
        if self.candidates == "lsh":
            from datagen.similarity.minhash import PERMUTATIONS, shingles, signatures

            split = tokenizer(self.units)
            signed = signatures(shingles(split(text), self.ngram) for text in view(rows, self.field))
            found["signature"] = pa.FixedSizeListArray.from_arrays(pa.array(signed.ravel()), PERMUTATIONS)
        if self.keep != "first":
            found["rank"] = pa.array(self._rank(rows), pa.float64())
        return found

    def _rank(self, rows: pa.Table) -> list[float]:
        """Return one number per row, higher stays."""
        if self.keep == "longest":
            return [float(len(answer)) for answer in view(rows, "answers")]
        if self.keep == "priority":
            place = {source: -float(i) for i, source in enumerate(self.priority)}
            return [place.get(source, -float(len(place))) for source in rows.column("source").to_pylist()]
        assert self.by is not None  # checked when it was made
        if self.by in rows.column_names:
            values: list[Any] = rows.column(self.by).to_pylist()
        else:
            values = [json.loads(extra).get(self.by) if extra else None for extra in rows.column("extra").to_pylist()]
        return [float(v) if isinstance(v, (int, float)) and v == v else float("-inf") for v in values]

    def _check_rank(self, columns: pa.Table) -> None:
        """Refuse a column or sources that no row has: every row would be as good as another, which nobody asks for."""
        if self.keep not in ("score", "priority") or not len(columns):
            return
        worst = float("-inf") if self.keep == "score" else -float(len(self.priority))
        if pc.max(columns.column("rank")).as_py() == worst:
            what = f"has a number in '{self.by}'" if self.by else f"is of a source in priority={','.join(self.priority)}"
            raise UsageError(f"stage 'minhash': no row {what}; name one that rows or earlier stages have")

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep the best of each group of near duplicates, comparing with kept rows only."""
        from datagen.similarity import minhash
        from datagen.similarity.same_answer import spared

        self._check_rank(columns)
        order = _order(columns, ctx.pinned)
        if order is not None:
            columns = columns.take(pa.array(order))
        notes = dict[str, Any]()
        if self.candidates == "lsh":
            n_bands, rows, recall = minhash.bands(self.threshold)
            notes = {"bands": n_bands, "rows_per_band": rows, "recall_at_threshold": round(recall, 6)}
        nearest = self._nearest(columns, ctx.pinned)
        witness, score = nearest.witness, nearest.score
        if self.same_answer is not None and self.same_facts:
            notes |= spared(columns, witness < 0, ctx.pinned, replace(self, same_facts=False)._nearest)
        if order is not None:
            witness, score = np.empty_like(witness), np.empty_like(score)
            witness[order] = np.where(nearest.witness >= 0, order[nearest.witness], -1)
            score[order] = nearest.score
        return repetition("near_duplicate", witness, score, self.threshold, notes)

    def _nearest(self, columns: pa.Table, pinned: int) -> Nearest:
        """Compare the rows, in the order in which they stand."""
        from datagen.similarity import jaccard, minhash
        from datagen.similarity.columns import token_lists
        from datagen.similarity.same_answer import answers_of

        buckets = None
        if self.candidates == "lsh":
            signed = pc.list_flatten(columns.column("signature")).to_numpy().reshape(len(columns), -1)
            n_bands, rows, _ = minhash.bands(self.threshold)
            buckets = minhash.buckets(signed, n_bands, rows)
        answers, same = answers_of(columns, self.same_answer, self.short_answer, self.same_facts)
        sets = jaccard.shingles(token_lists(columns.column("tokens")), self.ngram)
        return jaccard.greedy(sets, self.threshold, answers, same, pinned=pinned, buckets=buckets)


def _order(columns: pa.Table, pinned: int) -> npt.NDArray[np.int64] | None:
    """The order in which rows are looked at: pinned ones first, then by falling rank, ties by place; None = as they stand."""
    if "rank" not in columns.column_names:
        return None
    rank = columns.column("rank").to_numpy().copy()
    rank[:pinned] = np.inf
    found: npt.NDArray[np.int64] = np.argsort(-rank, kind="stable")
    return found
