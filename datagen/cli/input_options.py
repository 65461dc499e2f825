"""The options of every command that reads rows: which part of a set, and in which encoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
INPUT = [
    click.option(
        "--split",
        metavar="NAME",
        help="Part of a set (by names of files, or a column `split`): train (default), test, ... or all.",
    ),
    click.option("--encoding", metavar="NAME", help="Of the input's text, such as gb18030; default: by its mark, else UTF-8."),
]


def input_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(INPUT):
        command = option(command)
    return command
