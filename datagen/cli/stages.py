"""`datagen stages`."""

from __future__ import annotations

from typing import Any

import click

WIDTH = 80


@click.command("stages")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(name: str | None, as_json: bool) -> int:
    """List the curation stages, their options with defaults and the reasons they drop rows for; of NAME, all that it says."""
    import json

    from datagen import stage
    from datagen.options import choices, explained

    found: list[dict[str, Any]] = []
    for each in [name] if name else stage.names():
        cls = stage.find(each)
        line, options = stage.described(cls)
        found.append(
            {
                "name": each, "does": line, "options": dict(options), "meaning": explained(cls), "choices": choices(cls),
                "reasons": sorted(cls.reasons),
            }
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif name:
        _all_of(stage.find(name), found[0])
    else:
        for entry in found:
            _short(entry)
        click.echo("datagen stages NAME says what each option means")
    return 0


def _short(entry: dict[str, Any]) -> None:
    """Print a stage in a few lines."""
    from datagen.options import shown

    click.echo(f"{entry['name']}\n  {entry['does']}")
    if entry["options"]:
        click.echo("  options: " + ", ".join(f"{k}={shown(v)}" for k, v in entry["options"].items()))
    for option, values in entry["choices"].items():
        click.echo(f"    {option}: {', '.join(map(str, values))}")
    click.echo(f"  reasons: {', '.join([*entry['reasons'], 'error'])}")


def _all_of(cls: type[Any], entry: dict[str, Any]) -> None:
    """Print all that a stage says of itself, within 80 columns."""
    import inspect
    import textwrap

    from datagen.options import shown

    for paragraph in inspect.cleandoc(cls.__doc__ or "").split("\n\n"):
        click.echo(textwrap.fill(" ".join(paragraph.split()), WIDTH) + "\n")
    for option, default in entry["options"].items():
        values = ", ".join(map(str, entry["choices"].get(option, ())))
        about = "; ".join(part for part in (entry["meaning"].get(option, ""), values and f"one of {values}") if part)
        click.echo(f"  {option}={shown(default)}")
        if about:
            click.echo(textwrap.fill(about, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))
    click.echo(textwrap.fill(f"reasons: {', '.join([*entry['reasons'], 'error'])}", WIDTH, subsequent_indent="  "))
