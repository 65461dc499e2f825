"""A step's way to its model: the journal of the run folder, checked against what an earlier run recorded, and the chat."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.chat.options import ModelOptions
from datagen.errors import BudgetError, DataError
from datagen.recipe import Step
from datagen.step import Kind
from datagen.work import Run

if TYPE_CHECKING:
    from datagen.chat.client import Chat


@contextlib.contextmanager
def chat_of(run: Run, step: Step) -> Iterator[Chat]:
    """Open the journal and the model of a step.

    Raises:
        DataError: answers that were recorded are gone.
        ModelError: the model cannot be had.
    """
    from datagen.chat.journal import Journal
    from datagen.chat.opening import opened

    journal = Journal(run.out / "journal.sqlite")
    told: dict[str, Any] = next((s for s in (run.before or {}).get("stages", ()) if s.get("name") == step.name), {})
    there, were = journal.counts()["recorded"], int((told.get("requests") or {}).get("recorded", 0))
    if there < were:
        journal.close()
        raise DataError(
            f"{run.out}/journal.sqlite holds {there:,} answers, but {were:,} were recorded: restore it, or give another -o to"
            " buy them again"
        )
    with contextlib.closing(journal), opened(step.options, journal, offline=run.offline) as chat:
        chat.say = run.progress.say
        yield chat


def prompt_files(options: Kind) -> list[Path]:
    """Return the files of the user's own prompts that a step may use; [] where it names no folder of them."""
    own = options.prompts if isinstance(options, ModelOptions) else None
    return sorted(Path(own).glob("*.jinja")) if own else []


def passed(run: Run, step: Step) -> dict[str, Any] | None:
    """Return why the run stops after a step whose last requests passed its cap, as its entry tells it; else None.

    Whatever is asked after an answer that bills too much is refused its room; after the last answer nothing is asked.
    """
    options, path = step.options, run.out / "journal.sqlite"
    if run.offline or not path.is_file() or not isinstance(options, ModelOptions) or options.budget_usd is None:
        return None
    from datagen.chat.budget import Budget
    from datagen.chat.journal import Journal
    from datagen.chat.opening import price_of

    if (price := price_of(replace(options, budget_usd=None))) is None:
        return None
    with contextlib.closing(Journal(path)) as journal:
        told = Budget(price, options.budget_usd, None, journal.attempts()).passed
    return {"exit_code": BudgetError.exit_code, "message": told} if told else None


def spent(chat: Chat, kept: int) -> str:
    """The money of the live line, where there is a price, and else the tokens; per kept row."""
    budget, kept = chat.budget, max(1, kept)
    if budget.price:
        return f"${budget.spent:.4f}, ${budget.spent / kept:.5f}/row, "
    return f"{(budget.used.input + budget.used.output) / kept:,.0f} tok/row, "
