"""What paired runs show: a mean difference with its interval, and what a study of this size could have seen. Pure.

Source: Student's t over the pairs (one for each seed), with Bonferroni's correction for several comparisons; the difference
that would be seen with a power of 80 % is t(1 - a/2) + t(0.8) standard errors (Lenth 2001).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL, POWER = 0.95, 0.80
EVEN = 1e-12  # of a spread: runs that are the same runs


class Effect(NamedTuple):
    """A mean difference of pairs, the ends of its interval, and the difference that the pairs could have shown."""

    value: float
    low: float
    high: float
    could_see: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def effect(one: Sequence[float], other: Sequence[float], comparisons: int = 1) -> Effect:
    """Return how much higher the values of one are than those of the other, pair by pair.

    Args:
        one: a value for each seed.
        other: of the same seeds, in their order.
        comparisons: how many such differences are looked at together.
    """
    from scipy.stats import t

    differences = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    n, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1))
    if spread < EVEN:
        return Effect(mean, mean, mean, 0.0)
    error = spread / math.sqrt(n)
    reach = float(t.ppf(1 - (1 - LEVEL) / (2 * comparisons), n - 1))
    return Effect(mean, mean - reach * error, mean + reach * error, (reach + float(t.ppf(POWER, n - 1))) * error)
