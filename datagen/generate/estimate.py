"""What a run would cost, from a few requests of it: dollars, time and kept rows, each with an interval.

The requests are the first of the run itself: they are in its journal, and the run buys them no second time.
"""

from __future__ import annotations

import contextlib
from typing import Any

from datagen.chat.quote import pace, ratio, times
from datagen.generate.loop import Loop


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
        "spent_usd": chat.budget.spent + chat.budget.held - spent, "kept_per_request": times(ratio(kept, ones), 1),
        "requests": times(needed, n, least=1), "usd": times(ratio(usd, kept), n) if chat.budget.price and not unknown else None,
        "tokens": None if unknown else times(ratio(tokens, kept), n), "usage_unknown": unknown,
        "seconds": times(needed, n * pace(chat, calls, tokens_each, concurrency)),
    }  # fmt: skip
