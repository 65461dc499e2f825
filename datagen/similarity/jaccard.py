"""Exact greedy near-duplicate join by Jaccard similarity of token n-grams, equal to comparing all pairs.

Source: the similarity that MinHash estimates (Broder 1997); candidates by prefix and position filters (PPJoin, Xiao et al.
2008), each verified by a merge. No hash stands for a shingle: n-grams are numbered by exact comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from datagen.similarity import postings
from datagen.similarity.postings import Index
from datagen.similarity.rouge_l import Nearest, Same, Scratch, Side, compared, new_scratch, same_answer
from datagen.similarity.token_lists import Ids, Offsets, TokenLists, by_rarity, number_pairs


@njit(cache=True)
def padded(ids: Ids, offsets: Offsets, n: int, pad: int) -> tuple[Ids, Offsets]:
    """Return the lists with every non-empty row of fewer than n tokens filled up to n with `pad`."""
    out_offsets = np.zeros_like(offsets)
    for i in range(len(offsets) - 1):
        m = offsets[i + 1] - offsets[i]
        out_offsets[i + 1] = out_offsets[i] + (max(m, n) if m > 0 else 0)
    out = np.full(out_offsets[-1], pad, np.uint32)
    for i in range(len(offsets) - 1):
        m = offsets[i + 1] - offsets[i]
        out[out_offsets[i] : out_offsets[i] + m] = ids[offsets[i] : offsets[i + 1]]
    return out, out_offsets


@njit(cache=True)
def row_sets(grams: Ids, offsets: Offsets, n: int) -> tuple[Ids, Offsets]:
    """Return each row's distinct n-grams in falling order; grams[i] starts at token i and must not cross its row's end."""
    out = np.empty(len(grams), np.uint32)
    out_offsets = np.zeros_like(offsets)
    used = 0
    for i in range(len(offsets) - 1):
        row = np.sort(grams[offsets[i] : max(offsets[i], offsets[i + 1] - n + 1)])[::-1]
        for j in range(len(row)):
            if j == 0 or row[j] != row[j - 1]:
                out[used] = row[j]
                used += 1
        out_offsets[i + 1] = used
    return out[:used].copy(), out_offsets


def shingles(lists: TokenLists, n: int) -> TokenLists:
    """Return each row's set of token n-grams, as distinct ids in falling order (rarest first).

    A row of fewer than n tokens has one shingle, all of it: it equals only a row of the same tokens, and is never lost.
    """
    ids, offsets = padded(lists.ids, lists.offsets, n, lists.size)
    grams = ngram_ids(ids, n)
    size = int(grams.max()) + 1 if len(grams) else 1
    # Positions whose gram would cross into the next row are numbered too and left out here, before rarity is counted.
    flat, starts = row_sets(grams, offsets, n)
    rarer = by_rarity(flat, size)
    return TokenLists(postings.sorted_keys(rarer, starts), starts, size)


def ngram_ids(ids: Ids, n: int) -> Ids:
    """Return the id of the n-gram that starts at each position of one flat array; the last n - 1 positions hold 0."""
    grams, length = ids, 1
    while length < n:  # a gram of length a + b is the pair of the gram of length a and, a later, that of length b
        step = min(length, n - length)
        right = grams if step == length else ngram_ids(ids, step)
        reach = max(0, len(ids) - length)
        grams = np.append(number_pairs(grams[:reach], right[length:]), np.zeros(len(ids) - reach, np.uint32))
        length += step
    return grams


@njit(cache=True)
def overlap(x: Ids, y: Ids, needed: float) -> int:
    """Number of ids in both falling lists; 0 as soon as `needed` is out of reach."""
    i = j = common = 0
    while i < len(x) and j < len(y):
        if common + min(len(x) - i, len(y) - j) < needed:
            return 0
        if x[i] == y[j]:
            common += 1
            i += 1
            j += 1
        elif x[i] > y[j]:
            i += 1
        else:
            j += 1
    return common


@njit(cache=True)
def run_greedy(
    ids: Ids, offsets: Offsets, index: Index, t: float, answers: Side, same: Same, scratch: Scratch,
    witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill witness and score for every row in input order; a row without a witness joins the pool."""
    used = 0
    for i in range(len(witness)):
        x = ids[offsets[i] : offsets[i + 1]]
        m = len(x)
        if m == 0:
            continue
        for c in range(postings.candidates(index, x, t, scratch.seen, i + 1, scratch.found)):
            row = scratch.found[c]
            if same.threshold >= 0 and same.facts[row] != same.facts[i]:
                continue
            y = ids[offsets[row] : offsets[row + 1]]
            common = overlap(x, y, t / (1 + t) * (m + len(y)) - postings.SLACK)
            similarity = common / (m + len(y) - common)
            earlier = similarity == score[i] and row < witness[i]
            if common > 0 and similarity >= t and (similarity > score[i] or earlier):
                if same.threshold >= 0 and not same_answer(i, row, answers, same, scratch):
                    continue
                witness[i], score[i] = row, similarity
        if witness[i] < 0:
            used = postings.insert(index, used, i, x, t)


def greedy(sets: TokenLists, threshold: float, answers: TokenLists | None = None, same: Same | None = None) -> Nearest:
    """Return, for each row in order, the kept row whose shingles it shares: Jaccard at or above `threshold` (0..1).

    With `answers` and `same` only a kept row with the same answer counts, as in `rouge_l.greedy`.
    """
    n = len(sets)
    answers, same = compared(answers, same, n)
    witness, score = np.full(n, -1, np.int64), np.zeros(n)
    index = postings.new_index(sets.size, postings.index_capacity(sets.offsets, threshold))
    side = Side(answers.ids, answers.ids, answers.offsets, postings.new_index(1, 1))
    scratch = new_scratch([answers])
    run_greedy(sets.ids, sets.offsets, index, threshold, side, same, scratch, witness, score)
    return Nearest(witness, score)
