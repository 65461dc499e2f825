"""The kept rows that each row is most like by ROUGE-L, above a floor: what a filter at any threshold above it would see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity import postings
from datagen.similarity.lcs import Scratch, f1, lcs, new_scratch
from datagen.similarity.postings import Index, candidates, insert
from datagen.similarity.token_lists import Ids, Offsets, TokenLists


@kernel()
def placed(rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], row: int, score: float) -> None:
    """Put a row where it belongs in a list that falls by score, ties by position; the last falls off."""
    at = len(rows)
    while at > 0 and (scores[at - 1] < score or (scores[at - 1] == score and row < rows[at - 1])):
        at -= 1
    if at < len(rows):
        for j in range(len(rows) - 1, at, -1):
            rows[j], scores[j] = rows[j - 1], scores[j - 1]
        rows[at], scores[at] = row, score


def _nearest_work(ids: Ids, keys: Ids, offsets: Offsets, kept: npt.NDArray[np.bool_], index: Index, *rest: object) -> float:
    return 1.5 * len(ids) + 30.0 * len(offsets) + 3 * postings.pairs_work(index)


@kernel(work=_nearest_work)
def run_nearest(
    ids: Ids, keys: Ids, offsets: Offsets, kept: npt.NDArray[np.bool_], index: Index, floor: float, scratch: Scratch,
    rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill rows and scores [n, k] for every row, the nearest kept row first, the earlier of equals."""
    ratio = floor / (2.0 - floor)
    for i in range(len(kept)):
        if kept[i]:
            insert(index, i, keys[offsets[i] : offsets[i + 1]], ratio)
    k = rows.shape[1]
    for i in range(len(kept)):
        x = ids[offsets[i] : offsets[i + 1]]
        m = len(x)
        if m == 0:
            continue
        mine = keys[offsets[i] : offsets[i + 1]]
        for c in range(candidates(index, mine, ratio, scratch.seen, i + 1, scratch.found)):
            row = scratch.found[c]
            y = ids[offsets[row] : offsets[row + 1]]
            least = max(floor, scores[i, k - 1])
            score = f1(lcs(x, y, scratch, least / 2 * (m + len(y)) - postings.SLACK), m, len(y))
            if row != i and score > floor:
                placed(rows[i], scores[i], row, score)


def nearest(
    text: TokenLists, kept: npt.NDArray[np.bool_], k: int, floor: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:  # fmt: skip
    """Return the k kept rows most like each row with F1 above `floor`, the row itself left out.

    Args:
        text: the compared text of each row.
        kept: bool[n], the rows that are looked for.
        k: how many.
        floor: F1, 0..1.

    Returns:
        rows int64[n, k], -1 where there are fewer, and their F1 float64[n, k], 0 there.
    """
    n = len(text)
    rows, scores = np.full((n, k), -1, np.int64), np.zeros((n, k))
    keys = postings.sorted_keys(text.ids, text.offsets)
    index = postings.index_for(keys, text.offsets, text.size, floor / (2.0 - floor))
    run_nearest(text.ids, keys, text.offsets, kept, index, floor, new_scratch([text]), rows, scores)
    return rows, scores
