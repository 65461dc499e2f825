"""`datagen run`."""

from __future__ import annotations

import click


@click.command("run")
@click.argument("recipe", type=click.Path())
@click.argument("rows", nargs=-1, metavar="[ROWS]...")
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option(
    "--set", "changes", multiple=True, metavar="STEP.OPTION=VALUE", help="Change an option of the recipe; may repeat."
)
@click.option("--allow-wipeout", is_flag=True, help="Let a stage drop most of a source, language or tag.")
@click.option("--fresh", is_flag=True, help="Compute every step again (recorded model answers stay).")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
def command(
    recipe: str, rows: tuple[str, ...], out: str, changes: tuple[str, ...], allow_wipeout: bool, fresh: bool, as_json: bool
) -> int:
    """Run RECIPE (a YAML file, `quickstart` or `self_guided`); ROWS take the place of its input."""
    from pathlib import Path

    from datagen.cli import terminal
    from datagen.recipe import load

    return terminal.run(load(Path(recipe), changes, rows), out, fresh=fresh, as_json=as_json, allow_wipeout=allow_wipeout)
