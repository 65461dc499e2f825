"""What many requests would take, from a few of them: ratios with intervals, and the pace of an endpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datagen.chat.client import Chat

# Student's t at 97.5 % for 1, 2, … degrees of freedom; beyond the table it is close to 1.96 + 2.4 / df.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Range:
    """An estimate and its 95 % interval."""

    middle: float
    low: float
    high: float


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Range | None:
    """Return sum(numerators) / sum(denominators) with its 95 % interval, or None where the denominators are all 0.

    The interval is that of a ratio estimator: Student's t on the residuals (Cochran 1977, 2.30), not below 0.
    """
    n, total = len(numerators), sum(denominators)
    if n < 2 or total <= 0:
        return None
    middle = sum(numerators) / total
    residual = sum((a - middle * b) ** 2 for a, b in zip(numerators, denominators, strict=True))
    error = math.sqrt(n * residual / (n - 1)) / total
    t = _T[n - 2] if n - 1 <= len(_T) else 1.96 + 2.4 / (n - 1)
    return Range(middle, max(0.0, middle - t * error), middle + t * error)


def pace(chat: Chat, calls: float, tokens: float, concurrency: int) -> float:
    """Seconds per piece of work: what its calls take, shared by those in flight; not faster than the limits per minute."""
    if not chat.seconds:
        return math.nan
    mean = sum(chat.seconds) / len(chat.seconds)
    rpm, tpm = chat.pace.rpm, chat.pace.tpm
    limits = (60 / rpm * calls if rpm else 0.0, 60 / tpm * tokens if tpm else 0.0)
    return max(mean * calls / concurrency, *limits)


def times(found: Range | None, factor: float, least: float = 0.0) -> list[float] | None:
    """Return so many times a range as [middle, low, high], none of them below `least`."""
    if found is None or math.isnan(factor):
        return None
    return [max(least, round(v * factor, 6)) for v in (found.middle, found.low, found.high)]
