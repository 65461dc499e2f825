"""What the work of models on all rows would take, from their work on a few of them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from datagen import stage as stages
from datagen.models.options import ModelOptions
from datagen.recipe import TEACHERS, Step
from datagen.rows import Row, table_of
from datagen.stage import Context, Stage
from datagen.steps.model import chat_of
from datagen.steps.teaching import check_read, taught
from datagen.work import Run

if TYPE_CHECKING:
    from datagen.models.chat import Chat
    from datagen.models.completion import Completion

Origin = int  # the place of the row asked about that a row came of


@dataclass
class _Taken:
    """What the rows asked about took, each with all that was made of it."""

    answers: defaultdict[Origin, list[Completion]] = field(default_factory=lambda: defaultdict(list))
    sent: int = 0
    spent: float = 0.0
    priced: bool = True  # for every model a price is known
    seconds: float = 0.0  # of one row

    def watch(self, chat: Chat, origins: Sequence[Origin], step: Step, rows: int) -> Callable[[], None]:
        """Listen to a chat whose n-th piece of work is on a row that came of origins[n]; call the result when it is done."""
        from datagen.models.chat import TURN
        from datagen.models.quote import pace

        before, heard = chat.budget.spent + chat.budget.held, list[tuple[int, "Completion"]]()
        chat.heard = lambda answer: heard.append((TURN.get() or 0, answer))

        def done() -> None:
            for place, answer in heard:
                self.answers[origins[place]].append(answer)
            self.sent += chat.sent
            self.spent += chat.budget.spent + chat.budget.held - before
            self.priced = self.priced and bool(chat.budget.price)
            tokens = sum(a.used.input + a.used.output for _, a in heard if a.used)
            if heard:
                self.seconds += pace(chat, len(heard) / rows, tokens / rows, step.options.concurrency)

        return done


def quote(run: Run, steps: Sequence[Step], probes: int) -> dict[str, Any]:
    """Work on a few rows, evenly spread over all that are left, and return what all of them would take.

    What a step makes of them goes on to the next, as in the run. The answers are in the journal of the run folder: the run
    itself buys none of them again.

    Returns:
        As `generate.estimate.probe`, with `probes` and `rows` counting rows that are asked about, and in `not_counted` the
        steps that ask no endpoint.

    Raises:
        BudgetError: a cap has no room for the probes.
        ModelError: the endpoint fails.
    """
    data = run.datasets[-1]
    n = int(data.alive().sum())
    chosen = {at * n // probes for at in range(min(probes, n))} if n > probes else set(range(n))
    made = list(enumerate(row for at, row in enumerate(data.kept_rows(whole=True)) if at in chosen))
    total, taken, not_counted = len(made), _Taken(), list[str]()
    for step in steps:
        if step.kind in TEACHERS:
            if step is steps[0]:
                check_read(step, data)
            made = _taught(run, step, made, taken, total)
        elif isinstance(step.options, Stage) and isinstance(step.options, ModelOptions) and not step.options.local:
            made = _scored(run, step, made, taken, total)
        elif hasattr(step.options, "model"):
            not_counted.append(step.name)
    return {**_told(taken, n, total), "kept": len(made), "not_counted": not_counted}


def _taught(run: Run, step: Step, rows: list[tuple[Origin, Row]], taken: _Taken, total: int) -> list[tuple[Origin, Row]]:
    """Let a teacher work on rows; return those that it keeps."""
    from datagen.teach import teachers

    with chat_of(run, step) as chat:
        done = taken.watch(chat, [origin for origin, _ in rows], step, total)
        teacher = teachers.teacher(step.kind, step.name, chat, step.options)
        with contextlib.closing(taught([row for _, row in rows], teacher, chat, step.name)) as came:
            found = [(origin, one) for (origin, _), (_, made) in zip(rows, came, strict=True) for one in made]
        done()
    return [(origin, row) for origin, row in found if "reason" not in row]


def _scored(run: Run, step: Step, rows: list[tuple[Origin, Row]], taken: _Taken, total: int) -> list[tuple[Origin, Row]]:
    """Let a stage that asks an endpoint score rows; return those that it keeps."""
    stage, ended = step.options, list[Callable[[], None]]()

    def opened(chat: Any) -> None:
        ended.append(taken.watch(chat, [origin for origin, _ in rows], step, total))

    ctx = Context(folder=run.out, offline=run.offline, opened=opened)
    table = table_of(row for _, row in rows)
    alive = np.ones(len(rows), bool)
    stages.apply(stage, stages.scored(stage, table, ctx), alive, ctx)
    for done in ended:
        done()
    return [one for one, left in zip(rows, alive, strict=True) if left]


def _told(taken: _Taken, n: int, total: int) -> dict[str, Any]:
    """Return what n rows take, from what was taken by `total` of them."""
    from datagen.models.quote import ratio, times

    answers = [taken.answers[at] for at in range(total)]
    ones = [1.0] * total
    known = all(a.used is not None for per_row in answers for a in per_row if a.text is not None)
    tokens = [float(sum(a.used.input + a.used.output for a in per_row if a.used)) for per_row in answers]
    usd = [sum(a.usd or 0.0 for a in per_row) for per_row in answers]
    calls = [float(len(per_row)) for per_row in answers]
    return {
        "asked_about": "rows", "rows": n, "probes": total, "sent": taken.sent, "spent_usd": taken.spent,
        "requests": times(ratio(calls, ones), n), "usd": times(ratio(usd, ones), n) if taken.priced and known else None,
        "tokens": times(ratio(tokens, ones), n) if known else None, "usage_unknown": not known,
        "seconds": times(ratio(ones, ones), n * taken.seconds),
    }  # fmt: skip
