"""Flags made from the fields of options, and commands whose help shows them in groups: what matters first, first."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Literal

import click

from datagen.errors import UsageError

if TYPE_CHECKING:
    from datagen.options import Option

FIRST = "Options"
RUN = "Run"
NAMES = {int: "N", float: "X", str: "TEXT", dict: "JSON"}
SHORT = {"n": "-n", "mapping": "--map"}  # of flags that are not called as their option


class Flag(click.Option):
    """An option with the heading that help shows it under."""

    def __init__(self, *args: Any, group: str = "", **more: Any) -> None:
        """Take what click takes, and the heading; "" = among the first."""
        super().__init__(*args, **more)
        self.group = group


class Grouped(click.Command):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first ones, the groups, and what every command has."""
        groups: dict[str, list[tuple[str, str]]] = {FIRST: []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                continue
            name = RUN if param.name == "help" else getattr(param, "group", "") or FIRST
            if (record := param.get_help_record(ctx)) is not None:
                groups.setdefault(name, []).append(record)
        groups[RUN] = groups.pop(RUN, [])  # the last
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are: a line of a shell is not to be wrapped."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def flag(option: Option) -> Flag:
    """Return the flag of one option of a kind; its value is read later, as that of a recipe is."""
    from datagen.options import help_of

    words, more = option.name.replace("_", "-"), {"group": option.group, "help": help_of(option)}
    if option.kind is bool:
        name = f"--no-{words}" if option.default else f"--{words}"
        return Flag([name, option.name], is_flag=True, flag_value=not option.default, default=None, **more)
    name = SHORT.get(option.name, f"--{words}")
    if option.repeat or _inner(option.kind)[0] not in (tuple, dict):
        return Flag([name, option.name], multiple=option.repeat, metavar=metavar(option), **more)
    # Given twice, the second would take the place of the first.
    return Flag([name, option.name], multiple=True, callback=_joined, metavar=metavar(option), **more)


def _joined(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    return ",".join(values) or None


def _inner(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type of a kind of values that may be off, and its arguments."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(a for a in typing.get_args(kind) if a is not type(None))
    return typing.get_origin(kind) or kind, typing.get_args(kind)


def metavar(option: Option) -> str:
    """Return what stands for the value of an option."""
    origin, inner = _inner(option.kind)
    if origin is tuple:
        return "TEXT" if option.repeat else "A,B,..."
    if origin is dict and inner[1:] != (Any,):
        return "NAME=VALUE,..."
    return "NAME" if origin is Literal else NAMES.get(origin, "TEXT")


def flags_of(kind: type[Any], leave: Collection[str] = ()) -> list[click.Parameter]:
    """Return the flags of a kind's options, but for those that the command takes in another way."""
    from datagen.options import listed

    return [flag(option) for option in listed(kind) if option.name not in leave]


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as a recipe holds them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None and v != ()}


def command(
    name: str, kind: type[Any], params: Iterable[click.Parameter], callback: Callable[..., int], leave: Collection[str] = (),
) -> Grouped:  # fmt: skip
    """Return a command: its own parameters, then the flags of a kind; its help is the kind's docstring.

    Args:
        name: the command's.
        kind: the class whose fields are flags; it says under `usage` how the command is used.
        params: its arguments and flags beside them.
        callback: called with all values by name.
        leave: options of the kind that are no flags.
    """
    import inspect

    params, own = list(params), flags_of(kind, leave)
    taken = {"--help", "help", *(word for p in params for word in (p.name, *p.opts))}
    if twice := [p.name for p in own if taken & {p.name, *p.opts}]:
        raise UsageError(f"'{name}': its option '{twice[0]}' has the name of a flag of the command; call it otherwise")
    every = [*params, *own]
    every.sort(key=lambda p: bool(getattr(p, "group", "")))  # stable: what matters first comes first
    told = inspect.cleandoc(kind.__doc__ or "")
    return Grouped(name, params=every, callback=callback, help=told, epilog="\n".join(kind.usage))
