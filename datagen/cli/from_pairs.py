"""`datagen from-pairs`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.kinds import run_steps


def _from_pairs(pairs: tuple[str, ...], out: str, **values: Any) -> int:
    return run_steps((), out, values, lambda own: [{"from_pairs": {**own, "pairs": list(pairs)}}])


def _command() -> click.Command:
    from datagen.kinds.from_pairs import FromPairs

    pairs = click.Argument(["pairs"], nargs=-1, required=True)
    params = [pairs, run_flags.out(), *run_flags.again("Write the rows again.")]
    return made("from-pairs", FromPairs, params, _from_pairs, leave=("pairs",))


command = _command()
