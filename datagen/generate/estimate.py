"""What a run would cost, from a few requests of it: dollars, time and kept rows, each with an interval.

The requests are the first of the run itself: they are in its journal, and the run buys them no second time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datagen.generate.loop import Loop
from datagen.models.chat import Chat

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


def probe(loop: Loop, n: int, concurrency: int, rpm: float | None) -> dict[str, Any]:
    """Run a loop to its end and return what `n` rows would take.

    Args:
        loop: one that stops after a number of requests.
        n: rows to keep.
        concurrency: requests that the run would have in flight.
        rpm: its limit of requests per minute.

    Returns:
        `probes`, `sent`, `kept`, `spent_usd`, and as [middle, low, high] or None: `kept_per_request`, `requests`, `usd`,
        `tokens`, `seconds`.

    Raises:
        BudgetError: a cap has no room for the probes.
        ModelError: the endpoint fails.
    """
    chat = loop.chat
    before, spent = chat.sent, chat.budget.spent
    kept, usd, tokens = [], [], []
    with contextlib.closing(loop.batches()) as batches:
        for batch in batches:
            told = [row["generation"] for row in batch]
            kept.append(float(sum("reason" not in row for row in batch)))
            usd.append(sum(t["cost_usd"] or 0.0 for t in told))
            tokens.append(float(sum((t["input_tokens"] or 0) + (t["output_tokens"] or 0) for t in told)))
    if loop.funnel.stopped is not None:
        raise loop.funnel.stopped
    ones = [1.0] * len(kept)
    needed = ratio(ones, kept)
    return {
        "rows": n, "probes": len(kept), "sent": chat.sent - before, "kept": int(sum(kept)),
        "spent_usd": chat.budget.spent - spent, "kept_per_request": _told(ratio(kept, ones), 1),
        "requests": _told(needed, n), "usd": _told(ratio(usd, kept), n) if chat.budget.price else None,
        "tokens": _told(ratio(tokens, kept), n), "seconds": _told(needed, n * _pace(chat, len(kept), concurrency, rpm)),
    }  # fmt: skip


def _pace(chat: Chat, requests: int, concurrency: int, rpm: float | None) -> float:
    """Seconds per request of the run: what its parts took, shared by those in flight; not faster than the limit per minute."""
    if not chat.seconds:
        return math.nan
    return max(sum(chat.seconds) / requests / concurrency, 60 / rpm * len(chat.seconds) / requests if rpm else 0.0)


def _told(found: Range | None, factor: float) -> list[float] | None:
    """Return so many times a range as [middle, low, high]."""
    if found is None or math.isnan(factor):
        return None
    return [round(v * factor, 6) for v in (found.middle, found.low, found.high)]
