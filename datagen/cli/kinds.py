"""The commands that are made from the file of a kind: of generators and teachers, and of any step of the user's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command, given
from datagen.cli.say import say
from datagen.errors import UsageError

if TYPE_CHECKING:
    from datagen.recipe import Recipe
    from datagen.step import Kind

FRESH = "Make the rows again from the recorded answers."


def command_of(name: str) -> click.Command | None:
    """Return the command of a kind that needs none of its own; None where there is no such kind.

    A dotted name is that of a module of the user's own.
    """
    from datagen.step import Kind, find, names

    kind_name = name if "." in name else name.replace("-", "_")
    if "." not in name and kind_name not in names("datagen.kinds"):
        return None
    kind = find(kind_name, Kind)
    if not (kind.command or "." in name):
        return None
    if kind.lead not in ("", "rows"):
        raise UsageError(f"'{name}' takes {kind.lead}, for which there is no command: put it into a recipe (datagen run)")
    return _of_rows(name, kind) if kind.lead else _generator(name, kind)


def _generator(name: str, kind: type[Kind]) -> click.Command:
    from datagen.step import name_of

    def callback(out: str, **values: Any) -> int:
        if os.environ.get("OPENAI_BASE_URL") and not values.get("model"):
            say("datagen: OPENAI_BASE_URL is not used: no --model is named, so the embedded model makes the rows", err=True)
        return run_steps((), out, values, lambda own: [{name_of(kind): own}])

    params = [run_flags.out(), *run_flags.quoted("requests"), *run_flags.again(FRESH)]
    return command(name, kind, params, callback)


def _of_rows(name: str, kind: type[Kind]) -> click.Command:
    from datagen.chat.options import ModelOptions
    from datagen.step import name_of

    def callback(rows: tuple[str, ...], out: str, **values: Any) -> int:
        return run_steps(rows, out, values, lambda own: [{name_of(kind): own}])

    return command(name, kind, over_rows(asks=issubclass(kind, ModelOptions)), callback)


def over_rows(*, asks: bool = True) -> list[click.Parameter]:
    """Return the parameters of a command that works on rows, and with what `asks` a model the flags of a quote."""
    rows = click.Argument(["rows"], nargs=-1, required=True)
    quoted, again = (run_flags.quoted(), FRESH) if asks else ([], "Do the step again.")
    return [rows, run_flags.out(), *quoted, *run_flags.reading(), *run_flags.again(again)]


def recipe_of(rows: Sequence[str], values: dict[str, Any], steps: Callable[[dict[str, Any]], list[Any]]) -> Recipe:
    """Return the recipe of a command, as `run_steps` takes it; where no rows are read, a `limit` is an option of a step."""
    from datagen.reading import NAMES
    from datagen.recipe import make

    how = {name: values.pop(name) for name in NAMES} if "mapping" in values else {}  # else a limit is an option of a step
    return make(steps(given(values)), input=rows, **how)


def run_steps(rows: Sequence[str], out: str, values: dict[str, Any], steps: Callable[[dict[str, Any]], list[Any]]) -> int:
    """Run steps over rows, or quote them; return the exit code.

    Args:
        rows: the input; none of a generator.
        out: the run folder.
        values: all that the command was given.
        steps: makes the steps of what remains when the flags of a run are taken.
    """
    from datagen.cli import terminal

    fresh, as_json = values.pop("fresh"), values.pop("as_json")
    estimate, probes = values.pop("estimate", False), values.pop("probes", 0)
    recipe = recipe_of(rows, values, steps)
    if estimate:
        return terminal.estimate(recipe, out, probes, as_json=as_json)
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)
