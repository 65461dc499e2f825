"""Exact greedy near-duplicate join by Jaccard similarity of token n-grams, equal to comparing all pairs.

Source: the similarity that MinHash estimates (Broder 1997); candidates by prefix and position filters (PPJoin, Xiao et al.
2008), each verified by a merge. No hash stands for a shingle: n-grams are numbered by exact comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datagen.errors import DataError
from datagen.kernels import kernel
from datagen.similarity import postings
from datagen.similarity.answers import Same, Side, held_by, same_answer
from datagen.similarity.lcs import Scratch, new_scratch
from datagen.similarity.ngrams import hash_of
from datagen.similarity.postings import Index, Int32, candidates, insert
from datagen.similarity.rouge_l import Nearest, asked, compared
from datagen.similarity.token_lists import Ids, Offsets, TokenLists, by_rarity, number_pairs


@kernel()
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


@kernel()
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
    if len(ids) >= 2**32 - 1:
        raise DataError("minhash: over four billion tokens in one set; take it in parts, with --against")
    grams = ngram_ids(ids, n)
    size = int(grams.max()) + 1 if len(grams) else 1
    # Positions whose gram would cross into the next row are numbered too and left out here, before rarity is counted.
    flat, starts = row_sets(grams, offsets, n)
    rarer = by_rarity(flat, size)
    return TokenLists(postings.sorted_keys(rarer, starts), starts, size)


def _by_pairs(ids: Ids, n: int) -> Ids:
    """The same as `ngram_ids`, without a compiler: an n-gram is one of n - 1 tokens and the token after it."""
    grams = np.zeros(len(ids), np.uint32)
    reach = max(0, len(ids) - n + 1)
    for k in range(n if reach else 0):
        grams[:reach] = number_pairs.plain(grams[:reach], ids[k : reach + k])
    return grams


@kernel(plain=_by_pairs, work=lambda ids, n: 50 + 0.2 * n * len(ids))
def ngram_ids(ids: Ids, n: int) -> Ids:
    """Return the id of the n-gram that starts at each position of one flat array; the last n - 1 positions hold 0.

    Ids are numbered by first appearance. A hash only finds where to look: n-grams of one id are equal token by token. The table
    takes five bytes a slot (a place, and eight bits of the hash before the place is looked at): it is the largest thing in
    memory, so at most 2**32 - 2 tokens fit.
    """
    grams = np.zeros(len(ids), np.uint32)
    reach = max(0, len(ids) - n + 1)
    size = 16
    while size < 2 * reach:
        size *= 2
    tags, first = np.zeros(size, np.uint8), np.zeros(size, np.uint32)  # first: one more than the place, 0 = empty
    used = 0
    for at in range(reach):
        h = hash_of(ids, at, n)
        slot, tag = h & np.uint64(size - 1), np.uint8(h >> np.uint64(56))
        while first[slot] and not (tags[slot] == tag and equal(ids, int(np.int64(first[slot]) - 1), at, n)):
            slot = (slot + np.uint64(1)) & np.uint64(size - 1)
        if first[slot]:
            grams[at] = grams[np.int64(first[slot]) - 1]
        else:
            tags[slot], first[slot] = tag, at + 1
            grams[at] = used
            used += 1
    return grams


@kernel()
def equal(ids: Ids, a: int, b: int, n: int) -> bool:
    """Whether the n ids from one place are those from another."""
    same = True
    for k in range(n):
        same &= ids[a + k] == ids[b + k]
    return same


@kernel()
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


@kernel()
def most_alike(
    i: int, ids: Ids, offsets: Offsets, found: Int32, count: int, t: float, answers: Side, same: Same, scratch: Scratch
) -> tuple[int, float]:  # fmt: skip
    """Return which of the first `count` rows in `found` is most like row i at or above t, and its Jaccard; -1, 0.0 for none.

    The earliest of equals; where answers matter, only a row with the same one.
    """
    x = ids[offsets[i] : offsets[i + 1]]
    m = len(x)
    best, best_score = -1, 0.0
    for c in range(count):
        row = found[c]
        if same.threshold >= 0 and same.facts[row] != same.facts[i]:
            continue
        y = ids[offsets[row] : offsets[row + 1]]
        common = overlap(x, y, t / (1 + t) * (m + len(y)) - postings.SLACK)
        similarity = common / (m + len(y) - common)
        earlier = similarity == best_score and row < best
        if common > 0 and similarity >= t and (similarity > best_score or earlier):
            if same.threshold >= 0 and not same_answer(i, row, answers, same, scratch):
                continue
            best, best_score = row, similarity
    return best, best_score


def _greedy_work(ids: Ids, offsets: Offsets, index: Index, t: float, answers: Side, same: Same, *rest: object) -> float:
    pairs = postings.pairs_work(index)
    if same.threshold >= 0:
        pairs *= postings.long_texts(len(answers.ids), len(answers.offsets) - 1)
    return 0.7 * len(ids) + 20.0 * len(offsets) + pairs


@kernel(work=_greedy_work)
def run_greedy(
    ids: Ids, offsets: Offsets, index: Index, t: float, answers: Side, same: Same, scratch: Scratch, pinned: int,
    witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill witness and score for every row in input order; a row without a witness joins the pool, a pinned one always."""
    out = np.zeros(len(witness), np.bool_)
    for i in range(len(witness)):
        x = ids[offsets[i] : offsets[i + 1]]
        if len(x) == 0:
            continue
        if i >= pinned:
            count = held_by(i, same, out, scratch.found)
            if count < 0:
                count = candidates(index, x, t, scratch.seen, i + 1, scratch.found)
            witness[i], score[i] = most_alike(i, ids, offsets, scratch.found, count, t, answers, same, scratch)
        out[i] = witness[i] >= 0
        if not out[i]:
            insert(index, i, x, t)


