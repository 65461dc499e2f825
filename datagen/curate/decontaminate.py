"""Decontamination: rows that hold the prompt of a benchmark item, found by exact n-gram coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UsageError
from datagen.options import between, option
from datagen.similarity.benchmarks import FIELDS
from datagen.stage import Context, Stage, Verdict
from datagen.text.tokens import is_unspaced, words
from datagen.text.wordlists import entries, file_of, stamp
from datagen.tool_calls import strings

if TYPE_CHECKING:
    import numpy.typing as npt

    from datagen.similarity.ngrams import Grams

SHORTEST = 5  # tokens; a shorter item counts only when it is all of a field
FIELD = 8  # tokens; an item of fewer is found as all of a field even where it is a common phrase
PREAMBLE = 4  # items; an n-gram that more of them hold is of what stands before or around them


@dataclass(frozen=True)
class Decontaminate(Stage):
    """Drop rows that hold the prompt of a benchmark's item, by n-gram coverage.

    A row goes when one of its turns, answers or fields together hold at least `threshold` of the distinct n-grams of an item's
    prompt; with `rule=any`, when they hold one. An item of 5 to n-1 tokens must be there whole, a shorter one must be all of a
    field. Tokens are words, characters where the script does not space words; case, punctuation and the separators of numbers
    do not count. An n-gram inside one of the `common` phrases says nothing, nor does one of a preamble that many items share.
    An item with none of `fields` is read as rows are; how many hold nothing to look for is said.
    The evidence: benchmark, item and matched span.
    Source: GPT-3's overlap (Brown et al. 2020) and the coverage of Tulu 3 (Lambert et al. 2024).
    """

    against: tuple[str, ...] = option((), "benchmarks: files or folders of records")
    threshold: float = option(0.5, "share of an item's n-grams; at or above is contaminated")
    ngram: int = option(8, "tokens")
    rule: Literal["coverage", "any"] = option("coverage", "any: one n-gram is enough")
    fields: tuple[str, ...] = option(FIELDS, "of its prompt; a.b: nested")
    common: str | None = option("common_phrases", "phrases that say nothing, or a file of them; off = none")

    version: ClassVar[int] = 3
    reasons: ClassVar[frozenset[str]] = frozenset({"contaminated"})
    decides: ClassVar[frozenset[str]] = frozenset({"threshold", "rule"})

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0.01, 1)
        between("ngram", self.ngram, SHORTEST, 64)

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The benchmarks and the list of phrases."""
        common = {"common": (str(file_of(self.common)),)} if self.common else {}
        return {"benchmarks": self.against, **common}

    @property
    def protects(self) -> str:
        """What a benchmark says of a model."""
        return "leaks of benchmarks"

    @property
    def incremental(self) -> bool:
        """A row is judged by itself."""
        return True

    @property
    def curve(self) -> tuple[str, tuple[float, ...]] | None:
        """How many rows it would keep when an item must be covered more, or less; any match has no threshold."""
        return ("threshold", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)) if self.rule == "coverage" else None

    @property
    def guarded(self) -> bool:
        """A source that mostly goes is a benchmark, or an item that is a template."""
        return True

    def identity(self) -> str:
        """Make sure that a benchmark is named."""
        if not self.against:
            raise UsageError("decontaminate needs benchmarks: --stage decontaminate:against=FILE_OR_DIRECTORY")
        return ""

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the highest coverage of an item (0..1, null for none) and its evidence."""
        from datagen.similarity import ngrams

        items, texts = self._items(), _Texts(rows)
        numbers = np.fromiter(map(items.vocabulary.__getitem__, texts.tokens.vocabulary), np.uint32)
        flat = numbers[texts.tokens.ids] if len(numbers) else np.empty(0, np.uint32)
        coverage, best = np.zeros(len(rows)), np.full(len(rows), -1, np.int64)
        for grams in items.grams:
            share, found = ngrams.best_covered(flat, texts.ends, texts.last, items.held, grams, items.sizes)
            better = (share > coverage) | ((share == coverage) & (found >= 0) & (found < best))
            coverage[better], best[better] = share[better], found[better]
        evidence: list[str | None] = [None] * len(rows)
        for row in np.flatnonzero(coverage > 0).tolist():
            grams = next(g for g in items.grams if g.n == items.lengths[best[row]])
            start, ends = texts.of(row)
            here = slice(start, int(ends[-1]))
            a, b = ngrams.longest_span(flat[here], ends - start, items.held, grams, int(best[row]))
            evidence[row] = f"{items.names[best[row]]}: {_joined(texts.between(start + a, start + b))}"
        for row, field in texts.short:
            if (at := items.whole.get(field)) is not None and coverage[row] < 1:
                coverage[row], evidence[row] = 1.0, f"{items.names[at]}: all of a field: {_joined(list(field))}"
        return {
            "coverage": pa.array(coverage, mask=coverage <= 0),
            "evidence": pa.array(evidence, pa.string()),
        }

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Drop each row that covers enough of an item."""
        coverage = columns.column("coverage").combine_chunks()
        least = self.threshold if self.rule == "coverage" else 0.0
        hit = pc.greater_equal(coverage.fill_null(-1.0), least)
        reason = pc.if_else(hit, pa.scalar("contaminated"), pa.scalar(None, pa.string()))
        threshold = pa.array(np.full(len(coverage), least))
        evidence = columns.column("evidence").combine_chunks()
        return Verdict(reason, coverage, threshold, evidence=evidence, notes=self._silent())

    def _silent(self) -> dict[str, Any]:
        """How many items hold nothing to look for, and the first of them."""
        from datagen.similarity import benchmarks

        silent = benchmarks.read(self.against, self.fields, _state(self.against, self.common)).silent
        return {"items_without_text": len(silent), "first_without_text": silent[0]} if silent else {}

    def _items(self) -> _Items:
        return _indexed(self.against, self.fields, self.ngram, self.common, _state(self.against, self.common))


