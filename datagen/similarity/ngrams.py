"""Which items of a benchmark a text holds: exact n-gram coverage over flat arrays.

An n-gram is looked up by a 64-bit hash and then compared token by token, so that no collision counts. Source of the measure:
Tulu 3 (Lambert et al. 2024), the share of a test item that one training row covers; here of its n-grams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity.token_lists import Ids, Offsets

Int32 = npt.NDArray[np.int32]


class Grams(NamedTuple):
    """The distinct n-grams of one length, as an open hash table whose entries point at their first place in `tokens`.

    Shapes: keys uint64[size], first int64[size] (-1 = empty), number int32[size] (a dense id of the n-gram); postings: gram g
    belongs to texts `owners[starts[g]:starts[g + 1]]`, each once.
    """

    n: int
    keys: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    number: Int32
    starts: npt.NDArray[np.int64]
    owners: Int32


@kernel()
def hash_of(tokens: Ids, at: int, n: int) -> np.uint64:
    """Hash of the n tokens from a position."""
    h = np.uint64(n)
    for k in range(n):
        h = (h ^ np.uint64(tokens[at + k])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(32)
    return h


@kernel()
def slot_of(keys: npt.NDArray[np.uint64], first: npt.NDArray[np.int64], held: Ids, tokens: Ids, at: int, n: int) -> np.int64:
    """The slot of an n-gram, or the empty one where it would go."""
    h = hash_of(tokens, at, n)
    mask = np.uint64(len(keys) - 1)
    slot = h & mask
    while first[slot] >= 0:
        if keys[slot] == h:
            same = True
            for k in range(n):
                if held[first[slot] + k] != tokens[at + k]:
                    same = False
                    break
            if same:
                return np.int64(slot)
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@kernel()
def fill(
    tokens: Ids, offsets: Offsets, lengths: Int32, n: int, keys: npt.NDArray[np.uint64], first: npt.NDArray[np.int64],
    number: Int32, grams: Int32, owners: Int32,
) -> tuple[int, int]:  # fmt: skip
    """Number the n-grams of the texts whose `lengths` entry is n; return how many there are, and pairs (gram, text) written."""
    used = pairs = 0
    for text in range(len(offsets) - 1):
        if lengths[text] != n:
            continue
        for at in range(offsets[text], offsets[text + 1] - n + 1):
            slot = slot_of(keys, first, tokens, tokens, at, n)
            if first[slot] < 0:
                keys[slot], first[slot], number[slot] = hash_of(tokens, at, n), at, used
                used += 1
            grams[pairs], owners[pairs] = number[slot], text
            pairs += 1
    return used, pairs


def index(tokens: Ids, offsets: Offsets, lengths: Int32, n: int) -> Grams:
    """Return the n-grams of the texts that are compared by n tokens.

    Args:
        tokens: uint32[n_tokens], all texts one after the other.
        offsets: int64[n_texts + 1].
        lengths: int32[n_texts], by how many tokens each text is compared; 0 = not at all.
        n: tokens per gram.
    """
    most = int(np.maximum(0, np.diff(offsets)[lengths == n] - n + 1).sum())
    size = 16
    while size < 2 * most:
        size *= 2
    keys, first, number = np.zeros(size, np.uint64), np.full(size, -1, np.int64), np.zeros(size, np.int32)
    grams, owners = np.empty(most, np.int32), np.empty(most, np.int32)
    used, pairs = fill(tokens, offsets, lengths, n, keys, first, number, grams, owners)
    both = np.unique(grams[:pairs].astype(np.int64) << 32 | owners[:pairs])  # a gram twice in a text counts once
    starts = np.searchsorted(both >> 32, np.arange(used + 1))
    return Grams(n, keys, first, number, starts, (both & 0xFFFFFFFF).astype(np.int32))


def _only_where_held(
    tokens: Ids, ends: Offsets, last: Offsets, held: Ids, grams: Grams, sizes: Int32
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:  # fmt: skip
    """The same as `best_covered`, without a compiler: all n-grams are hashed at once, and few of them are of a text."""
    n = grams.n
    hashes = np.full(max(0, len(tokens) - n + 1), n, np.uint64)
    known = np.ones(len(hashes), bool)
    for k in range(n):
        part = tokens[k : k + len(hashes)]
        known &= part > 0
        hashes = (hashes ^ part) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
    at = np.flatnonzero(known & np.isin(hashes, grams.keys[grams.first >= 0]))
    segments = np.searchsorted(ends, at, side="right")
    inside = at + n <= ends[segments]  # no gram crosses the end of one
    rows = np.searchsorted(last, segments, side="right")
    of_row: dict[int, dict[int, set[int]]] = {}  # of each row, for each text the n-grams that it holds
    for row, place in zip(rows[inside].tolist(), at[inside].tolist(), strict=True):
        slot = slot_of.plain(grams.keys, grams.first, held, tokens, place, n)
        if grams.first[slot] >= 0:
            gram = int(grams.number[slot])
            for text in grams.owners[grams.starts[gram] : grams.starts[gram + 1]].tolist():
                of_row.setdefault(row, {}).setdefault(text, set()).add(gram)
    coverage, found = np.zeros(len(last)), np.full(len(last), -1, np.int64)
    for row, texts in of_row.items():
        coverage[row], place = max((len(held_grams) / sizes[text], -text) for text, held_grams in texts.items())
        found[row] = -place
    return coverage, found


@kernel(plain=_only_where_held, work=lambda tokens, ends, last, held, grams, sizes: 100 + 0.1 * grams.n * len(tokens))
def best_covered(
    tokens: Ids, ends: Offsets, last: Offsets, held: Ids, grams: Grams, sizes: Int32
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:  # fmt: skip
    """Return, per row, the highest share of a text's distinct n-grams that it holds, and that text, the earliest of equals.

    Args:
        tokens: uint32, the tokens of all rows; 0 is one that no text has.
        ends: int64[n_segments], where each segment ends; no gram crosses one.
        last: int64[n_rows], how many segments there are up to the end of each row.
        held: the tokens of the texts.
        grams: the n-grams of one length.
        sizes: int32[n_texts], distinct n-grams of each text.

    Returns:
        float64[n_rows], 0 where nothing is held, and int64[n_rows], -1 there.
    """
    coverage, found = np.zeros(len(last)), np.full(len(last), -1, np.int64)
    seen = np.full(len(grams.starts), -1, np.int64)
    counts, touched = np.zeros(len(sizes), np.int32), np.zeros(len(sizes), np.int64)
    segment = start = 0
    for row in range(len(last)):
        used = 0
        while segment < last[row]:
            known = 0
            for at in range(start, ends[segment]):
                known = known + 1 if tokens[at] else 0
                if known < grams.n:
                    continue
                slot = slot_of(grams.keys, grams.first, held, tokens, at - grams.n + 1, grams.n)
                if grams.first[slot] < 0 or seen[grams.number[slot]] == row:
                    continue
                gram = grams.number[slot]
                seen[gram] = row
                for k in range(grams.starts[gram], grams.starts[gram + 1]):
                    text = grams.owners[k]
                    if counts[text] == 0:
                        touched[used] = text
                        used += 1
                    counts[text] += 1
            start = ends[segment]
            segment += 1
        for k in range(used):
            text = touched[k]
            share = counts[text] / sizes[text]
            counts[text] = 0
            if share > coverage[row] or (share == coverage[row] and text < found[row]):
                coverage[row], found[row] = share, text
    return coverage, found


@kernel(work=lambda row, *rest: 20 + 10 * len(row))
def longest_span(row: Ids, ends: Offsets, held: Ids, grams: Grams, text: int) -> tuple[int, int]:
    """The longest run of a row's tokens that n-grams of one text cover: start and end."""
    best_start = best_end = run_start = run_end = start = 0
    for end in ends:
        known = run_start = run_end = 0
        for at in range(start, end):
            known = known + 1 if row[at] else 0
            if known < grams.n:
                continue
            slot = slot_of(grams.keys, grams.first, held, row, at - grams.n + 1, grams.n)
            if grams.first[slot] < 0:
                continue
            gram = grams.number[slot]
            mine = False
            for k in range(grams.starts[gram], grams.starts[gram + 1]):
                mine |= grams.owners[k] == text
            if not mine:
                continue
            if at - grams.n + 1 > run_end or run_end == 0:
                run_start = at - grams.n + 1
            run_end = at + 1
            if run_end - run_start > best_end - best_start:
                best_start, best_end = run_start, run_end
        start = end
    return best_start, best_end


