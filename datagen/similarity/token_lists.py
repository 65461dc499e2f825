"""Token lists of many rows as two flat arrays, their ids ordered so that a larger id is a rarer token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel

Ids = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)  # no pair of ids: both would be the largest


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
    rows = list(rows)
    index = {w: i for i, w in enumerate(dict.fromkeys(chain.from_iterable(rows)))}
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    flat = np.fromiter(map(index.__getitem__, chain.from_iterable(rows)), np.int32, int(offsets[-1]))
    return from_chunks([(list(index), flat, offsets)])


def split_at(lists: TokenLists, n: int) -> tuple[TokenLists, TokenLists]:
    """Return the first n rows and the rest; both keep the one numbering."""
    at = lists.offsets[n]
    rest = TokenLists(lists.ids[at:], lists.offsets[n:] - at, lists.size)
    return TokenLists(lists.ids[:at], lists.offsets[: n + 1], lists.size), rest


def _by_sorted_counts(ids: Ids, size: int) -> Ids:
    """The same as `by_rarity`, without a compiler."""
    place = np.empty(size, np.uint32)
    place[np.argsort(-np.bincount(ids, minlength=size), kind="stable")] = np.arange(size)
    return place[ids]


@kernel(plain=_by_sorted_counts, work=lambda ids, size: 50 + 0.05 * (len(ids) + 2 * size))
def by_rarity(ids: Ids, size: int) -> Ids:
    """Renumber ids below `size` so that a more frequent one gets a smaller number, ties by the old number.

    By counting: sorting would take five times the memory, where nearly every n-gram is another one.
    """
    counts = np.zeros(size, np.uint32)
    for i in ids:
        counts[i] += 1
    place = np.zeros(counts.max() + 2 if size else 1, np.int64)  # of a count: how many ids come more often
    for count in counts:
        place[count] += 1
    before = 0
    for c in range(len(place) - 1, -1, -1):
        place[c], before = before, before + place[c]
    for i in range(size):  # its count is not needed any more
        rank = place[counts[i]]
        place[counts[i]] += 1
        counts[i] = rank
    return counts[ids]


def _by_sorted_pairs(left: Ids, right: Ids) -> Ids:
    """The same as `number_pairs`, without a compiler."""
    pairs = left.astype(np.uint64) << np.uint64(32) | right
    _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.uint32)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]


@kernel(plain=_by_sorted_pairs, work=lambda left, right: 50 + 0.2 * len(left))
def number_pairs(left: Ids, right: Ids) -> Ids:
    """Return one dense id per distinct pair (left[i], right[i]), numbered by first appearance."""
    n = len(left)
    size = 16
    while size < 2 * n:
        size *= 2
    keys = np.full(size, EMPTY, np.uint64)
    values = np.empty(size, np.uint32)
    ids = np.empty(n, np.uint32)
    next_id = 0
    for i in range(n):
        key = (np.uint64(left[i]) << np.uint64(32)) | np.uint64(right[i])
        h = key * np.uint64(0x9E3779B97F4A7C15)
        at = (h ^ (h >> np.uint64(29))) & np.uint64(size - 1)
        while keys[at] != EMPTY and keys[at] != key:
            at = (at + np.uint64(1)) & np.uint64(size - 1)
        if keys[at] == EMPTY:
            keys[at] = key
            values[at] = next_id
            next_id += 1
        ids[i] = values[at]
    return ids
