"""`datagen translate`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options, teach


@click.command("translate")
@click.argument("rows", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--to", required=True, metavar="LANGUAGES", help="Such as zh,th: a row in each beside every row.")
@click.option("--mixed", is_flag=True, default=None, help="Also rows whose task and answer are in two languages.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(rows: tuple[str, ...], out: str, **given: Any) -> int:
    """Add the same tasks and answers in other languages to ROWS, for cross-lingual training.

    Code, formulas and addresses are not shown to the model and come back as they are. A translation that loses or adds a
    number, or is in another language, is asked for once more, then dropped with its reason. `parents` name the row that it
    is of.
    """
    return teach("translate", rows, out, given)
