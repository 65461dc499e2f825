"""`datagen backtranslate`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import MODEL, MONEY, TEACH, options

SHARED = ("model", "base_url", "concurrency", "rpm", "tpm", "timeout_s", "budget_usd", "max_requests", "price_in", "price_out")
SHARED_TOO = ("retry_failed", "prompts", "language", "extra_body", "via")


@click.command("backtranslate")
@click.argument("documents", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--seed-rows", metavar="ROWS", help="Rows written by people: mixed in, tuned on, compared with.")
@click.option("--id-field", metavar="NAME", help="Of records. Default: id, url, ... else file and position.")
@click.option("--text-field", metavar="NAME", help="Of records. Default: text, content, ...")
@click.option("--min-words", type=int, help="Of a passage. Default 40.")
@click.option("--max-words", type=int, help="Of a passage. Default 350.")
@click.option("--min-score", type=float, help="Of the judge, 1 to 5, below which a row goes. Default 4.")
@click.option("--samples", type=int, metavar="K", help="Of the judge, where there are no probabilities. Default 1.")
@click.option("--judge-model", help="Who scores. Default: --model.")
@click.option("--judge-base-url", metavar="URL", help="Where the judge answers. Default: --base-url.")
@click.option(
    "--rounds", type=int, help="Rounds of self-curation; from the second a model tuned on the good rows judges. Default 1."
)
@click.option("--tune-model", help="Of later rounds: what is tuned. Default smollm2.")
@click.option("--tune-steps", type=int, help="Of later rounds: optimiser steps. Default: one epoch.")
@click.option("--rewrite", is_flag=True, help="Say each kept passage as an assistant would, grounded in it.")
@click.option("--no-tags", is_flag=True, help="No system lines that tell rows by people and made rows apart.")
@options(TEACH, MODEL, MONEY)
def command(documents: tuple[str, ...], out: str, **given: Any) -> int:
    """Make instruction rows of DOCUMENTS (text, Markdown, HTML, records): instruction backtranslation.

    They are cut into self-contained passages; the model (one of `datagen train --direction backward` is best) writes the
    instruction that each answers; a judge scores the pair. With --seed-rows the result is mixed with rows by people, each
    with its own system line and `source`.
    """
    from datagen.cli import terminal
    from datagen.recipe import make

    fresh, as_json = given.pop("fresh"), given.pop("as_json")
    if given.pop("mapping"):
        from datagen.errors import UsageError

        raise UsageError("backtranslate reads documents: --text-field and --id-field name their fields, not --map")
    recipe = make(steps(documents, {k: v for k, v in given.items() if v is not None}))
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)


def steps(documents: tuple[str, ...], given: dict[str, Any]) -> list[Any]:
    """Return the steps of a backtranslation as a recipe holds them."""
    from datagen.teach.backtranslate import TAGS

    def part(**names: str) -> dict[str, Any]:
        return {ours: given[theirs] for ours, theirs in names.items() if theirs in given}

    model = {name: given[name] for name in (*SHARED, *SHARED_TOO) if name in given}
    sampling = part(temperature="temperature", top_p="top_p", max_output_tokens="max_output_tokens", seed_rows="seed_rows")
    judge = {**model, **part(samples="samples", model="judge_model", base_url="judge_base_url"), "prompt": "self_curation"}
    if "judge_model" in given and "judge_base_url" not in given and "base_url" in judge:
        from datagen.models.options import is_local

        judge |= {"base_url": None} if is_local(given["judge_model"]) else {}
    if judge.get("samples", 1) > 1:
        judge["temperature"] = given.get("temperature", 0.7)
    score = given.get("min_score", 4.0)
    cut = {
        "documents": list(documents),
        **part(id_field="id_field", text_field="text_field", min_words="min_words", max_words="max_words", limit="limit"),
    }
    found: list[Any] = [{"passages": cut}, {"backtranslate": {**model, **sampling}}]
    for turn in range(1, given.get("rounds", 1)):
        tuned = {**part(seeds="seed_rows", model="tune_model", steps="tune_steps"), "min_score": score}
        found += [{"judge": judge}, {"forward_model": tuned}]
        judge = {"model": "forward_model" if turn == 1 else f"forward_model_{turn}", "prompt": "self_curation"}
        judge |= part(prompts="prompts")
    found.append({"judge": {**judge, "min_score": score}})
    if given.get("rewrite"):
        found.append({"rewrite": {**model, **part(max_output_tokens="max_output_tokens"), "how": "grounded"}})
    if "seed_rows" in given:
        language = given.get("language", "en")
        real, pseudo = TAGS["en" if language == "auto" else language]
        last = "rewrite" if given.get("rewrite") else "judge" if given.get("rounds", 1) == 1 else f"judge_{given['rounds']}"
        mixed: dict[str, Any] = {"sources": {"seed_rows": given["seed_rows"], "backtranslated": {"from": last}}}
        if not given.get("no_tags"):
            mixed["systems"] = {"seed_rows": real, "backtranslated": pseudo}
        found.append({"mix": mixed})
    return found
