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
    if total and not any(weights):
        raise ValueError("all weights are zero")
    # With this divisor no count is above its final one; one less leaves room for rounding. A few seats remain.
    if (spare := total - len(weights)) > 0:
        divisor = sum(weights) / spare
        counts = [max(0, int(w / divisor + 0.5) - 1) for w in weights]
    heap = [(-w / (2 * n + 1), i) for i, (w, n) in enumerate(zip(weights, counts, strict=True)) if w > 0]
    heapq.heapify(heap)
    for _ in range(total - sum(counts)):
        _, i = heap[0]
        counts[i] += 1
        heapq.heapreplace(heap, (-weights[i] / (2 * counts[i] + 1), i))
    return counts