def distinct(grams: Grams, n_texts: int) -> Int32:
    """Return how many distinct n-grams each text has: int32[n_texts]."""
    return np.bincount(grams.owners, minlength=n_texts).astype(np.int32)


@kernel()
def in_phrase(held: Ids, grams: Grams, phrases: Ids, shorter: Grams) -> npt.NDArray[np.bool_]:
    """Say of each n-gram whether all of it but its first or its last token lies in a phrase: bool[n_grams]."""
    out = np.zeros(len(grams.starts) - 1, np.bool_)
    for slot in range(len(grams.first)):
        at = grams.first[slot]
        if at < 0:
            continue
        for start in (at, at + 1):
            hit = slot_of(shorter.keys, shorter.first, phrases, held, start, shorter.n)
            out[grams.number[slot]] |= shorter.first[hit] >= 0
    return out


def without(grams: Grams, held: Ids, common: Sequence[Ids]) -> Grams:
    """Return the n-grams that common phrases (token ids of the same numbering) do not explain.

    Those of which at most the first or the last token lies outside a phrase go.
    """
    flat = np.concatenate([np.empty(0, np.uint32), *common])
    offsets = np.cumsum([0, *map(len, common)]).astype(np.int64)
    shorter = index(flat, offsets, np.full(len(common), grams.n - 1, np.int32), grams.n - 1)
    stopped = in_phrase(held, grams, flat, shorter)
    owner_counts = np.diff(grams.starts)
    kept = np.repeat(~stopped, owner_counts)
    starts = np.concatenate([[0], np.cumsum(np.where(stopped, 0, owner_counts))])
    return grams._replace(starts=starts.astype(np.int64), owners=grams.owners[kept])


def without_shared(grams: Grams, same_text: npt.NDArray[np.int64], most: int) -> Grams:
    """Return the n-grams without those that more than `most` different texts hold: a preamble, which is of no one of them.

    A text that has no other n-grams keeps its own.

    Args:
        grams: the n-grams of texts.
        same_text: int64[n_texts], one number for equal texts.
        most: texts.
    """
    counts = np.diff(grams.starts)
    gram_of = np.repeat(np.arange(len(counts)), counts)
    pairs = np.unique(np.stack([gram_of, same_text[grams.owners]]), axis=1)
    shared = np.bincount(pairs[0], minlength=len(counts)) > most
    kept = ~shared[gram_of]
    left = np.bincount(grams.owners[kept], minlength=len(same_text))
    kept |= left[grams.owners] == 0
    starts = np.concatenate([[0], np.cumsum(np.bincount(gram_of[kept], minlength=len(counts)))])
    return grams._replace(starts=starts.astype(np.int64), owners=grams.owners[kept])
