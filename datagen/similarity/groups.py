"""Groups of rows that hang together: any two that are alike are in one, however long the chain between them.

Exact: every pair above the threshold is found, as by `rouge_l` and `jaccard`, among all rows and not the kept ones alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity import postings
from datagen.similarity.jaccard import overlap
from datagen.similarity.lcs import Scratch, f1, lcs, new_scratch
from datagen.similarity.postings import Index, candidates, insert
from datagen.similarity.token_lists import Ids, Offsets, TokenLists

Places = npt.NDArray[np.int64]


@kernel()
def top(above: Places, i: int) -> int:
    """Return the row that stands for the group of row i, with the ways to it made shorter."""
    while above[i] != i:
        above[i] = above[above[i]]
        i = above[i]
    return i


@kernel()
def joined(above: Places, i: int, j: int) -> None:
    """Make one group of two, named by its first row."""
    a, b = top(above, i), top(above, j)
    above[max(a, b)] = min(a, b)


def _pairs_work(ids: Ids, keys: Ids, offsets: Offsets, index: Index, *rest: object) -> float:
    return 1.5 * len(ids) + 30.0 * len(offsets) + 3 * postings.pairs_work(index)


@kernel(work=_pairs_work)
def join_by_rouge(
    ids: Ids, keys: Ids, offsets: Offsets, index: Index, t: float, scratch: Scratch, above: Places
) -> None:  # fmt: skip
    """Join rows whose ROUGE-L F1 is above t."""
    ratio = t / (2.0 - t)
    for i in range(len(above)):
        x = ids[offsets[i] : offsets[i + 1]]
        mine = keys[offsets[i] : offsets[i + 1]]
        m = len(x)
        if m == 0:
            continue
        equal = False
        for c in range(candidates(index, mine, ratio, scratch.seen, i + 1, scratch.found)):
            row = scratch.found[c]
            if top(above, row) == top(above, i):
                continue
            y = ids[offsets[row] : offsets[row + 1]]
            score = f1(lcs(x, y, scratch, t / 2 * (m + len(y)) - postings.SLACK), m, len(y))
            if score > t:
                joined(above, i, row)
                equal |= score == 1.0
        if not equal:  # whatever is like this row is like the one that it equals
            insert(index, i, mine, ratio)


def _sets_work(ids: Ids, offsets: Offsets, index: Index, *rest: object) -> float:
    return 1.5 * len(ids) + 30.0 * len(offsets) + 3 * postings.pairs_work(index)


@kernel(work=_sets_work)
def join_by_jaccard(ids: Ids, offsets: Offsets, index: Index, t: float, scratch: Scratch, above: Places) -> None:
    """Join rows whose sets (falling lists) have a Jaccard of t or more."""
    for i in range(len(above)):
        x = ids[offsets[i] : offsets[i + 1]]
        m = len(x)
        if m == 0:
            continue
        equal = False
        for c in range(candidates(index, x, t, scratch.seen, i + 1, scratch.found)):
            row = scratch.found[c]
            if top(above, row) == top(above, i):
                continue
            y = ids[offsets[row] : offsets[row + 1]]
            common = overlap(x, y, t / (1 + t) * (m + len(y)) - postings.SLACK)
            if common > 0 and common / (m + len(y) - common) >= t:
                joined(above, i, row)
                equal |= common == m == len(y)
        if not equal:
            insert(index, i, x, t)


def by_rouge(texts: TokenLists, threshold: float, above: Places) -> None:
    """Join in place the groups of rows whose texts have a ROUGE-L F1 above a threshold; a row without tokens joins none."""
    keys = postings.sorted_keys(texts.ids, texts.offsets)
    index = postings.index_for(keys, texts.offsets, texts.size, threshold / (2.0 - threshold))
    join_by_rouge(texts.ids, keys, texts.offsets, index, threshold, new_scratch([texts]), above)


def by_jaccard(sets: TokenLists, threshold: float, above: Places) -> None:
    """Join in place the groups of rows whose shingles have a Jaccard similarity at or above a threshold."""
    index = postings.index_for(sets.ids, sets.offsets, sets.size, threshold)
    join_by_jaccard(sets.ids, sets.offsets, index, threshold, new_scratch([sets]), above)


def by_name(names: Sequence[Sequence[Hashable]], above: Places) -> None:
    """Join in place the groups of rows that have a name in common; a row may have several, or none."""
    first: dict[Hashable, int] = {}
    for row, own in enumerate(names):
        for name in own:
            joined.plain(above, row, first.setdefault(name, row))


def numbered(above: Places) -> Places:
    """Return int64[n], for each row the first row of its group."""
    return np.array([top.plain(above, row) for row in range(len(above))], np.int64)
