"""`datagen backtranslate`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.flags import flags_of
from datagen.cli.kinds import FRESH, run_steps


def _backtranslate(documents: tuple[str, ...], out: str, **values: Any) -> int:
    from datagen.backtranslation import steps

    return run_steps((), out, values, lambda own: steps(documents, own))


def _command() -> click.Command:
    from datagen.backtranslation import SAMPLING, SHARED, Backtranslation
    from datagen.kinds.backtranslate import Backtranslate

    documents = click.Argument(["documents"], nargs=-1, required=True)
    asking = [f for f in flags_of(Backtranslate) if f.name in (*SHARED, *SAMPLING)]
    params = [documents, run_flags.out(), *run_flags.quoted("passages"), *run_flags.again(FRESH), *asking]
    return made("backtranslate", Backtranslation, params, _backtranslate)


command = _command()
