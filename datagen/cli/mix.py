"""`datagen mix`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.kinds import run_steps


def _mix(sources: tuple[str, ...], out: str, **values: Any) -> int:
    from datagen.errors import UsageError

    named: dict[str, list[str]] = {}
    for source in sources:
        name, equals, path = source.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"'{source}' is not NAME=PATH, such as mine=rows.jsonl")
        named.setdefault(name, []).append(path)
    if values["weights"]:
        values["method"] = values["method"] or "weights"
    if values["temperature"] is not None:
        values["method"] = values["method"] or "temperature"
    grid = ("levels", "eval", "steps", "model", "max_proxies")
    if not values["grid"] and (alone := next((name for name in grid if values[name] is not None), None)):
        raise UsageError(f"--{alone.replace('_', '-')} goes with --grid only")
    return run_steps((), out, values, lambda own: [{"mix": {"sources": named, **own}}])


def _command() -> click.Command:
    from datagen.kinds.mix import Mix

    sources = click.Argument(["sources"], nargs=-1, metavar="NAME=PATH...")
    params = [sources, run_flags.out(), *run_flags.reading(), *run_flags.again("Compute everything again.")]
    return made("mix", Mix, params, _mix, leave=("sources",))


command = _command()
