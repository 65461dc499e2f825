"""What embeddings say: near-duplicates by cosine, the pairs or rows that fit best, and a subset that is spread out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.data.rows import View, table_of, view
from datagen.errors import UsageError
from datagen.models.embed import MULTILINGUAL, UNKNOWN, UNREAD, load, resolve
from datagen.options import between, option
from datagen.stage import ERROR, LEEWAY, SAMPLE, Context, Stage, Verdict, scored
from datagen.verdict import because, repetition


@dataclass(frozen=True)
class Semantic(Stage):
    """Drop near-duplicates by embedding, or keep the rows that fit a target best, or a spread-out subset.

    `mode=near_duplicates`: a row goes when its cosine with a kept row is `threshold` or more. `mode=top_k`: the share `keep`
    stays whose input and output are most alike (translation pairs), or, with `against`, that is most like any row of a target
    set. `mode=diverse`: the share `keep` (or `size` rows) of a k-centre greedy subset stays. Exact, block by block. Rows that
    the model cannot read (more than a tenth unknown tokens) are never scored: some stay as they are, many end the run. Of a row
    longer than the model's window its beginning counts; run.json says how many there are.
    Source: k-centre greedy, Sener and Savarese 2018.
    """

    mode: Literal["near_duplicates", "top_k", "diverse"] = option("near_duplicates", "what goes, or what stays")
    threshold: float = option(0.95, "cosine; at or above is a duplicate")
    field: View = option("conversation", "what is embedded; top_k of pairs: the input (or the context) and the answer")
    keep: float = option(0.25, "share that stays: top_k, diverse")
    size: int | None = option(None, "rows that stay, instead of a share")
    against: tuple[str, ...] = option((), "files of rows: they come first (near_duplicates), or are the target (top_k)")
    model: str = option("minilm", "a sentence-transformers model: minilm, a folder, or a Hub id")
    device: str = option("auto", "auto, cpu, cuda, mps")
    dtype: Literal["auto", "float32", "bfloat16"] = option("auto", "auto: bfloat16 where the device has instructions for it")

    version: ClassVar[int] = 4
    parallel: ClassVar[Literal["rows", "device"]] = "device"
    chunk: ClassVar[int] = 1024
    reasons: ClassVar[frozenset[str]] = frozenset({"semantic_duplicate", "not_similar_enough", "not_in_subset"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "keep", "size"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0.01, 1)
        between("keep", self.keep, 0, 1)
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be 1 or more, not {self.size}")

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """The similarity of input and output, where it is what is asked for."""
        return {"input_output_cosine": pa.float64()} if self._pairs else {}

    @property
    def marks(self) -> dict[str, pa.DataType]:
        """The similarity with the target set."""
        return {"target_cosine": pa.float64()} if self.mode == "top_k" and self.against else {}

    @property
    def references(self) -> tuple[str, ...]:
        """The files of rows that come first."""
        return self.against

    @property
    def curve(self) -> tuple[str, tuple[float, ...]] | None:
        """How many rows it would keep when rows must be more, or less, alike; a share is kept whatever the scores."""
        return ("threshold", (0.8, 0.85, 0.9, 0.95, 0.98)) if self.mode == "near_duplicates" else None

    @property
    def guarded(self) -> bool:
        """Templated rows are alike; what a share leaves out was asked for."""
        return self.mode == "near_duplicates"

    @property
    def _pairs(self) -> bool:
        return self.mode == "top_k" and not self.against

    def identity(self) -> str:
        """The embedder's weights."""
        if self.mode == "diverse" and self.against:
            raise UsageError("stage 'semantic': mode=diverse takes no target set; leave against out")
        return resolve(self.model)[1]

    def score_options(self) -> dict[str, Any]:
        """What the embeddings depend on: not the mode, but whether it is pairs that are embedded."""
        return {
            "field": self.field if not self._pairs else None,
            "pairs": self._pairs,
            "model": self.model,
            "dtype": self.dtype,
        }

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return each row's vector (null where the model cannot read it), or the cosine of its context and its answer."""
        embedder = load(self.model, self.device, self.dtype)
        if not self._pairs:
            vectors, unknown, cut = embedder.encode(view(rows, self.field), lambda n: ctx.at(n, ""))
            flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
            return {"vector": flat, "unknown": pa.array(unknown), "cut": pa.array(cut)}
        from datagen.similarity.cosine import cosine

        inputs = rows.column("input").to_pylist()
        given = [text if text.strip() else context for text, context in zip(inputs, view(rows, "context"), strict=True)]
        one = embedder.encode(given, lambda n: ctx.at(n // 2, ""))
        other = embedder.encode(view(rows, "answer"), lambda n: ctx.at((len(rows) + n) // 2, ""))
        unknown = np.maximum(one.unknown, other.unknown)
        near = pa.array(cosine(one.vectors, other.vectors), mask=unknown > UNKNOWN)
        return {"input_output_cosine": near, "unknown": pa.array(unknown), "cut": pa.array(one.cut | other.cut)}

    def refuse(self, columns: pa.Table, leeway: float = 1.0) -> None:
        """Refuse a model that does not know the tokens of more than a few rows."""
        unknown = int((columns.column("unknown").to_numpy() > UNKNOWN).sum())
        if unknown > max(1, leeway * UNREAD * len(columns)):
            raise UsageError(
                f"stage 'semantic': the model '{self.model}' does not know over {UNKNOWN:.0%} of the tokens of"
                f" {unknown:,} of {len(columns):,} rows; name one that reads their language, such as"
                f" {MULTILINGUAL}: --set semantic.model=NAME, of backtranslate --fit-model NAME"
            )

    def check_passages(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """Refuse passages that the model does not read: their instructions will be in the same language."""
        columns = scored(self, table_of(islice(rows, SAMPLE)), Context())
        self.refuse(columns.filter(columns.column(ERROR).is_null()), LEEWAY)

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep what is new, what fits best, or what is spread out."""
        self.refuse(columns)
        cut = int(np.asarray(columns.column("cut")).sum())
        return replace(self._judged(columns, ctx), notes={"rows_cut": cut} if cut else {})

    def _judged(self, columns: pa.Table, ctx: Context) -> Verdict:
        unknown = columns.column("unknown").to_numpy() > UNKNOWN
        if self._pairs:
            score = columns.column("input_output_cosine").combine_chunks()
            return self._best(score, unknown, {}, 0)
        from datagen.similarity import cosine

        vectors = _matrix(columns.column("vector"))
        if unknown.any():
            vectors = np.where(unknown[:, None], np.float32(0), vectors)  # like nothing
        if self.mode == "near_duplicates":
            witness, found = cosine.greedy(vectors, self.threshold, ctx.pinned)
            return repetition("semantic_duplicate", witness, found, self.threshold)
        if self.mode == "top_k":
            near, _ = cosine.highest(vectors[ctx.pinned :], vectors[: ctx.pinned])
            score = pa.array(np.concatenate([np.ones(ctx.pinned), near]), mask=unknown)
            return self._best(score, unknown, {"target_cosine": score}, ctx.pinned)
        able = np.flatnonzero(~unknown)
        taken = able[cosine.k_centre(vectors[able], self._wanted(len(able)))]
        gone = ~unknown
        gone[taken] = False
        return Verdict(because("not_in_subset", gone))

    def _wanted(self, rows: int) -> int:
        return min(rows, self.size if self.size is not None else round(self.keep * rows))

    def _best(self, score: pa.Array, unknown: npt.NDArray[np.bool_], marks: dict[str, pa.Array], pinned: int) -> Verdict:
        """Keep the rows of the highest scores, ties by place; rows without one are left alone."""
        values = score.fill_null(-2.0).to_numpy(zero_copy_only=False)
        able = np.flatnonzero(~unknown[pinned:]) + pinned
        order = able[np.argsort(-values[able], kind="stable")]
        count = self._wanted(len(able))
        gone = np.zeros(len(values), bool)
        gone[order[count:]] = True
        cut = float(values[order[count - 1]]) if count else 1.0
        return Verdict(
            because("not_similar_enough", gone), score, pa.array(np.full(len(values), cut), mask=~gone), columns=marks
        )


def _matrix(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return vectors as one matrix float32[n, d], nulls as zeros."""
    whole = column.combine_chunks()
    size = whole.type.list_size
    flat = pc.list_flatten(whole.fill_null(pa.scalar([0.0] * size, whole.type))) if whole.null_count else whole.flatten()
    matrix: npt.NDArray[np.float32] = flat.to_numpy(zero_copy_only=False).reshape(len(whole), size)
    return matrix
