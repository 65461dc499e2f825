"""`datagen train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datagen.cli.input_options import input_options
from datagen.cli.say import say, say_json

if TYPE_CHECKING:
    from datagen.recipe import Recipe


@click.command("train")
@click.argument("rows")
@click.option(
    "-o", "--out", required=True, metavar="OUT", help="Run folder; OUT/adapter or OUT/model, metrics.jsonl, run.json."
)
@click.option("--model", help="smollm2 (default), a local folder or a Hub id.")
@click.option("--direction", help="forward (default), or backward: learn the task from the answer, for backtranslate.")
@click.option("--method", help="lora (default) or full.")
@click.option("--steps", type=int, help="Optimiser steps; default: as many as --epochs gives.")
@click.option("--epochs", type=float, help="Passes over the rows. Default 1.")
@click.option("--lr", type=float, help="Peak learning rate. Default 2e-4 for lora, 2e-5 for full.")
@click.option("--batch-size", type=int, help="Rows per optimiser step. Default 16.")
@click.option("--max-length", type=int, help="Tokens; longer rows are left out and reported. Default 1024.")
@click.option("--reasoning", help="keep (default): taught with every answer that has some; last: with the last only; drop.")
@click.option("--chat-template", metavar="FILE|NAME", help="Instead of the tokenizer's own; chatml is known by name.")
@click.option("--chat-template-kwargs", metavar="JSON", help='Values for the template, such as {"enable_thinking": false}.')
@click.option("--date", metavar="YYYY-MM-DD", help="What templates take for today. Default: the day the run began.")
@click.option("--control-tokens", help="In a row's text: drop (default) leaves the row out, escape shows them escaped.")
@click.option("--lora-r", type=int, help="Rank of the LoRA matrices. Default 16.")
@click.option("--lora-alpha", type=int, help="LoRA updates are scaled by alpha / r. Default 32.")
@click.option("--device", help="auto (default), cpu, cuda, cuda:N or mps.")
@click.option("--dtype", help="auto (default), float32 or bfloat16.")
@click.option("--eval", "eval_", metavar="ROWS", help="Rows to measure the loss on before and after.")
@click.option("--seed", type=int, help="Of the order of the rows and the first LoRA matrices. Default 17.")
@click.option("--map", "mapping", metavar="OURS=THEIRS,...", help="Field names, such as instruction=question,output=answer.")
@click.option("--roles", metavar="THEIRS=OURS,...", help="Names of roles, such as agent=assistant.")
@click.option("--fresh", is_flag=True, help="Train from the start, not from a checkpoint.")
@click.option("--dry-run", is_flag=True, help="Say what can be trained on and show the first text; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
@input_options
def command(
    rows: str,
    out: str,
    mapping: str | None,
    roles: str | None,
    split: str | None,
    encoding: str | None,
    eval_: str | None,
    fresh: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Fine-tune a model on ROWS (a result folder, or anything that can be read); labels on answers only."""
    from datagen.cli import terminal
    from datagen.recipe import make

    given = {k: v for k, v in {**options, "eval": eval_}.items() if v is not None}
    recipe = make(
        [{"train": given}],
        input=(rows,),
        mapping=terminal.pairs(mapping, "--map"),
        roles=terminal.pairs(roles, "--roles"),
        split=split,
        encoding=encoding or "",
    )
    if dry_run:
        return _look(recipe, as_json=as_json)
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)


def _look(recipe: Recipe, *, as_json: bool) -> int:
    """Print what a run would train on; nothing is written."""
    import dataclasses
    import textwrap

    from datagen.cli.unreadable import Unreadable
    from datagen.formats.read import read
    from datagen.train.dry_run import look
    from datagen.train.options import trainer_options

    rows = read(
        recipe.input[0],
        mapping=recipe.mapping,
        roles=recipe.roles,
        split=recipe.split,
        encoding=recipe.encoding,
        answers="needed",
        needs_rows=True,
    )
    lost = Unreadable()
    found = look(lost.noted(rows), trainer_options(recipe.steps[0].options))
    lost.say()
    if as_json:
        say_json(dataclasses.asdict(found))
        return 0
    texts = "" if found.texts == found.used else f" as {found.texts:,} texts"
    counts = f"{found.tokens:,} tokens, {found.label_tokens:,} of them taught"
    say(f"{found.rows:,} rows: {found.used:,} can be trained on{texts}, {counts}")
    for what, kinds in (("left out", found.left_out), ("not taught", found.untaught)):
        if kinds:
            told = ", ".join(f"{name} {n:,}" for name, n in kinds.items())
            say(textwrap.fill(f"{what}: {told}", 80, subsequent_indent=" " * 4))
    say(f"\nthe first text, what is taught in ⟦ ⟧:\n\n{found.first}\n")
    say("dry run: nothing was written")
    return 0
