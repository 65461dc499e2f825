"""`datagen rewrite`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options, teach


@click.command("rewrite")
@click.argument("rows", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--how", help="better (default), grounded, chain_of_thought, step_back or turns.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(rows: tuple[str, ...], out: str, **given: Any) -> int:
    """Write the answers of ROWS anew, grounded in those that they have.

    better: corrected, completed, ordered. grounded: a found text as an assistant would say it; one with a new number goes.
    chain_of_thought, step_back: with its reasoning, or the principle first; one that ends in another final answer goes. turns:
    answers of a conversation that repeat an earlier one. The old answer stays in `extra` as `reference`.
    """
    return teach("rewrite", rows, out, given)
