"""`datagen stages`."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from datagen.cli.say import say, say_json

WIDTH = 80


@click.command("stages")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(name: str | None, as_json: bool) -> int:
    """List the curation stages with their options and reasons; of NAME, a stage or another kind of step, all that it says."""
    from datagen import stage
    from datagen.options import listed
    from datagen.step import Kind, find, names, summary

    found: list[dict[str, Any]] = []
    name = name and name.replace("-", "_")  # as its command is called
    for each in [name] if name else stage.names():
        cls = find(each, Kind)
        options = listed(cls)
        found.append(
            {
                "name": each, "does": summary(cls), "options": {o.name: o.default for o in options},
                "meaning": {o.name: o.meaning for o in options if o.meaning},
                "choices": {o.name: o.choices for o in options if o.choices}, "reasons": _reasons_of(cls, each),
            }
        )  # fmt: skip
    if as_json:
        say_json(found)
    elif name:
        _all_of(cls, found[0])
    else:
        for entry in found:
            _short(entry)
        say("datagen stages NAME says what each option means, and of the other kinds of step too:")
        say(textwrap.fill(", ".join(names("datagen.kinds")), WIDTH, initial_indent="  ", subsequent_indent="  "))
    return 0


def _reasons_of(cls: type[Any], name: str) -> list[str]:
    """Return the reasons for which a kind drops rows, but that it failed."""
    from datagen.generator import Generator
    from datagen.reasons import EVERY, GENERATORS, REASONS, TEACHERS
    from datagen.stage import Stage
    from datagen.teacher import Teacher

    if issubclass(cls, Stage):
        return sorted(cls.reasons)
    family = GENERATORS if issubclass(cls, Generator) else TEACHERS if issubclass(cls, Teacher) else EVERY
    return sorted(n for n, reason in REASONS.items() if n != "error" and {name, family} & reason.stays.keys())


def _short(entry: dict[str, Any]) -> None:
    """Print a stage in a few lines."""
    from datagen.options import shown

    say(f"{entry['name']}\n  {entry['does']}")
    if entry["options"]:
        say("  options: " + ", ".join(f"{k}={shown(v)}" for k, v in entry["options"].items()))
    for option, values in entry["choices"].items():
        say(f"    {option}: {', '.join(map(str, values))}")
    say(f"  reasons: {', '.join([*entry['reasons'], 'error'])}")


def _all_of(cls: type[Any], entry: dict[str, Any]) -> None:
    """Print all that a stage says of itself, within 80 columns."""
    import inspect

    from datagen.options import shown

    for paragraph in inspect.cleandoc(cls.__doc__ or "").split("\n\n"):
        say(textwrap.fill(" ".join(paragraph.split()), WIDTH) + "\n")
    for option, default in entry["options"].items():
        values = ", ".join(map(str, entry["choices"].get(option, ())))
        about = "; ".join(part for part in (entry["meaning"].get(option, ""), values and f"one of {values}") if part)
        say(f"  {option}={shown(default)}")
        if about:
            say(textwrap.fill(about, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))
    say(textwrap.fill(f"reasons: {', '.join([*entry['reasons'], 'error'])}", WIDTH, subsequent_indent="  "))
