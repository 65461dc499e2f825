"""What the work of models on all rows would take, from their work on a few of them."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from datagen import stage as stages
from datagen.data.rows import Row, table_of
from datagen.errors import DataError
from datagen.recipe import Step
from datagen.stage import Context, Stage
from datagen.steps.model import chat_of
from datagen.steps.teaching import check, taught
from datagen.teacher import Teacher
from datagen.work import Run

if TYPE_CHECKING:
    from datagen.chat.client import Chat
    from datagen.chat.completion import Completion

Origin = int  # the place of the row asked about that a row came of


@dataclass
class _Taken:
    """What the rows asked about took, each with all that was made of it."""

    rows: int
    answers: defaultdict[Origin, list[Completion]] = field(default_factory=lambda: defaultdict(list))
    sent: int = 0
    spent: float = 0.0
    priced: bool = True  # for every model a price is known
    seconds: float = math.nan  # of one row; nan where no answer came online
    away: list[str] = field(default_factory=list)  # steps that ask no endpoint
    unreached: list[str] = field(default_factory=list)  # steps that none of the rows came to

    def watch(self, chat: Chat, origins: Sequence[Origin], step: Step) -> Callable[[], None]:
        """Listen to a chat whose n-th piece of work is on a row that came of origins[n]; call the result when it is done."""
        from datagen.chat.quote import pace
        from datagen.chat.turns import TURN

        before = chat.budget.spent + chat.budget.held
        heard: dict[str, tuple[int, Completion]] = {}  # by request: one that is looked up again was bought once

        def hear(answer: Completion) -> None:
            heard.setdefault(answer.key, (TURN.get() or 0, answer))

        chat.heard = hear

        def done() -> None:
            for place, answer in heard.values():
                self.answers[origins[place]].append(answer)
            self.sent += chat.sent
            self.spent += chat.budget.spent + chat.budget.held - before
            self.priced = self.priced and bool(chat.budget.price)
            tokens = sum(a.used.input + a.used.output for _, a in heard.values() if a.used)
            more = pace(chat, len(heard) / self.rows, tokens / self.rows, step.options.concurrency)
            if not math.isnan(more):
                self.seconds = more if math.isnan(self.seconds) else self.seconds + more

        return done


def quote(run: Run, steps: Sequence[Step], probes: int) -> dict[str, Any]:
    """Work on a few rows, evenly spread over all that are left, and return what all of them would take.

    What a step makes of them goes on to the next, as in the run. The answers are in the journal of the run folder: the run
    itself buys none of them again.

    Returns:
        As `generate.estimate.probe`, with `probes` and `rows` counting rows that are asked about; `not_counted` the steps whose
        model is here, and `not_reached` those that none of the rows came to.

    Raises:
        BudgetError: a cap has no room for the probes.
        DataError: there is no row.
        ModelError: the endpoint fails.
    """
    run.progress.step("estimate", None, "rows")
    data = run.datasets[-1]
    n = int(data.alive().sum())
    if not n:
        raise DataError("no row is left to be asked about; run it without --estimate to see what went, and why")
    chosen = {at * n // probes for at in range(min(probes, n))} if n > probes else set(range(n))
    made = list(enumerate(row for at, row in enumerate(data.kept_rows(whole=True)) if at in chosen))
    taken, trained = _Taken(len(made)), run.recipe.trained
    if isinstance(steps[0].options, Teacher):
        check(run, steps[0], data)
    for step in steps:
        scores = isinstance(step.options, Stage) and step.options.takes_model not in trained
        work = _taught if isinstance(step.options, Teacher) else _scored if scores else None
        if work and made:
            made = work(run, step, made, taken)
        elif work:
            taken.unreached.append(step.name)
        elif step.options.takes_model:
            taken.away.append(step.name)
    return {**_told(taken, n), "kept": len(made), "not_counted": taken.away, "not_reached": taken.unreached}


def _taught(run: Run, step: Step, rows: list[tuple[Origin, Row]], taken: _Taken) -> list[tuple[Origin, Row]]:
    """Let a teacher work on rows; return those that it keeps."""
    with chat_of(run, step) as chat:
        done = taken.watch(chat, [origin for origin, _ in rows], step)
        lesson = step.options.lesson(step.name, chat)
        with contextlib.closing(taught([row for _, row in rows], lesson, chat, step.name, step.options.stall)) as came:
            found = [(origin, one) for (origin, _), (_, made) in zip(rows, came, strict=True) for one in made]
        done()
    return [(origin, row) for origin, row in found if "reason" not in row]


def _scored(run: Run, step: Step, rows: list[tuple[Origin, Row]], taken: _Taken) -> list[tuple[Origin, Row]]:
    """Let a stage score rows and decide on them; return those that it keeps."""
    stage, ended = step.options, list[Callable[[], None]]()

    def opened(chat: Any, places: Sequence[int]) -> None:
        ended.append(taken.watch(chat, [rows[at][0] for at in places], step))

    ctx = Context(folder=run.out, offline=run.offline, opened=opened)
    alive = np.ones(len(rows), bool)
    stages.apply(stage, stages.scored(stage, table_of(row for _, row in rows), ctx), alive, ctx)
    for done in ended:
        done()
    if hasattr(stage, "model") and not ended:
        taken.away.append(step.name)
    return [one for one, left in zip(rows, alive, strict=True) if left]


def _told(taken: _Taken, n: int) -> dict[str, Any]:
    """Return what n rows take, from what was taken by a few of them, or by all."""
    from datagen.chat.quote import ratio, times

    answers = [taken.answers[at] for at in range(taken.rows)]
    known = all(a.used is not None for per_row in answers for a in per_row if a.text is not None)

    def of_all(each: Sequence[float]) -> list[float] | None:
        if taken.rows == n:
            return [round(sum(each), 6)] * 3
        return times(ratio(each, [1.0] * taken.rows), n)

    tokens = of_all([float(sum(a.used.input + a.used.output for a in per_row if a.used)) for per_row in answers])
    usd = of_all([sum(a.usd or 0.0 for a in per_row) for per_row in answers])
    return {
        "asked_about": "rows", "rows": n, "probes": taken.rows, "sent": taken.sent, "spent_usd": taken.spent,
        "requests": of_all([float(len(per_row)) for per_row in answers]),
        "usd": usd if taken.priced and known else None, "tokens": tokens if known else None, "usage_unknown": not known,
        "seconds": None if math.isnan(taken.seconds) else [round(n * taken.seconds, 6)] * 3,
    }  # fmt: skip
