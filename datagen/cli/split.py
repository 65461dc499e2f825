"""`datagen split`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.flags import command as made
from datagen.cli.kinds import over_rows, run_steps


def _split(rows: tuple[str, ...], out: str, **values: Any) -> int:
    return run_steps(rows, out, values, lambda own: [{"split": own}])


def _command() -> click.Command:
    from datagen.similarity.split_options import SplitOptions

    return made("split", SplitOptions, over_rows(asks=False), _split)


command = _command()
