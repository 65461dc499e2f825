"""Token lists of many rows as two flat arrays, their ids ordered so that a larger id is a rarer token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenLists:
    """Row i is `ids[offsets[i]:offsets[i + 1]]`.

    Shapes: ids uint32[n_tokens], offsets int64[n_rows + 1]. `size` is one more than the largest id in use.
    """

    ids: Ids
    offsets: Offsets
    size: int

    def __len__(self) -> int:
        return len(self.offsets) - 1


def from_chunks(chunks: Iterable[tuple[Sequence[str], npt.NDArray[np.int32], Offsets]]) -> TokenLists:
    """Join chunks of dictionary-encoded tokens (dictionary, indices, offsets from 0) and number tokens by rarity.

    Ids fall with frequency (0 is the most frequent token; ties by first appearance), which is the order that the
    inverted index of `postings` wants: the rarest tokens of a row, its largest ids, are looked up first.
    """
    vocabulary: dict[str, int] = {}
    parts: list[Ids] = []
    lengths: list[Offsets] = []
    for dictionary, indices, offsets in chunks:
        known = np.array([vocabulary.setdefault(w, len(vocabulary)) for w in dictionary], dtype=np.uint32)
        parts.append(known[indices] if len(indices) else np.empty(0, np.uint32))
        lengths.append(np.diff(offsets))
    ids = np.concatenate(parts) if parts else np.empty(0, np.uint32)
    ids = by_rarity(ids, len(vocabulary))
    ends = np.cumsum(np.concatenate(lengths)) if lengths else np.empty(0, np.int64)
    return TokenLists(ids, np.concatenate([[0], ends]).astype(np.int64), len(vocabulary))


def from_strings(rows: Iterable[Sequence[str]]) -> TokenLists:
    """Return token lists of rows given as lists of strings."""
    index: dict[str, int] = {}
    rows = list(rows)
    flat = np.fromiter((index.setdefault(w, len(index)) for row in rows for w in row), np.int32)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return from_chunks([(list(index), flat, offsets)])


def split_at(lists: TokenLists, n: int) -> tuple[TokenLists, TokenLists]:
    """Return the first n rows and the rest; both keep the one numbering."""
    at = lists.offsets[n]
    rest = TokenLists(lists.ids[at:], lists.offsets[n:] - at, lists.size)
    return TokenLists(lists.ids[:at], lists.offsets[: n + 1], lists.size), rest


def by_rarity(ids: Ids, size: int) -> Ids:
    """Renumber ids below `size` so that a more frequent one gets a smaller number, ties by the old number."""
    counts = np.bincount(ids, minlength=size)
    rank = np.empty(size, np.uint32)
    rank[np.argsort(-counts, kind="stable")] = np.arange(size, dtype=np.uint32)
    return rank[ids]
