"""`datagen train`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import RUN, Flag
from datagen.cli.flags import command as made
from datagen.cli.kinds import recipe_of
from datagen.cli.say import say, say_json, say_marked

if TYPE_CHECKING:
    from datagen.recipe import Recipe
    from datagen.training.options import TrainOptions


def _train(rows: str, out: str, *, fresh: bool, dry_run: bool, as_json: bool, **values: Any) -> int:
    from datagen.cli import terminal

    if int(os.environ.get("RANK", "0")) > 0:  # of torchrun: the first process reads, writes and tells
        from datagen.training.together import follow

        follow()
        return 0
    try:
        recipe = recipe_of((rows,), values, lambda own: [{"train": own}])
        if dry_run:
            return _look(recipe, as_json=as_json)
        return terminal.run(recipe, out, fresh=fresh, as_json=as_json)
    finally:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from datagen.training.together import dismiss

            dismiss()


def _command() -> click.Command:
    from datagen.kinds.train import Train

    dry = "Say what can be trained on, what it costs, and show the first text; write nothing."
    params = [
        click.Argument(["rows"]), run_flags.out(), *run_flags.reading(),
        *run_flags.again("Train from the start, not from a checkpoint."),
        Flag(["--dry-run"], is_flag=True, group=RUN, help=dry),
    ]  # fmt: skip
    return made("train", Train, params, _train, leave=("fresh",))


def _look(recipe: Recipe, *, as_json: bool) -> int:
    """Print what a run would train on; nothing is written."""
    import dataclasses
    import textwrap

    from datagen.cli.unreadable import Unreadable
    from datagen.formats import splits
    from datagen.formats.read import read
    from datagen.training import presets
    from datagen.training.dry_run import look
    from datagen.training.options import trainer_options
    from datagen.work import side_rows

    options = recipe.steps[0].options
    rows = read(recipe.input[0], answers=options.needs_answers, needs_rows=True, **vars(recipe.reading))
    lost = Unreadable()
    settings = trainer_options(options)
    eval_rows = side_rows("eval", options.eval, splits.ONE) if options.eval else None
    found = look(lost.noted(rows), settings, eval_rows)
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
    for line in (_settings(settings), found.forecast.words()):
        say(textwrap.fill(line, 80, subsequent_indent=" " * 4))
    if settings.preset:
        say(textwrap.fill(presets.told(settings.preset), 80, subsequent_indent=" " * 4))
    if found.too_long:
        say("over 5 % of the rows are too long: a run needs --overflow, or a larger --max-length")
    say("\nthe first text, what is taught in ⟦ ⟧:\n")
    say_marked(found.first)
    say()
    say("dry run: nothing was written")
    return 0


def _settings(options: TrainOptions) -> str:
    """Return what a run would do with the rows."""
    return (
        f"--method {options.method} --objective {options.objective}: steps of up to {options.batch_size} rows, lr"
        f" {options.peak_lr:g} {options.schedule}, texts of {options.longest:,} tokens at most"
    )


command = _command()
