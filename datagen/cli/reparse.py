"""`datagen reparse`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("reparse")
@click.argument("out", metavar="OUT")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
def command(out: str, as_json: bool) -> int:
    """Make the rows of a run folder again from its recorded answers; ask no model and buy nothing.

    After another version of datagen reads completions better, this gives the rows that it would have made.
    """
    from datagen.cli import terminal
    from datagen.errors import DataError
    from datagen.recipe import load

    if not (path := Path(out, "recipe.yaml")).is_file() or not Path(out, "journal.sqlite").is_file():
        raise DataError(f"{out} is not the folder of a generator's run: it has no recipe.yaml and journal.sqlite")
    return terminal.run(load(path), out, fresh=True, offline=True, as_json=as_json)