class _Vocabulary(dict[str, int]):
    """Token -> id from 1; 0 stands for every other token."""

    def __missing__(self, token: str) -> int:
        return 0


class _Items(NamedTuple):
    """The prompts of all items: their names, tokens and n-grams."""

    names: list[str]
    vocabulary: _Vocabulary
    held: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.int32]  # tokens per gram by which each is compared; 0 = only as a whole field
    grams: list[Grams]
    sizes: npt.NDArray[np.int32]  # distinct n-grams of each
    whole: dict[tuple[str, ...], int]  # the short ones, which may be all of a field


class _Texts:
    """The tokens of a batch of rows field by field, where each segment ends, and the fields that are short.

    A segment is the task with its input, an answer, one turn, or its reasoning; shapes: ends int64[n_segments], last
    int64[n_rows], the number of segments up to the end of each row.
    """

    def __init__(self, rows: pa.Table) -> None:
        from datagen.similarity.tokenised import tokenised_words

        fields: list[str] = []
        of: list[int] = []  # the row of each field
        ends: list[int] = []  # fields up to the end of each segment
        last: list[int] = []
        columns = [rows.column(c).to_pylist() for c in ("instruction", "input", "output", "system", "messages", "candidates")]
        for row, (instruction, given, output, system, messages, candidates) in enumerate(zip(*columns, strict=True)):
            turns = [[instruction, given], [output]] if messages is None else [part for m in messages for part in _parts(m)]
            for segment in [*turns, [system], *([c["text"]] for c in candidates or ())]:
                fields += [field or "" for field in segment]
                of += [row] * len(segment)
                ends.append(len(fields))
            last.append(len(ends))
        self.tokens = tokenised_words(fields)
        self.ends, self.last = self.tokens.offsets[np.array(ends, np.int64)], np.array(last, np.int64)
        counts = self.tokens.counts
        self.short = [(of[f], tuple(self.tokens.of(f))) for f in np.flatnonzero((counts > 0) & (counts < FIELD)).tolist()]

    def between(self, start: int, end: int) -> list[str]:
        """Return the tokens at places of all tokens."""
        return [self.tokens.vocabulary[i] for i in self.tokens.ids[start:end].tolist()]

    def of(self, row: int) -> tuple[int, npt.NDArray[np.int64]]:
        """Return where the tokens of a row start, and where its segments end."""
        first = int(self.last[row - 1]) if row else 0
        return int(self.ends[first - 1]) if first else 0, self.ends[first : int(self.last[row])]


def _parts(turn: Mapping[str, Any]) -> list[list[str | None]]:
    """What a turn says, what it calls tools with as decoded text, and its reasoning, which is trained with it."""
    calls = strings(turn["tool_calls"]) if turn["tool_calls"] else ()
    return [[turn["content"], *calls], *([[turn["reasoning"]]] if turn["reasoning"] else ())]


def _state(paths: tuple[str, ...], common: str | None) -> tuple[Any, ...]:
    """Return what changes when a file of the benchmarks does: an index of what they held before is of no use."""
    from datagen.formats.sources import files

    local = [str(file) for path in paths if not path.startswith("hf://") for file in files(path, split="all")]
    return tuple((file, *stamp(file)) for file in [*local, *([common] if common else [])])


@lru_cache(maxsize=2)
def _indexed(
    paths: tuple[str, ...], fields: tuple[str, ...], n: int, common: str | None, state: tuple[Any, ...]
) -> _Items:  # fmt: skip
    """Read the benchmarks and index their prompts; kept for the process, as long as the files are in one state.

    Raises:
        DataError: no benchmark is named, an item cannot be read, or a file has none with such a field.
    """
    from datagen.similarity import benchmarks, ngrams
    from datagen.similarity.tokenised import tokenised_words

    names, texts, _ = benchmarks.read(paths, fields, state)
    split = tokenised_words(texts)
    vocabulary = _Vocabulary({token: i for i, token in enumerate(split.vocabulary, start=1)})
    flat, offsets, counts = (split.ids + 1).astype(np.uint32), split.offsets, split.counts
    lengths = np.where(counts < SHORTEST, 0, np.minimum(n, counts)).astype(np.int32)
    phrases = [words(p) for p in entries(common)] if common else []
    known = [np.array([vocabulary[t] for t in p], np.uint32) for p in phrases]
    used = sorted({*lengths.tolist()} - {0})
    first: dict[str, int] = {}
    same_text = np.array([first.setdefault(text, i) for i, text in enumerate(texts)], np.int64)
    grams = [
        ngrams.without_shared(ngrams.without(ngrams.index(flat, offsets, lengths, length), flat, known), same_text, PREAMBLE)
        for length in used
    ]
    sizes = sum((ngrams.distinct(g, len(names)) for g in grams), np.zeros(len(names), np.int32))
    brief = np.flatnonzero((counts > 0) & (counts < FIELD)).tolist()
    whole = {tuple(split.of(i)): i for i in reversed(brief)}
    return _Items(names, vocabulary, flat, lengths, grams, sizes, whole)


def _joined(found: list[str]) -> str:
    """Tokens as a text again: unspaced scripts without spaces."""
    text = "".join(t if is_unspaced(t) else f" {t} " for t in found)
    return " ".join(text.split())[:400]
