"""An inverted index over the rarest tokens of each row, shared by the exact ROUGE-L and Jaccard pools.

Both similarities bound the common tokens c of two rows of lengths m and n by one number `ratio` (r): a pair at the threshold
has c >= r / (1 + r) * (m + n), hence r * m <= n <= m / r. With t the threshold, r = t / (2 - t) for ROUGE-L's F1 and r = t
for Jaccard. Any two such rows share a token within the first m - ceil(r * m) + 1 tokens of each in one common order
(prefix filter: Chaudhuri, Ganti, Kaushik 2006; positions: PPJoin, Xiao et al. 2008), so only those are indexed and looked up.
The order is by falling id, and `token_lists` gives rare tokens the large ids. Rows may hold a token more than once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

SLACK = 1e-6  # bounds are loosened by this much, so that rounding can only admit a candidate, never lose one
ROW, LENGTH, POSITION, NEXT = 0, 1, 2, 3

Int32 = npt.NDArray[np.int32]


class Index(NamedTuple):
    """Postings as linked lists: head int32[n_tokens] (-1 = none), counts int32[n_tokens], entries int32[capacity, 4]."""

    head: Int32
    counts: Int32
    entries: Int32


def new_index(n_tokens: int, capacity: int) -> Index:
    """Return an empty index for token ids below `n_tokens` and at most `capacity` postings."""
    return Index(np.full(n_tokens, -1, np.int32), np.zeros(n_tokens, np.int32), np.empty((max(1, capacity), 4), np.int32))


@njit(cache=True)
def prefix_length(m: int, ratio: float) -> int:
    """Number of rarest tokens of a row of m that have to be indexed and looked up."""
    return min(m, m - int(np.ceil(ratio * m - SLACK)) + 1)


@njit(cache=True)
def insert(index: Index, used: int, row: int, keys: npt.NDArray[np.uint32], ratio: float) -> int:
    """Index a row by the prefix of its keys (token ids, falling); return the number of postings then in use."""
    m = len(keys)
    for i in range(prefix_length(m, ratio)):
        token = keys[i]
        if i > 0 and keys[i - 1] == token:
            continue
        entry = index.entries[used]
        entry[ROW], entry[LENGTH], entry[POSITION], entry[NEXT] = row, m, i, index.head[token]
        index.head[token] = used
        index.counts[token] += 1
        used += 1
    return used


@njit(cache=True)
def postings_to_read(index: Index, keys: npt.NDArray[np.uint32], ratio: float) -> int:
    """How many postings a look-up of these keys would walk."""
    total = 0
    for i in range(prefix_length(len(keys), ratio)):
        if i == 0 or keys[i - 1] != keys[i]:
            total += index.counts[keys[i]]
    return total


@njit(cache=True)
def candidates(index: Index, keys: npt.NDArray[np.uint32], ratio: float, seen: Int32, mark: int, found: Int32) -> int:
    """Write to `found` every indexed row that can reach the threshold with these keys; return how many.

    `seen` int32[n_rows] remembers the rows already met under this `mark`; `found` int32[n_rows] is scratch space.
    """
    m = len(keys)
    share = ratio / (1.0 + ratio)
    shortest, longest = ratio * m - SLACK, m / max(ratio, SLACK) + SLACK
    n_found = 0
    for i in range(prefix_length(m, ratio)):
        if i > 0 and keys[i - 1] == keys[i]:
            continue
        at = index.head[keys[i]]
        while at >= 0:
            row, n, j, at = index.entries[at]
            if n < shortest or n > longest or seen[row] == mark:
                continue
            # The first common token decides: what both rows have from here on is all they can share.
            seen[row] = mark
            if min(m - i, n - j) >= share * (m + n) - SLACK:
                found[n_found] = row
                n_found += 1
    return n_found


@njit(cache=True)
def sorted_keys(ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Return each row's ids in falling order, rarest first; same offsets."""
    keys = np.empty_like(ids)
    for i in range(len(offsets) - 1):
        keys[offsets[i] : offsets[i + 1]] = np.sort(ids[offsets[i] : offsets[i + 1]])[::-1]
    return keys


@njit(cache=True)
def index_capacity(offsets: npt.NDArray[np.int64], ratio: float) -> int:
    """An upper bound of the postings that all rows together need."""
    total = 0
    for i in range(len(offsets) - 1):
        total += prefix_length(offsets[i + 1] - offsets[i], ratio)
    return total
