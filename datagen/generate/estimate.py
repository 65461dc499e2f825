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


def probe(loop: Loop, n: int, concurrency: int) -> dict[str, Any]:
    """Run a loop to its end and return what `n` rows would take.

    Args:
        loop: one that stops after a number of requests.
        n: rows to keep.
        concurrency: requests that the run would have in flight.

    Returns:
        `probes`, `sent`, `kept`, `spent_usd`, and as [middle, low, high] or None: `kept_per_request`, `requests`, `usd`,
        `tokens`, `seconds`; `usage_unknown` where the endpoint does not report what it used.

    Raises:
        BudgetError: a cap has no room for the probes.
        ModelError: the endpoint fails.
    """
    chat = loop.chat
    before, spent = chat.sent, chat.budget.spent + chat.budget.held
    asked = chat.journal.counts()["asked"]
    kept, usd, tokens, unknown = [], [], [], False
    with contextlib.closing(loop.batches()) as batches:
        for batch in batches:
            told = [row["generation"] for row in batch]
            kept.append(float(sum("reason" not in row for row in batch)))
            unknown = unknown or any(t["input_tokens"] is None for t in told)
            usd.append(sum(t["cost_usd"] or 0.0 for t in told))
            tokens.append(float(sum((t["input_tokens"] or 0) + (t["output_tokens"] or 0) for t in told)))
    if loop.funnel.stopped is not None:
        raise loop.funnel.stopped
    ones = [1.0] * len(kept)
    needed = ratio(ones, kept)
    sent = chat.sent - before
    calls = max(sent, asked, chat.journal.counts()["asked"]) / max(1, len(kept))  # of the endpoint, per request of the run
    tokens_each = sum(tokens) / max(1, len(tokens))
    return {
        "rows": n, "probes": len(kept), "sent": sent, "kept": int(sum(kept)),
        "spent_usd": chat.budget.spent + chat.budget.held - spent, "kept_per_request": _told(ratio(kept, ones), 1),
        "requests": _told(needed, n, least=1), "usd": _told(ratio(usd, kept), n) if chat.budget.price and not unknown else None,
        "tokens": None if unknown else _told(ratio(tokens, kept), n), "usage_unknown": unknown,
        "seconds": _told(needed, n * _pace(chat, calls, tokens_each, concurrency)),
    }  # fmt: skip


def _pace(chat: Chat, calls: float, tokens: float, concurrency: int) -> float:
    """Seconds per request of the run: what its calls take, shared by those in flight; not faster than the limits per minute."""
    if not chat.seconds:
        return math.nan
    mean = sum(chat.seconds) / len(chat.seconds)
    pace = chat.pace
    limits = (60 / pace.rpm * calls if pace.rpm else 0.0, 60 / pace.tpm * tokens if pace.tpm else 0.0)
    return max(mean * calls / concurrency, *limits)


def _told(found: Range | None, factor: float, least: float = 0.0) -> list[float] | None:
    """Return so many times a range as [middle, low, high], none of them below `least`."""
    if found is None or math.isnan(factor):
        return None
    return [max(least, round(v * factor, 6)) for v in (found.middle, found.low, found.high)]
