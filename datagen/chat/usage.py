"""What requests used and cost: of one row, and over the life of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.chat.budget import Budget
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.journal import Journal


def generation(model: str, answers: Sequence[Completion], prompt: str) -> dict[str, Any]:
    """Return the `generation` column of a row: its model, prompt and last request, and what all its requests used.

    Tokens and dollars are null where one of the answers did not report them.
    """
    told = [a.used for a in answers if a.used is not None]
    known = len(told) == len(answers)
    dollars = [a.usd for a in answers if a.usd is not None]
    thought = sum(a.reasoning_tokens or 0 for a in answers)
    return {
        "model": model, "prompt_hash": prompt, "request_key": answers[-1].key if answers else None,
        "input_tokens": sum(t.input for t in told) if known else None,
        "output_tokens": sum(t.output for t in told) if known else None,
        "reasoning_tokens": thought or None,
        "cost_usd": round(sum(dollars), 12) if known and len(dollars) == len(answers) else None,
    }  # fmt: skip


def account(chat: Chat, kept: int) -> dict[str, Any]:
    """Return what run.json says of the requests in a run folder: counts, tokens, dollars; per kept row too."""
    return accounted(chat.budget, chat.journal, chat.sent, kept)


def accounted(budget: Budget, journal: Journal, sent: int, kept: int) -> dict[str, Any]:
    """Return the same of a budget that knows all attempts of a journal, of which so many were sent now."""
    counts = journal.counts()
    tokens, price = budget.used.input + budget.used.output, budget.price

    def per_row(whole: float, digits: int) -> float | None:
        return round(whole / kept, digits) if kept else None

    cost = None if price is None else {
        "usd": round(budget.spent, 9), "held_usd": round(budget.held, 9), "usd_per_kept_row": per_row(budget.spent, 9),
        "price": {"input": price.input, "output": price.output, "source": price.source},
    }  # fmt: skip
    return {
        "requests": {"sent": sent, **counts},
        "cut_off": journal.cut_off() if counts["cut_off"] else [],
        "usage": {
            "input_tokens": budget.used.input, "output_tokens": budget.used.output,
            "tokens_per_kept_row": per_row(tokens, 1), "without_usage": budget.without_usage,
        },
        "cost": cost,
    }  # fmt: skip