def _banded_work(ids: Ids, offsets: Offsets, buckets: Int32, *rest: object) -> float:
    """Every two rows of a bucket may be compared, where rows of one bucket stay."""
    pairs = sum(float((np.bincount(band).astype(np.float64) ** 2).sum()) / 2 for band in buckets.T) if len(buckets) else 0.0
    return 0.7 * len(ids) + 20.0 * len(offsets) + 10.0 * pairs


@kernel(work=_banded_work)
def run_banded(
    ids: Ids, offsets: Offsets, buckets: Int32, t: float, answers: Side, same: Same, scratch: Scratch, pinned: int,
    witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """The same, but only a row in one of the same buckets (int32[n_rows, bands], dense per band) is compared."""
    n, bands = buckets.shape
    head = np.full((bands, buckets.max() + 1 if n else 1), -1, np.int32)
    following = np.full((n, bands), -1, np.int32)
    for i in range(n):
        if offsets[i] == offsets[i + 1]:
            continue
        if i >= pinned:
            count = 0
            for band in range(bands):
                row = head[band, buckets[i, band]]
                while row >= 0:
                    if scratch.seen[row] != i + 1:
                        scratch.seen[row] = i + 1
                        scratch.found[count] = row
                        count += 1
                    row = following[row, band]
            witness[i], score[i] = most_alike(i, ids, offsets, scratch.found, count, t, answers, same, scratch)
        if witness[i] < 0:
            for band in range(bands):
                following[i, band] = head[band, buckets[i, band]]
                head[band, buckets[i, band]] = i


def greedy(
    sets: TokenLists, threshold: float, answers: TokenLists | None = None, same: Same | None = None, *, pinned: int = 0,
    buckets: Int32 | None = None,
) -> Nearest:  # fmt: skip
    """Return, for each row in order, the kept row whose shingles it shares: Jaccard at or above `threshold` (0..1).

    Args:
        sets: the shingles of each row.
        threshold: Jaccard, 0..1.
        answers: with `same`, only a kept row with the same answer counts, as in `rouge_l.greedy`.
        same: what makes two answers the same.
        pinned: rows at the head that stay whatever they are like.
        buckets: int32[n_rows, bands] of `minhash.buckets`: only rows that share one are compared; None = every pair.
    """
    n = len(sets)
    answers, same = compared(answers, same, n)
    witness, score = np.full(n, -1, np.int64), np.zeros(n)
    side = Side(answers.ids, answers.ids, answers.offsets, postings.new_index(1, 1))
    scratch = new_scratch([answers, asked(same)])
    if buckets is None:
        index = postings.index_for(sets.ids, sets.offsets, sets.size, threshold)
        run_greedy(sets.ids, sets.offsets, index, threshold, side, same, scratch, pinned, witness, score)
    else:
        run_banded(sets.ids, sets.offsets, buckets, threshold, side, same, scratch, pinned, witness, score)
    return Nearest(witness, score, np.full(n, -1, np.int64))
