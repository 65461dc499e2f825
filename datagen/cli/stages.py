"""`datagen stages`."""

from __future__ import annotations

from typing import Any

import click


@click.command("stages")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(as_json: bool) -> int:
    """List the curation stages, their options with defaults, and the reasons they drop rows for."""
    import json

    from datagen import stage
    from datagen.options import choices

    found: list[dict[str, Any]] = []
    for name in stage.names():
        cls = stage.find(name)
        line, options = stage.described(cls)
        found.append(
            {"name": name, "does": line, "options": dict(options), "choices": choices(cls), "reasons": sorted(cls.reasons)}
        )
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return 0
    for entry in found:
        click.echo(f"{entry['name']}\n  {entry['does']}")
        if entry["options"]:
            click.echo("  options: " + ", ".join(f"{k}={'off' if v is None else v}" for k, v in entry["options"].items()))
        for option, values in entry["choices"].items():
            click.echo(f"    {option}: {', '.join(map(str, values))}")
        click.echo(f"  reasons: {', '.join([*entry['reasons'], 'error'])}")
    return 0
