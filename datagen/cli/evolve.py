"""`datagen evolve`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options, teach


@click.command("evolve")
@click.argument("rows", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--rounds", type=int, metavar="N", help="Each starts from what the one before made. Default 1.")
@click.option(
    "--operations", metavar="NAMES", help="constraints,deepen,concretize,reasoning,complicate_input,breadth. Default: all."
)
@click.option("--no-check-gain", is_flag=True, help="Do not ask whether a new task asks for more than the old one.")
@click.option("--answer-temperature", metavar="T", help="Of the answers to new tasks. Default 0.3.")
@click.option("--seed", type=int, help="Which operation a row gets. Default 17.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(rows: tuple[str, ...], out: str, no_check_gain: bool, **given: Any) -> int:
    """Evolve the tasks of ROWS (Evol-Instruct) and answer the new ones; ROWS stay beside them.

    An evolved task goes where it asks for nothing more (judged), shows words of the prompt, or cannot be answered; its round
    then counts for nothing, and the next starts from the old task. `parents` and `extra` hold the lineage: `datagen explain`.
    """
    return teach("evolve", rows, out, {**given, "check_gain": False if no_check_gain else None})
