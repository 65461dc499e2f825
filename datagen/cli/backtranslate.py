"""`datagen backtranslate`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, QUOTE, TEACH, options


@click.command("backtranslate")
@click.argument("documents", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--seed-rows", metavar="ROWS", help="Rows written by people: mixed in, tuned on, compared with.")
@click.option("--id-field", metavar="NAME", help="Of records. Default: id, url, ... else file and position.")
@click.option("--text-field", metavar="NAME", help="Of records. Default: text, content, ...")
@click.option("--min-words", type=int, help="Of a passage. Default 40.")
@click.option("--max-words", type=int, help="Of a passage. Default 350.")
@click.option("--fit", type=float, metavar="SHARE", help="Keep only this share of the pairs, the most alike by embedding.")
@click.option("--fit-model", metavar="NAME", help="The sentence-transformers model of --fit. Default minilm: English.")
@click.option("--min-score", type=float, help="Of the judge, 1 to 5, below which a row goes. Default 4.")
@click.option("--samples", type=int, metavar="K", help="Of the judge, where there are no probabilities. Default 1.")
@click.option("--judge-model", help="Who scores, and rewrites. Default: --model; smollm2 where that is a local one.")
@click.option("--judge-base-url", metavar="URL", help="Where the judge answers. Default: --base-url.")
@click.option("--judge-price-in", type=float, metavar="USD", help="Of the judge's model, per million input tokens.")
@click.option("--judge-price-out", type=float, metavar="USD", help="Of the judge's model, per million output tokens.")
@click.option(
    "--rounds", type=int, help="Rounds of self-curation; from the second a model tuned on the good rows judges. Default 1."
)
@click.option("--tune-model", help="Of later rounds: what is tuned. Default smollm2.")
@click.option("--tune-steps", type=int, help="Of later rounds: optimiser steps. Default: one epoch.")
@click.option("--rewrite", is_flag=True, help="Say each kept passage as an assistant would, grounded in it.")
@click.option("--no-tags", is_flag=True, help="No system lines that tell rows by people and made rows apart.")
@options(QUOTE, TEACH, MODEL, MONEY)
def command(documents: tuple[str, ...], out: str, **given: Any) -> int:
    """Make instruction rows of DOCUMENTS (text, Markdown, HTML, records): instruction backtranslation.

    They are cut into self-contained passages; the model (one of `datagen train --direction backward` is best) writes the
    instruction that each answers; with --fit the pairs that fit worst go; a judge scores the others. With --seed-rows the
    result is mixed with rows by people, each with its own system line and `source`.
    """
    from datagen.backtranslation import steps
    from datagen.cli import terminal
    from datagen.recipe import make

    fresh, as_json = given.pop("fresh"), given.pop("as_json")
    estimate, probes = given.pop("estimate"), given.pop("probes")
    if given.pop("split") or given.pop("encoding"):
        from datagen.errors import UsageError

        raise UsageError("backtranslate reads documents: name the files, and turn them into UTF-8 first (iconv -t utf-8)")
    mapping, roles = given.pop("mapping"), given.pop("roles")
    if mapping or roles:
        from datagen.errors import UsageError

        raise UsageError("backtranslate reads documents: --text-field and --id-field name their fields, not --map or --roles")
    recipe = make(steps(documents, {k: v for k, v in given.items() if v is not None}))
    if estimate:
        return terminal.estimate(recipe, out, probes, as_json=as_json)
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)
