"""InsTag's normaliser: open tags, as a model or the words name them, become one vocabulary in four steps.

Frequency (a tag of few rows goes), rule (case, signs and endings), semantic (embeddings and DBSCAN), association (a tag whose
rows nearly all have another one is merged into it). Each step names the tags by the most frequent of those that it merges, and
everything is counted in rows.

Source: Lu et al. 2023 (InsTag, arXiv 2308.07074) §3.2; no code of it was published.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import regex

# Vectors of length 1 for texts (float32[n, d]), and which of the texts the model reads (bool[n]).
Encode = Callable[[Sequence[str]], tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]

_SIGNS = regex.compile(r"[^\p{L}\p{M}\p{N}+#]+")


@dataclass(frozen=True)
class Thresholds:
    """When tags go or are merged; the published values are 20, 0.05, 40 and 0.99."""

    count: int  # rows that a tag must have
    distance: float | None  # cosine distance within which DBSCAN joins two tags; None = this step is left out
    support: int  # rows that two tags must share to be merged by association
    confidence: float | None  # share of a tag's rows that must have the other one; None = this step is left out


@dataclass
class Vocabulary:
    """What became of every open tag: the one that stands for it, None where it went; `steps` says how many each step took."""

    name: dict[str, str | None]
    steps: dict[str, int] = field(default_factory=dict)
    merged: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # examples of each step, the most frequent first

    def of(self, tags: Sequence[str]) -> list[str]:
        """Return a row's tags in the vocabulary, each once, in their order."""
        return list(dict.fromkeys(name for t in tags if (name := self.name.get(t))))


def normalise(rows: Sequence[Sequence[str]], at: Thresholds, encode: Encode | None) -> Vocabulary:
    """Return the vocabulary of the open tags of all rows.

    Args:
        rows: the tags of each row.
        at: the thresholds.
        encode: the embedder of the semantic step; None leaves it out.
    """
    count = Counter(t for tags in rows for t in dict.fromkeys(tags))
    few = {t for t, n in count.items() if n < at.count}
    found = Vocabulary({t: None if t in few else t for t in count})
    found.steps["frequency"] = len(few)
    found.merged["frequency"] = [(t, "") for t in sorted(few, key=lambda t: -count[t])[:EXAMPLES]]
    _merge(found, rows, "rule", _by_rule)
    if encode is not None and at.distance is not None:
        distance = at.distance
        _merge(found, rows, "semantic", lambda counted: _by_meaning(counted, encode, distance))
    if at.confidence is not None:
        while _merge(found, rows, "association", lambda _: _by_association(rows, found, at)):
            pass  # a merged tag has more rows, and may be merged again
    return found


EXAMPLES = 20  # of each step that are told


def counted(rows: Sequence[Sequence[str]], found: Vocabulary) -> Counter[str]:
    """Return how many rows have each tag of the vocabulary, the most frequent first, ties in order of appearance."""
    count = Counter(t for tags in rows for t in found.of(tags))
    return Counter(dict(count.most_common()))


def _merge(
    found: Vocabulary, rows: Sequence[Sequence[str]], step: str, merger: Callable[[Counter[str]], Mapping[str, str]]
) -> int:  # fmt: skip
    """Merge as a step says (tag -> the one that stands for it); return how many tags it took."""
    count = counted(rows, found)
    into = {t: name for t, name in merger(count).items() if t != name}
    found.name = {t: into.get(name, name) if name else None for t, name in found.name.items()}
    found.steps[step] = found.steps.get(step, 0) + len(into)
    told = [(t, into[t]) for t in count if t in into]
    found.merged[step] = [*found.merged.get(step, ()), *told][:EXAMPLES]
    return len(into)


def _by_rule(count: Counter[str]) -> dict[str, str]:
    """Tags that are one without case, signs and endings; the most frequent spelling, without doubled blanks, names them."""
    first: dict[str, str] = {}
    return {tag: first.setdefault(plain(tag), tag) for tag in count}


@lru_cache(maxsize=1 << 16)
def plain(tag: str) -> str:
    """Return a tag as the rule step compares it: NFKC, lower case, signs as blanks, each word of Latin letters stemmed."""
    folded = unicodedata.normalize("NFKC", tag).casefold()
    # `+` and `#` stay, or C++ and C# would be C.
    return " ".join(_stem(word) for word in _SIGNS.sub(" ", folded).split()) or folded


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    from nltk.stem.porter import PorterStemmer

    return str(PorterStemmer().stem(word)) if word.isascii() and word.isalpha() else word


def _by_meaning(count: Counter[str], encode: Encode, distance: float) -> dict[str, str]:
    """Tags that DBSCAN puts in one cluster; those that the embedder does not read stay as they are."""
    names = list(count)
    if len(names) < 2:
        return {}
    vectors, read = encode(names)
    able = np.flatnonzero(read)
    if len(able) < 2:
        return {}
    from sklearn.cluster import DBSCAN

    # With 2 as the least size a cluster is what a chain of tags joins, each within the distance of the next.
    clusters = DBSCAN(eps=distance, min_samples=2, metric="cosine").fit(vectors[able]).labels_
    first: dict[int, str] = {}
    return {names[at]: first.setdefault(c, names[at]) for at, c in zip(able.tolist(), clusters.tolist(), strict=True) if c >= 0}


def _by_association(rows: Sequence[Sequence[str]], found: Vocabulary, at: Thresholds) -> dict[str, str]:
    """Each tag whose rows nearly all have another, more frequent one -> that one.

    These are the rules of one tag to one tag that FP-Growth finds with the same support and confidence, the only ones by
    which two tags can be merged; counted by one sparse product. Of two tags that imply each other the more frequent stays.
    """
    from scipy.sparse import csr_matrix

    count = counted(rows, found)
    names = [t for t, n in count.items() if n >= at.support]
    place = {t: i for i, t in enumerate(names)}
    of = [[place[t] for t in found.of(tags) if t in place] for tags in rows]
    flat = np.array([i for tags in of for i in tags], np.int64)
    ends = np.cumsum([0, *map(len, of)])
    has = csr_matrix((np.ones(len(flat), np.int64), flat, ends), shape=(len(of), len(names)))
    shared = (has.T @ has).tocoo()
    sizes = np.array([count[t] for t in names], np.int64)
    x, y, both = shared.row, shared.col, shared.data
    confidence = at.confidence or 0.0
    # `names` are in falling frequency: y before x is the more frequent one, and a chain of merges cannot go round.
    rule = (y < x) & (both >= at.support) & (both >= confidence * sizes[x])
    best: dict[int, tuple[int, int]] = {}
    for a, b, n in zip(x[rule].tolist(), y[rule].tolist(), both[rule].tolist(), strict=True):
        best[a] = max(best.get(a, (0, 0)), (n, -b))
    into = {a: -b for a, (_, b) in best.items()}

    def last(a: int) -> int:
        while a in into:
            a = into[a]
        return a

    return {names[a]: names[last(a)] for a in into}


def told(rows: Sequence[Sequence[str]], found: Vocabulary) -> dict[str, Any]:
    """Return what run.json says: tags before and after, what each step took with examples, and the most frequent tags."""
    count = counted(rows, found)
    return {
        "open_tags": len(found.name), "tags": len(count), "steps": found.steps,
        "examples": {step: [list(pair) for pair in pairs] for step, pairs in found.merged.items() if pairs},
        "most_frequent": [[tag, n] for tag, n in count.most_common(EXAMPLES)],
    }  # fmt: skip
