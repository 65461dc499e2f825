"""What a teacher's work on all rows would take, from its work on a few of them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from datagen.recipe import Step
from datagen.steps.model import chat_of
from datagen.steps.teaching import check_read, taught
from datagen.work import Run

if TYPE_CHECKING:
    from datagen.models.completion import Completion


def quote(run: Run, step: Step, probes: int) -> dict[str, Any]:
    """Ask about a few rows, evenly spread over all that are left, and return what all of them would take.

    The answers are in the journal of the run folder: the run itself buys none of them again.

    Returns:
        As `generate.estimate.probe`, with `probes` and `rows` counting rows that are asked about.

    Raises:
        BudgetError: a cap has no room for the probes.
        ModelError: the endpoint fails.
    """
    from datagen.models.chat import TURN
    from datagen.models.quote import pace, ratio, times
    from datagen.teach import teachers

    data = run.datasets[-1]
    n = int(data.alive().sum())
    chosen = {at * n // probes for at in range(min(probes, n))} if n > probes else set(range(n))
    rows = [row for at, row in enumerate(data.kept_rows(whole=True)) if at in chosen]
    check_read(step, data)
    heard: defaultdict[int | None, list[Completion]] = defaultdict(list)
    with chat_of(run, step) as chat:
        spent = chat.budget.spent + chat.budget.held
        chat.heard = lambda answer: heard[TURN.get()].append(answer)
        teacher = teachers.teacher(step.kind, step.name, chat, step.options)
        with contextlib.closing(taught(rows, teacher, chat, step.name)) as came:
            kept = sum("reason" not in one for _, made in came for one in made)
    answers = [heard[at] for at in range(len(rows))]
    ones = [1.0] * len(rows)
    known = all(a.used is not None for per_row in answers for a in per_row if a.text is not None)
    tokens = [float(sum(a.used.input + a.used.output for a in per_row if a.used)) for per_row in answers]
    usd = [sum(a.usd or 0.0 for a in per_row) for per_row in answers]
    calls = [float(len(per_row)) for per_row in answers]
    seconds = pace(chat, sum(calls) / max(1, len(rows)), sum(tokens) / max(1, len(rows)), step.options.concurrency)
    return {
        "asked_about": "rows", "rows": n, "probes": len(rows), "sent": chat.sent, "kept": kept,
        "spent_usd": chat.budget.spent + chat.budget.held - spent, "requests": times(ratio(calls, ones), n),
        "usd": times(ratio(usd, ones), n) if chat.budget.price and known else None,
        "tokens": times(ratio(tokens, ones), n) if known else None, "usage_unknown": not known,
        "seconds": times(ratio(ones, ones), n * seconds),
    }  # fmt: skip
