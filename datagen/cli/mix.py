"""`datagen mix`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.input_options import input_options


@click.command("mix")
@click.argument("sources", nargs=-1, metavar="NAME=PATH...")
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--method", help="proportional (default), temperature, equal or weights.")
@click.option("--temperature", type=float, help="T of the method temperature: share ~ rows ** (1/T). Default 2.")
@click.option("--cap", type=int, metavar="K", help="A source larger than K rows counts as K.")
@click.option("--rows", type=int, metavar="N", help="Rows of the mixture, repeats counted. Default: as many as there are.")
@click.option("--weights", metavar="A=1,B=0.5", help="Weights of the sources; means --method weights.")
@click.option("--grid", is_flag=True, help="Search the mixture: train a small proxy on each combination of levels.")
@click.option("--levels", metavar="1,1/2,1/4", help="Grid: shares of a source's own rows. Default 1,1/2,1/4.")
@click.option(
    "--eval", "evaluated", metavar="ROWS", help="Grid: rows to measure the loss on. Default: held out of each source."
)
@click.option("--steps", type=int, help="Grid: optimiser steps of each proxy. Default 30.")
@click.option("--model", help="Grid: base model of the proxies. Default smollm2.")
@click.option("--max-proxies", type=int, help="Grid: the most mixtures that are trained without asking. Default 24.")
@click.option("--seed", type=int, help="Which rows are taken. Default 17.")
@click.option("--map", "mapping", metavar="OURS=THEIRS,...", help="Field names, such as instruction=question,output=answer.")
@click.option("--roles", metavar="THEIRS=OURS,...", help="Names of roles, such as agent=assistant.")
@click.option("--fresh", is_flag=True, help="Compute everything again.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
@input_options
def command(
    sources: tuple[str, ...], out: str, mapping: str | None, roles: str | None, split: str | None, encoding: str | None,
    fresh: bool, as_json: bool, evaluated: str | None, weights: str | None, levels: str | None, **options: Any,
) -> int:  # fmt: skip
    """Mix sources NAME=PATH (repeat a NAME for more paths) by T5's rules, or by a grid of proxies.

    A source asked for more rows than it has repeats evenly, and the number of epochs is said. A larger --rows contains the
    smaller. Duplicates are dropped within a source only.
    """
    from datagen.cli import terminal
    from datagen.errors import UsageError
    from datagen.recipe import make

    named: dict[str, list[str]] = {}
    for source in sources:
        name, equals, path = source.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"'{source}' is not NAME=PATH, such as mine=rows.jsonl")
        named.setdefault(name, []).append(path)
    given = {k: v for k, v in options.items() if v is not None}
    if weights:
        given = {"method": "weights", **given, "weights": terminal.pairs(weights, "--weights")}
    if "temperature" in given:
        given.setdefault("method", "temperature")
    alone = [f"--{k.replace('_', '-')}" for k in ("steps", "model", "max_proxies") if k in given]
    alone += ["--levels"] if levels else []
    alone += ["--eval"] if evaluated else []
    if alone and not given["grid"]:
        raise UsageError(f"{alone[0]} goes with --grid only")
    if levels:
        given["levels"] = levels.split(",")
    if evaluated:
        given["eval"] = evaluated
    recipe = make(
        [{"mix": {"sources": named, **given}}],
        mapping=terminal.pairs(mapping, "--map"),
        roles=terminal.pairs(roles, "--roles"),
        split=split,
        encoding=encoding or "",
    )
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)
