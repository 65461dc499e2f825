"""Numbers with the interval in which they lie: shares, ratios of sums, differences of two models on the same items. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
Z = 1.959963984540054  # of 95 %
_BLOCK = 4_000_000  # drawn places at a time
Floats = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        """The three as run.json says them."""
        return {name: round(number, 6) for name, number in self._asdict().items()}


def share(hits: float, count: int) -> Estimate:
    """Return the share of hits with Wilson's interval (Wilson 1927), which holds for few items and near 0 and 1 too."""
    p = hits / count
    middle = (p + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(p * (1 - p) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half))


def ratio(above: Floats, below: Floats, seed: int) -> Estimate:
    """Return the sum of one column over that of another, with its bootstrap interval (percentiles) over the items.

    Args:
        above: float64[n], such as the loss of each item.
        below: float64[n], such as its tokens; ones for a mean.
        seed: of the resamples.
    """
    drawn = np.concatenate([counts @ above / (counts @ below) for counts in resamples(len(above), seed)])
    return Estimate(float(above.sum() / below.sum()), *ends(drawn))


def difference(one: Floats, below: Floats, other: Floats, under: Floats, seed: int) -> Estimate:
    """Return how much larger a ratio is than another over the same items, with its paired bootstrap interval.

    Args:
        one: float64[n], the first ratio's upper column.
        below: its lower one.
        other: the second ratio's upper column.
        under: its lower one.
        seed: of the resamples.
    """
    draws = resamples(len(one), seed)
    drawn = np.concatenate([counts @ one / (counts @ below) - counts @ other / (counts @ under) for counts in draws])
    return Estimate(float(one.sum() / below.sum() - other.sum() / under.sum()), *ends(drawn))


def paired_shares(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Estimate:
    """Return how much larger a share is than another over the same items, with its score interval.

    That is method 10 of Newcombe (1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data"). A bootstrap would be sure of a difference of 0 where few items are all wrong.

    Args:
        one: bool[n], the hits of the first.
        other: bool[n], those of the second.
    """
    count = len(one)
    p, q = share(float(one.sum()), count), share(float(other.sum()), count)
    both, only, others = (int((a & b).sum()) for a, b in ((one, other), (one, ~other), (~one, other)))
    neither = count - both - only - others
    spread = float(both + only) * (others + neither) * (both + others) * (only + neither)
    together = float(both * neither - only * others)
    together = together if together < 0 else max(0.0, together - count / 2)  # corrected for continuity
    phi = together / math.sqrt(spread) if spread else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    middle = p.value - q.value
    return Estimate(
        middle, middle - reach(p.value - p.low, q.high - q.value), middle + reach(p.high - p.value, q.value - q.low)
    )


def corpus(counts: Floats, score: Callable[[Floats], float], seed: int) -> Estimate:
    """Return the score of summed counts, with its bootstrap interval over the items.

    Args:
        counts: float64[n, k], of each item.
        score: makes the number of their sums, float64[k].
        seed: of the resamples.
    """
    drawn = [score(sums) for draws in resamples(len(counts), seed) for sums in draws @ counts]
    return Estimate(score(counts.sum(0)), *ends(np.array(drawn)))


def corpus_difference(one: Floats, other: Floats, score: Callable[[Floats], float], seed: int) -> Estimate:
    """Return how much higher the score of one's counts is than that of the other's over the same items (paired bootstrap)."""
    drawn = [
        score(ours) - score(theirs)
        for draws in resamples(len(one), seed)
        for ours, theirs in zip(draws @ one, draws @ other, strict=True)
    ]
    return Estimate(score(one.sum(0)) - score(other.sum(0)), *ends(np.array(drawn)))


def resamples(items: int, seed: int) -> Iterator[Floats]:
    """Yield how often each item is drawn, float64[block, items], RESAMPLES draws in all."""
    rng = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, _BLOCK // items))
    for begin in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - begin)
        places = rng.integers(items, size=(size, items)) + items * np.arange(size)[:, None]
        yield np.bincount(places.ravel(), minlength=size * items).reshape(size, items).astype(np.float64)


def ends(drawn: Floats) -> tuple[float, float]:
    """Return the ends of the interval of resampled values."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
