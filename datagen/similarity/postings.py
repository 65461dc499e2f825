"""An inverted index over the rarest tokens of each row, shared by the exact ROUGE-L and Jaccard pools.

Both similarities bound the common tokens c of two rows of lengths m and n by one number `ratio` (r): a pair at the threshold
has c >= r / (1 + r) * (m + n), hence r * m <= n <= m / r. With t the threshold, r = t / (2 - t) for ROUGE-L's F1 and r = t
for Jaccard. Three exact filters stand before a comparison, the cheapest first:

- prefix: two such rows share a token within the first m - c + 1 tokens of each in one common order (Chaudhuri, Ganti, Kaushik
  2006), so a row is indexed by the prefix for its shortest partner. The order is by falling id, and `token_lists` gives rare
  tokens the large ids;
- length and position: the postings of a token lie apart by length, so that partners of the wrong length are never read, and
  a common token counts only within the prefix for just this pair of lengths (PPJoin, Xiao et al. 2008);
- bitmap: each row has 64 bits, its tokens hashed and added without carry; bits that differ are tokens that differ, so more
  than m + n - 2c of them rule the pair out (Sandes, Teodoro, Melo 2020). They lie beside the posting: no other row is touched.

Rows may hold a token more than once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity.token_lists import number_pairs

SLACK = 1e-6  # bounds are loosened by this much, so that rounding can only admit a candidate, never lose one
NONE, NEVER = -1, -2  # heads: a token without postings; one that a single row holds, which no other can share
BAND, START, COUNT, ROOM, NEXT = 0, 1, 2, 3, 4  # of a list
ROW, LENGTH, POSITION = 0, 1, 2  # of an entry
LISTS, ENTRIES = 0, 1  # of what is used

Int32 = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint32]


class Index(NamedTuple):
    """One list of postings per token and band of lengths, the lists of a token chained.

    head int32[n_tokens], the first list of a token; lists int32[n, 5]; entries int32[capacity, 3]; bitmaps
    uint64[capacity], those of the entries' rows; used int64[2].
    """

    head: Int32
    lists: Int32
    entries: Int32
    bitmaps: npt.NDArray[np.uint64]
    used: npt.NDArray[np.int64]


@kernel()
def new_index(n_tokens: int, capacity: int) -> Index:
    """Return an empty index for token ids below `n_tokens` and at most `capacity` postings."""
    return Index(
        np.full(n_tokens, NONE, np.int32), np.empty((capacity, 5), np.int32), np.empty((capacity, 3), np.int32),
        np.empty(capacity, np.uint64), np.zeros(2, np.int64),
    )  # fmt: skip


def _bits(v: np.uint64) -> np.int64:
    """The same as `popcount`, without a compiler."""
    return np.int64(int(v).bit_count())


@kernel(plain=_bits)
def popcount(v: np.uint64) -> np.int64:
    """Number of bits set in 64."""
    v = v - ((v >> np.uint64(1)) & np.uint64(0x5555555555555555))
    v = (v & np.uint64(0x3333333333333333)) + ((v >> np.uint64(2)) & np.uint64(0x3333333333333333))
    v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((v * np.uint64(0x0101010101010101)) >> np.uint64(56))


def _by_array(keys: Keys) -> np.uint64:
    """The same as `bitmap_of`, without a compiler."""
    bits = np.uint64(1) << ((keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58))
    bitmap: np.uint64 = np.bitwise_xor.reduce(bits)
    return bitmap


@kernel(plain=_by_array)
def bitmap_of(keys: Keys) -> np.uint64:
    """Return the bitmap of a row: one bit per token, flipped each time it comes."""
    bitmap = np.uint64(0)
    for key in keys:
        bitmap ^= np.uint64(1) << ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58))
    return bitmap


@kernel()
def band_of(n: int) -> int:
    """Number the lengths that share a list: each length below 32 alone, above it sixteen bands to a doubling."""
    shift = 0
    while n >> shift >= 32:
        shift += 1
    return 16 * shift + (n >> shift)


@kernel()
def lengths_of(band: int) -> tuple[int, int]:
    """Return the shortest and the longest length of a band."""
    shift = max(0, band // 16 - 1)
    shortest = (band - 16 * shift) << shift
    return shortest, shortest + (1 << shift) - 1


@kernel()
def prefix_length(m: int, ratio: float) -> int:
    """Number of rarest tokens of a row of m that have to be indexed and looked up."""
    return min(m, m - int(np.ceil(ratio * m - SLACK)) + 1)


@kernel()
def list_of(index: Index, token: int, n: int) -> int:
    """Return the list of a token for rows of n tokens; a new one where there is none."""
    band = band_of(n)
    at = int(index.head[token])
    while at >= 0 and index.lists[at, BAND] != band:
        at = index.lists[at, NEXT]
    if at < 0:
        at = int(index.used[LISTS])
        index.used[LISTS] += 1
        made = index.lists[at]
        made[BAND], made[START], made[COUNT], made[ROOM], made[NEXT] = band, 0, 0, 0, index.head[token]
        index.head[token] = at
    return at


@kernel(work=lambda index, row, keys, ratio: 20 + 10 * len(keys))
def insert(index: Index, row: int, keys: Keys, ratio: float) -> None:
    """Index a row by the prefix of its keys (token ids, falling)."""
    m, bitmap = len(keys), bitmap_of(keys)
    for i in range(prefix_length(m, ratio)):
        token = keys[i]
        if (i > 0 and keys[i - 1] == token) or index.head[token] == NEVER:
            continue
        into = index.lists[list_of(index, token, m)]
        if into[COUNT] == into[ROOM]:
            _move(index, into)
        at = into[START] + into[COUNT]
        entry = index.entries[at]
        entry[ROW], entry[LENGTH], entry[POSITION] = row, m, i
        index.bitmaps[at] = bitmap
        into[COUNT] += 1


@kernel()
def _move(index: Index, into: Int32) -> None:
    """Give a full list twice its room, behind all others."""
    start, count, to = into[START], into[COUNT], index.used[ENTRIES]
    for k in range(count):
        index.entries[to + k] = index.entries[start + k]
        index.bitmaps[to + k] = index.bitmaps[start + k]
    into[START], into[ROOM] = to, max(1, 2 * count)
    index.used[ENTRIES] += max(1, 2 * count)


@kernel(work=lambda index, keys, ratio: 20 + 5 * len(keys))
def entries_needed(index: Index, keys: Keys, ratio: float) -> int:
    """How many entries, at most, the index may grow by when these keys are inserted; it needs as many lists as keys."""
    total, band = 0, band_of(len(keys))
    for i in range(prefix_length(len(keys), ratio)):
        at, room = index.head[keys[i]], 1
        while at >= 0:
            if index.lists[at, BAND] == band:
                room = 2 * index.lists[at, ROOM]
            at = index.lists[at, NEXT]
        total += room
    return total


def _counted_at_once(keys: Keys, offsets: npt.NDArray[np.int64], n_tokens: int, ratio: float) -> Index:
    """The same as `index_for`, without a compiler."""
    often = np.bincount(keys, minlength=n_tokens)
    lengths = np.diff(offsets)
    row = np.repeat(np.arange(len(lengths)), lengths)
    at = np.arange(len(keys)) - offsets[:-1][row]  # its position in its row
    prefix = np.minimum(lengths, lengths - np.ceil(ratio * lengths - SLACK).astype(np.int64) + 1)
    shared = (at < prefix[row]) & (often[keys] > 1)
    index = new_index.plain(n_tokens, int(shared.sum()))
    index.head[often < 2] = NEVER

    shared[1:] &= (at[1:] == 0) | (keys[1:] != keys[:-1])
    shift = np.maximum(0, np.frexp(lengths)[1].astype(np.int64) - 5)
    band = 16 * shift + (lengths >> shift)
    pairs = number_pairs.plain(keys[shared], band[row[shared]].astype(np.uint32))  # lists are numbered as they come
    _, first, room = np.unique(pairs, return_index=True, return_counts=True)
    token, n = keys[shared][first], len(first)
    made = index.lists[:n]
    made[:, BAND], made[:, COUNT], made[:, ROOM] = band[row[shared]][first], 0, room
    made[:, START] = np.cumsum(room) - room
    order = np.argsort(token, kind="stable")  # the lists of a token from the newest to the oldest
    older = np.concatenate([[False], token[order][1:] == token[order][:-1]])[:n]
    made[order, NEXT] = np.where(older, np.concatenate([[NONE], order[:-1]])[:n], NONE)
    index.head[token] = np.arange(n)  # the last one stays
    index.used[:] = n, room.sum()
    return index


@kernel(plain=_counted_at_once, work=lambda keys, *rest: 100 + 0.1 * len(keys))
def index_for(keys: Keys, offsets: npt.NDArray[np.int64], n_tokens: int, ratio: float) -> Index:
    """Return an empty index with room for these rows, should all of them be inserted; what is never used is never touched.

    A token that comes once in all rows can be shared by none, and gets no list.
    """
    often = np.zeros(n_tokens, np.int32)
    for key in keys:
        often[key] += 1
    capacity = 0
    for row in range(len(offsets) - 1):
        start = offsets[row]
        for i in range(prefix_length(offsets[row + 1] - start, ratio)):
            capacity += often[keys[start + i]] > 1
    index: Index = new_index(n_tokens, capacity)
    for token in range(n_tokens):
        if often[token] < 2:
            index.head[token] = NEVER
    for row in range(len(offsets) - 1):
        mine = keys[offsets[row] : offsets[row + 1]]
        for i in range(prefix_length(len(mine), ratio)):
            if index.head[mine[i]] != NEVER and (i == 0 or mine[i - 1] != mine[i]):
                index.lists[list_of(index, mine[i], len(mine)), ROOM] += 1
    for at in range(index.used[LISTS]):
        index.lists[at, START] = index.used[ENTRIES]
        index.used[ENTRIES] += index.lists[at, ROOM]
    return index


@kernel()
def can_reach(list_: Int32, m: int, i: int, ratio: float) -> bool:
    """Whether rows of a list can reach the threshold with a row of m tokens that shares no token before its position i."""
    shortest, longest = lengths_of(list_[BAND])
    if longest < ratio * m - SLACK or shortest > m / max(ratio, SLACK) + SLACK:
        return False
    return bool(m - i >= ratio / (1.0 + ratio) * (m + shortest) - SLACK)


def pairs_work(index: Index) -> float:
    """Return about how many µs a greedy pass over the rows of a full index takes without a compiler; see `index_for`."""
    lists = index.lists[: index.used[LISTS]]
    return 2.0 * len(lists) + float((lists[:, ROOM].astype(float) ** 2).sum())


def long_texts(tokens: int, rows: int) -> float:
    """Return how many times as long a pair takes where long texts, of so many tokens in all, are compared as well."""
    return 1.0 + 0.4 * max(0.0, tokens / max(1, rows) - 60.0)


@kernel()
def postings_to_read(index: Index, keys: Keys, ratio: float) -> int:
    """How many postings a look-up of these keys would walk."""
    total, m = 0, len(keys)
    for i in range(prefix_length(m, ratio)):
        at = index.head[keys[i]] if i == 0 or keys[i - 1] != keys[i] else NONE
        while at >= 0:
            if can_reach(index.lists[at], m, i, ratio):
                total += index.lists[at, COUNT]
            at = index.lists[at, NEXT]
    return total


def _filtered_at_once(index: Index, keys: Keys, ratio: float, seen: Int32, mark: int, found: Int32) -> int:
    """The same as `candidates`, without a compiler."""
    m, bands = len(keys), list[tuple[int, int, int]]()
    for i in range(prefix_length.plain(m, ratio)):
        at = int(index.head[keys[i]]) if i == 0 or keys[i - 1] != keys[i] else NONE
        while at >= 0:
            _, start, count, _, following = index.lists[at].tolist()
            if count and can_reach.plain(index.lists[at], m, i, ratio):
                bands.append((i, start, count))
            at = following
    if not bands:
        return 0
    i, start, count = np.array(bands).T
    entry = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
    row, n, j = index.entries[entry].T
    least = ratio / (1.0 + ratio) * (m + n) - SLACK
    fits = np.bitwise_count(bitmap_of.plain(keys) ^ index.bitmaps[entry]) <= m + n - 2.0 * least
    fits &= (
        (n >= ratio * m - SLACK) & (n <= m / max(ratio, SLACK) + SLACK) & (np.minimum(m - np.repeat(i, count), n - j) >= least)
    )
    rows = list(dict.fromkeys(row[fits & (seen[row] != mark)].tolist()))
    found[: len(rows)] = rows
    seen[rows] = mark
    return len(rows)


@kernel(plain=_filtered_at_once, work=lambda index, keys, *rest: 30 + 2 * len(keys))
def candidates(index: Index, keys: Keys, ratio: float, seen: Int32, mark: int, found: Int32) -> int:
    """Write to `found` every indexed row that can reach the threshold with these keys; return how many.

    `seen` int32[n_rows] remembers the rows already met under this `mark`; `found` int32[n_rows] is scratch space.
    """
    m, bitmap = len(keys), bitmap_of(keys)
    share = ratio / (1.0 + ratio)
    shortest, longest = ratio * m - SLACK, m / max(ratio, SLACK) + SLACK
    n_found = 0
    for i in range(prefix_length(m, ratio)):
        at = index.head[keys[i]] if i == 0 or keys[i - 1] != keys[i] else NONE
        while at >= 0:
            _, start, count, _, following = index.lists[at]
            end = start + count if can_reach(index.lists[at], m, i, ratio) else start
            at = following
            for e in range(start, end):
                row, n, j = index.entries[e]
                least = share * (m + n) - SLACK
                # The bitmap comes first: it nearly always says no, which the processor foresees.
                if popcount(bitmap ^ index.bitmaps[e]) > m + n - 2.0 * least or n < shortest or n > longest:
                    continue
                if min(m - i, n - j) >= least and seen[row] != mark:
                    seen[row] = mark
                    found[n_found] = row
                    n_found += 1
    return n_found


@kernel()
def sorted_keys(ids: Keys, offsets: npt.NDArray[np.int64]) -> Keys:
    """Return each row's ids in falling order, rarest first; same offsets."""
    keys = np.empty_like(ids)
    for i in range(len(offsets) - 1):
        keys[offsets[i] : offsets[i + 1]] = np.sort(ids[offsets[i] : offsets[i + 1]])[::-1]
    return keys
