"""`datagen judge`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options, run_steps


@click.command("judge")
@click.argument("rows", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--rubric", metavar="FILE", help="What each score stands for, in words; default: that of the prompt.")
@click.option("--prompt", help="judge (default), self_curation, or one of your own in --prompts.")
@click.option("--low", type=int, help="Lowest score. Default 1.")
@click.option("--high", type=int, help="Highest score. Default 5.")
@click.option(
    "--samples", type=int, metavar="K", help="Answers whose mean counts, where there are no probabilities. Default 1."
)
@click.option("--probabilities", help="auto (default), on or off: read the score from the probabilities of its token.")
@click.option("--pairs", is_flag=True, default=None, help="Which of the first two candidates is better, in both orders.")
@click.option("--min-score", type=float, help="Drop rows below it. Default: drop nothing.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(rows: tuple[str, ...], out: str, **given: Any) -> int:
    """Score ROWS by a rubric with a model: columns judge_score, judge_reason, judge_error.

    Nothing is dropped without --min-score, and a row that got no score is never taken for a bad one. The scores are kept:
    `datagen filter -o OUT --set judge.min_score=4` decides again without asking.
    """
    if (given["samples"] or 1) > 1 and given["temperature"] is None:
        given["temperature"] = 0.7  # of several samples, which at 0 would all be the same
    return run_steps(rows, out, given, lambda own: [{"judge": own}])
