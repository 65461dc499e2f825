"""`datagen answer`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options, teach


@click.command("answer")
@click.argument("rows", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--samples", type=int, metavar="K", help="Answers per row; all are in `candidates`, best first. Default 1.")
@click.option("--best", help="rule (same final answer as the row's own), agreement, judge or first. Default: auto.")
@click.option("--min-score", type=float, help="Of the best answer, below which a row goes as low_score.")
@click.option("--system", metavar="TEXT", help="A system message for rows without one.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(rows: tuple[str, ...], out: str, **given: Any) -> int:
    r"""Answer the prompts of ROWS with a model, turn by turn where they are conversations.

    The answer that a row had stays in `extra` as `reference`. With --samples K the best comes first: by the final answer where
    the row has a worked one (#### or \\boxed), else by agreement among the K (self-consistency; mean ROUGE-L without final
    answers). Each answer is in OUT/journal.sqlite before it is read; the same command again buys none twice.
    """
    return teach("answer", rows, out, given)
