"""Weights to integer counts by Sainte-Laguë, which is monotone: a larger total never takes a seat away.

(Largest remainder is not: with it a larger set need not contain a smaller one.) Ties go to the earlier source.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def quotas(weights: Sequence[float], total: int) -> list[int]:
    """Return one count per weight, summing to `total`, each as near its share as Sainte-Laguë's divisors 1, 3, 5… put it.

    Raises:
        ValueError: a weight is negative or not finite, or all are zero while `total` is not.
    """
    if any(not 0 <= w < float("inf") for w in weights):
        raise ValueError(f"weights must be 0 or more, not {list(weights)}")
    counts = [0] * len(weights)
    heap = [(-w, i) for i, w in enumerate(weights) if w > 0]
    if total and not heap:
        raise ValueError("all weights are zero")
    heapq.heapify(heap)
    for _ in range(total):
        _, i = heap[0]
        counts[i] += 1
        heapq.heapreplace(heap, (-weights[i] / (2 * counts[i] + 1), i))
    return counts
