"""A stage that asks a model: through the journal of the run folder, and what that has used over its life."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datagen.chat.budget import Budget
from datagen.chat.client import Chat
from datagen.chat.journal import Journal
from datagen.chat.opening import opened, price_of
from datagen.chat.options import TRAVEL, ModelOptions
from datagen.errors import UsageError


@contextlib.contextmanager
def recorded(
    stage: str, options: ModelOptions, folder: Path | None, *, offline: bool, say: Callable[[str], None]
) -> Iterator[Chat]:  # fmt: skip
    """Open the journal of a run folder and the model on it.

    Raises:
        UsageError: there is no run folder.
        ModelError: the model cannot be had.
    """
    if folder is None:
        raise UsageError(f"stage '{stage}' asks a model through the journal of a run; it needs a run folder")
    journal = Journal(folder / "journal.sqlite")
    with contextlib.closing(journal), opened(options, journal, offline=offline) as chat:
        chat.say = say
        yield chat


def what_answers_depend_on(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options but those of how a request travels and what it costs."""
    away = {*TRAVEL, "price_in", "price_out"}
    return {k: v for k, v in values.items() if k not in away}


def asked_again(options: ModelOptions, folder: Path) -> int:
    """Return how many attempts the journal of a run folder holds where failed requests are to be asked again, else 0.

    As part of a fingerprint it makes a step be done again, with all that was answered taken from the journal.
    """
    path = folder / "journal.sqlite"
    if not options.retry_failed or not path.is_file():
        return 0
    with contextlib.closing(Journal(path)) as journal:
        return journal.counts()["attempts"]


def used(options: ModelOptions, folder: Path | None, *, offline: bool) -> dict[str, Any]:
    """Return what the run folder has used over its whole life under `usage`; nothing where there is no journal."""
    path = None if folder is None else folder / "journal.sqlite"
    if path is None or not path.is_file():
        return {}
    journal = Journal(path)
    try:
        spent = Budget(None if offline else price_of(options), None, None, journal.attempts())
        usage = {"recorded": journal.counts()["recorded"], "sent": journal.counts()["attempts"]}
    finally:
        journal.close()
    usd = round(spent.spent, 9) if spent.price else None
    return {"usage": {**usage, "input_tokens": spent.used.input, "output_tokens": spent.used.output, "usd": usd}}
