"""`datagen filter`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datagen.cli.run_flags import reads_rows
from datagen.cli.say import say

if TYPE_CHECKING:
    from datagen.recipe import Recipe


@click.command("filter")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("-o", "--out", metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option(
    "--stage", "stages", multiple=True, metavar="NAME[:OPTION=VALUE,...]", help="A stage; repeat it for the whole chain."
)
@click.option("--recipe", type=click.Path(), help="A recipe of stages only, instead of --stage.")
@click.option("--set", "changes", multiple=True, metavar="STAGE.OPTION=VALUE", help="Change one option; may repeat.")
@click.option("--against", metavar="RUN", help="An earlier run of the same stages: judge only new rows, as if both were one.")
@click.option("--target-size", type=click.IntRange(1, 2**31), metavar="N", help="Keep N rows in the end: adds balance:size=N.")
@click.option("--allow-wipeout", is_flag=True, help="Let a stage drop most of a source, language or tag.")
@click.option("--curve/--no-curve", default=None, help="Rows kept at other thresholds, in the report; on up to 20,000 rows.")
@click.option("--fresh", is_flag=True, help="Compute every stage again.")
@click.option("--dry-run", is_flag=True, help="Show the files, the first rows and the stages; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
@reads_rows
def command(
    inputs: tuple[str, ...], out: str | None, stages: tuple[str, ...], recipe: str | None, changes: tuple[str, ...],
    against: str | None, target_size: int | None, allow_wipeout: bool, curve: bool | None,
    fresh: bool, dry_run: bool, as_json: bool, **how: Any,
) -> int:  # fmt: skip
    """Curate INPUTs (files, folders, - or hf://...) by a chain of stages.

    Without INPUT, -o names an earlier run, whose recipe is taken: --set changes it, and scores are kept. Without --stage the
    chain is made for finished corpora, where a template shared by many rows is not a duplicate: rules, minhash, rouge.
    `datagen stages` lists the stages and their options.
    """
    import dataclasses
    from pathlib import Path

    from datagen.cli import terminal
    from datagen.errors import UsageError

    if not inputs and not stages and not recipe and out is not None and (Path(out) / "recipe.yaml").is_file():
        recipe = str(Path(out) / "recipe.yaml")
    chosen = _recipe(inputs, stages, recipe, changes, how, target_size)
    chosen = dataclasses.replace(chosen, against=against or chosen.against)
    if dry_run:
        return _plan(chosen, out)
    if out is None:
        raise UsageError("filter needs a folder for its result: -o OUT")
    return terminal.run(chosen, out, fresh=fresh, as_json=as_json, allow_wipeout=allow_wipeout, curve=curve)


def _recipe(
    inputs: tuple[str, ...], stages: tuple[str, ...], path: str | None, changes: tuple[str, ...], how: dict[str, Any],
    target_size: int | None,
) -> Recipe:  # fmt: skip
    """The chain that the options name, on the given inputs."""
    import dataclasses
    from pathlib import Path

    from datagen import recipe as recipes
    from datagen.api import DEFAULT_STAGES
    from datagen.errors import UsageError
    from datagen.options import split_stage, values
    from datagen.reading import reading
    from datagen.stage import Stage, find
    from datagen.teacher import Teacher

    if stages and path:
        raise UsageError("give --stage or --recipe, not both")
    if path:
        made = recipes.load(Path(path), changes, inputs=inputs)
        given = {name: value for name, value in how.items() if value is not None}
        made = dataclasses.replace(made, reading=reading({**values(made.reading), **given}))
        if target_size is not None:  # where the chain ends with balance, that one gets the size
            *before, last = made.steps
            options = values(last.options) if last.kind == "balance" else {}
            before = before if options else [*before, last]
            step = recipes.make_step("balance", {**options, "size": target_size}, [s.name for s in before])
            made = dataclasses.replace(made, steps=(*before, step))
    else:
        entries = [dict([split_stage(s)]) for s in stages] or list(DEFAULT_STAGES)
        if target_size is not None:
            entries.append({"balance": {"size": target_size}})
        for entry in entries:
            find(entry if isinstance(entry, str) else next(iter(entry)))
        if not inputs:
            raise UsageError("filter needs something to read: a file, a folder, - for standard input, or hf://datasets/...")
        made = recipes.make(recipes.changed(entries, changes), input=inputs, **how)
    others = [s for s in made.steps if not isinstance(s.options, Stage)]
    if others:
        way = "use datagen run for a recipe with other steps"
        if path and not inputs and (isinstance(others[0].options, Teacher) or others[0].options.documents):
            way = "to decide again, give the command that made them with the new value: what was asked is not asked again"
        raise UsageError(f"filter takes stages only, not '{others[0].name}'; {way}")
    return made


def _plan(recipe: Recipe, out: str | None) -> int:
    """Print what a run would do; raises as the run itself where a model, a benchmark or an option is missing."""
    import textwrap
    from itertools import islice
    from pathlib import Path

    from datagen.cli import endings
    from datagen.formats.read import files, read
    from datagen.formats.sources import is_pipe
    from datagen.options import shown, values
    from datagen.visible import in_a_line

    for path in recipe.input:
        once = path == "-" or is_pipe(path)
        found = [path] if once else files(path, split=recipe.reading.split)
        say(f"{path}: {len(found)} file{'s' * (len(found) != 1)}")
        if not once:
            for row in islice(read(path, needs_rows=True, **vars(recipe.reading)), 3):
                text = row.get("evidence") if "reason" in row else f"{row['instruction']} -> {row['output']}"
                say(f"  {row.get('reason', 'row')}: {in_a_line(str(text)[:400])[:66]}")
    for step in recipe.steps:
        step.options.identity()
        for other in (*(p for named in step.options.files.values() for p in named), *step.options.references):
            files(other, split="all")
        options = ", ".join(f"{k}={shown(v)}" for k, v in values(step.options).items())
        say(textwrap.fill(f"{step.name}: {options}" if options else step.name, 80, subsequent_indent="    "))
    if out is not None and (Path(out) / "run.json").is_file():
        say(f"{out} holds a finished run, which would be replaced where input or options differ")
    say("dry run: nothing was written")
    if out is not None:
        endings.then(*endings.without([], ["--dry-run"]))
    return 0
