"""The flags of a run, which no recipe holds as options of a step: where it goes, how the input is read, what is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from datagen.cli.flags import READING, RUN, Flag

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


def maps() -> list[Flag]:
    """The names of fields and roles."""
    return [
        Flag(["--map", "mapping"], metavar="OURS=THEIRS,...", group=READING, help="Field names, such as instruction=question."),
        Flag(["--roles"], metavar="THEIRS=OURS,...", group=READING, help="Names of roles, such as agent=assistant."),
    ]


def part_and_encoding() -> list[Flag]:
    """Which part of a set is read, and in which encoding."""
    return [
        Flag(
            ["--split"], metavar="NAME", group=READING,
            help="Part of a set (by names of files, or a column `split`): train (default), test, ... or all.",
        ),
        Flag(
            ["--encoding"], metavar="NAME", group=READING,
            help="Of the input's text, such as gb18030; default: by its mark, else UTF-8.",
        ),
    ]  # fmt: skip


def limit(what: str = "rows") -> Flag:
    """How much is read."""
    return Flag(["--limit"], type=click.IntRange(1, 2**31), metavar="N", group=READING, help=f"Read only so many {what}.")


def reading() -> list[Flag]:
    """How the input is read."""
    return [*maps(), *part_and_encoding(), limit()]


def again(what: str) -> list[Flag]:
    """What is done again, and how the result is shown; `what` is the help of --fresh."""
    return [
        Flag(["--fresh"], is_flag=True, group=RUN, help=what),
        Flag(["--json", "as_json"], is_flag=True, group=RUN, help="Print run.json on one line instead of the table."),
    ]


def input_options(command: Command) -> Command:
    """Add the flags of the input's part and encoding to a command."""
    found: Any = command
    found.__dict__.setdefault("__click_params__", []).extend(reversed(part_and_encoding()))
    return command
