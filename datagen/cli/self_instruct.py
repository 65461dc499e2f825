"""`datagen self-instruct`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import GENERATOR, MODEL, MONEY, RUN, execute, options


@click.command("self-instruct")
@click.option("-n", "n", type=int, required=True, metavar="N", help="Rows to keep.")
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--method", help="alpaca, original or one; default: one for a local model, alpaca for an endpoint.")
@click.option("--examples", type=int, help="Human tasks shown per prompt. Default 3, original 6.")
@click.option("--machine-examples", type=int, help="Tasks of this run shown per prompt. Default 0, original 2.")
@click.option("--tasks", type=int, help="Tasks asked for per prompt. Default 5, original 8.")
@click.option("--max-instances", type=int, help="Rows that one task may become (original). Default 5.")
@options(GENERATOR, MODEL, MONEY, RUN)
def command(out: str, estimate: bool, probes: int, fresh: bool, as_json: bool, **given: Any) -> int:
    """Make exactly N new rows from seed tasks with a model.

    alpaca: several tasks with their answers per completion. original: tasks, then whether each is a classification, then its
    instances. one: a single task, then its answer. Every answer is on disk in OUT/journal.sqlite before it is read; the same
    command again buys none of them twice. A cap is passed only where the endpoint bills more than it was asked for: that ends
    the run with exit code 5, and what is in flight then is still paid.
    """
    return execute("self_instruct", out, given, estimate=estimate, probes=probes, fresh=fresh, as_json=as_json)
