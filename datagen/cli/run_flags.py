"""The flags of a run, which no recipe holds as options of a step: where it goes, how the input is read, what is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from datagen.cli.flags import RUN, Flag, flags_of

Command = TypeVar("Command", bound=Callable[..., Any])


def out() -> Flag:
    """The run folder."""
    return Flag(["-o", "--out"], required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")


def quoted(what: str = "rows") -> list[Flag]:
    """What asks for a quote; `what` is counted by --probes."""
    return [
        Flag(["--estimate"], is_flag=True, help=f"Ask for --probes {what}, quote cost and time for all; nothing else."),
        Flag(
            ["--probes"], type=click.IntRange(2, 10_000), default=8, show_default=True, group=RUN,
            help=f"{what.capitalize()} of --estimate.",
        ),
    ]  # fmt: skip


def reading() -> list[click.Parameter]:
    """How rows are read."""
    from datagen.reading import Reading

    return flags_of(Reading)


def again(what: str) -> list[Flag]:
    """What is done again, and how the result is shown; `what` is the help of --fresh."""
    return [
        Flag(["--fresh"], is_flag=True, group=RUN, help=what),
        Flag(["--json", "as_json"], is_flag=True, group=RUN, help="Print run.json on one line instead of the table."),
    ]


def reads_rows(command: Command) -> Command:
    """Add the flags of how rows are read to a command, which gets their values by name."""
    found: Any = command
    found.__dict__.setdefault("__click_params__", []).extend(reversed(reading()))
    return command
