"""Exact searches over unit vectors, block by block, so that memory stays bounded: equal to comparing every pair.

A block product is float32 and its rounding depends on the block, so whatever comes within MARGIN of a threshold is computed
again in float64, row by row, and that decides.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
BLOCK = 1024  # rows compared at a time
KEPT = 16_384  # kept rows that a block is compared with at a time
MARGIN = 1e-5


def cosine(a: Vectors, b: Vectors) -> npt.NDArray[np.float64]:
    """Return the cosine of each row of a with the row of b: float64[n]."""
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", a.astype(np.float64), b.astype(np.float64))
    return found


def greedy(
    vectors: Vectors, threshold: float, pinned: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:  # fmt: skip
    """Return, for each row in order, the kept row most like it at or above the threshold: int64[n] (-1 = kept), float64[n].

    Args:
        vectors: float32[n, d], each of length 1; a row of zeros is like none.
        threshold: cosine.
        pinned: rows at the head that stay whatever they are like.
    """
    n = len(vectors)
    witness, score = np.full(n, -1, np.int64), np.zeros(n)
    kept = np.empty(n, np.int64)
    used = 0
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(n, start + BLOCK))
        best, best_score = _nearest_kept(vectors, rows, kept[:used], threshold)
        inside = vectors[rows] @ vectors[rows].T
        for k, row in enumerate(rows.tolist()):
            if row >= pinned:
                for j in np.flatnonzero(inside[k, :k] >= threshold - MARGIN).tolist():
                    if witness[rows[j]] >= 0:
                        continue
                    exact = float(cosine(vectors[row : row + 1], vectors[rows[j] : rows[j] + 1])[0])
                    if exact >= threshold and exact > best_score[k]:
                        best[k], best_score[k] = rows[j], exact
                witness[row], score[row] = best[k], best_score[k]
            if witness[row] < 0:
                kept[used] = row
                used += 1
    return witness, score


def _nearest_kept(
    vectors: Vectors, rows: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return which kept row, the earliest of equals, each of some rows is most like at or above the threshold."""
    best, best_score = np.full(len(rows), -1, np.int64), np.zeros(len(rows))
    for start in range(0, len(kept), KEPT):
        part = kept[start : start + KEPT]
        near_row, near = np.nonzero(vectors[rows] @ vectors[part].T >= threshold - MARGIN)
        for at in range(0, len(near_row), BLOCK):
            here, there = near_row[at : at + BLOCK], part[near[at : at + BLOCK]]
            for k, row, exact in zip(
                here.tolist(), there.tolist(), cosine(vectors[rows[here]], vectors[there]).tolist(), strict=True
            ):
                if exact >= threshold and exact > best_score[k]:
                    best[k], best_score[k] = row, exact
    return best, best_score


def highest(vectors: Vectors, targets: Vectors) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return each row's highest cosine with a target, and which target, the earliest of equals: float64[n], int64[n].

    Computed again in float64 among all targets within MARGIN of the best.
    """
    score, found = np.full(len(vectors), -1.0), np.full(len(vectors), -1, np.int64)
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK]
        best = np.full(len(rows), -2.0, np.float32)
        near: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Vectors]] = []
        for first in range(0, len(targets), KEPT):
            part = rows @ targets[first : first + KEPT].T
            best = np.maximum(best, part.max(axis=1))
            at, column = np.nonzero(part >= best[:, None] - MARGIN)  # of the best so far: few, and the best of all among them
            near.append((at, first + column, part[at, column]))
        for at, target, product in near:
            still = product >= best[at] - MARGIN
            exact = cosine(rows[at[still]], targets[target[still]])
            for k, t, value in zip(at[still].tolist(), target[still].tolist(), exact.tolist(), strict=True):
                if value > score[start + k]:
                    score[start + k], found[start + k] = value, t
    return score, found


def k_centre(vectors: Vectors, count: int) -> npt.NDArray[np.int64]:
    """Return `count` rows by farthest-first traversal: int64[count], in the order in which they are taken.

    The first is the row nearest to the mean; each next one is farthest from those taken, ties to the earlier row; so a smaller
    count is a prefix of a larger one. At most twice the best radius (Gonzalez 1985); Sener and Savarese 2018 for data.
    """
    n = len(vectors)
    count = min(count, n)
    taken = np.empty(count, np.int64)
    if not count:
        return taken
    nearest = np.full(n, -np.inf)
    row = int(np.argmax(vectors @ vectors.mean(axis=0)))
    for k in range(count):
        taken[k] = row
        nearest = np.maximum(nearest, (vectors @ vectors[row]).astype(np.float64))
        nearest[row] = np.inf
        row = int(np.argmin(nearest))
    return taken
