"""Rows made by a model."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen import assets
from datagen import options as option_fields
from datagen.data.dataset import ingest
from datagen.data.rows import Row
from datagen.data.shards import fingerprint
from datagen.errors import BudgetError
from datagen.recipe import Step
from datagen.steps.entry import VERSION, made
from datagen.steps.model import chat_of, prompt_files, spent
from datagen.work import Run, Work, side_rows

if TYPE_CHECKING:
    from datagen.generate.loop import Loop


MOST_READ = 5_000  # rows whose verbs and nouns are looked up


def generate(run: Run, step: Step, folder: Path) -> Work:
    """Make rows with a model; every answer goes through the run's journal."""
    from datagen.chat.options import TRAVEL
    from datagen.generate import generation
    from datagen.models.names import is_local

    options = step.options
    # What changes neither a request nor what is made of its answer is no part of the fingerprint.
    matter = {k: v for k, v in option_fields.values(options).items() if k not in (*TRAVEL, "seeds", "topics")}
    weights = run.identity(options.model) if is_local(options.model) else options.model
    run.watch(f"{step.name}.prompts", prompt_files(options))
    sides = {name: run.digest(f"{step.name}.{name}", [path]) for name, path in _files(step).items()}
    mark = fingerprint(VERSION, matter, generation.prompts(options), weights, sides, options.looks_back, *options.changed)

    def work() -> dict[str, Any]:
        run.progress.step(f"{step.name}: model", None, "rows")  # which starts here, where it is a local one
        return {**_generated(run, step, folder), "options": option_fields.values(options)}

    return Work(mark, work, rows=True)


def _files(step: Step) -> dict[str, str]:
    """The files beside its options that a generator's rows depend on, by role."""
    topics = step.options.topics
    named = {
        "seeds": step.options.seed_file,
        "topics": str(assets.topics_file(step.options.language)) if topics == "default" else topics,
    }
    return {name: path for name, path in named.items() if path}


def diversity_of(folder: Path, seeds: Sequence[Row], language: str) -> dict[str, Any]:
    """Count the verbs and nouns of the kept rows against those of seeds; of many rows some, evenly spread."""
    from datagen.data.shards import read_all
    from datagen.report.diversity import diversity

    kept = read_all(folder / "rows", ["instruction"]).column("instruction").to_pylist()
    some = -(-len(kept) // MOST_READ)
    return {**diversity([row["instruction"] for row in seeds], kept[:: max(1, some)], language), "of": len(kept)}


def _generated(run: Run, step: Step, folder: Path) -> dict[str, Any]:
    """Make and write the rows; return the step's entry."""
    from datagen.generate import generation

    seeds = seed_rows(run, step)
    with ready(run, step, seeds) as loop:
        run.progress.step(step.name, step.options.n, "rows")
        with contextlib.closing(_watched(loop, run)) as rows:  # before the journal is
            ingest(folder, [("", rows)], step.name)
        found = generation.account(loop)
    entry = made(step.name, {}, folder)
    if (stopped := loop.funnel.stopped) is not None and not entry["rows_in"]:
        bought = found["requests"]["recorded"]
        saved = f"; answers in the journal: {bought:,}, but no task has all of its own yet" if bought else ""
        raise type(stopped)(f"{stopped}{saved if stopped.exit_code == BudgetError.exit_code else ''}")
    run.progress.step(f"{step.name}: diversity", None, "rows")
    return {**entry, **found, "diversity": diversity_of(folder, seeds, step.options.language)}


def seed_rows(run: Run, step: Step) -> list[Row]:
    """Return the seed tasks of a generator's step as rows."""
    path = step.options.seed_file
    return side_rows("seeds", path) if path else []


@contextlib.contextmanager
def ready(run: Run, step: Step, seeds: Sequence[Row], requests: int | None = None) -> Iterator[Loop]:
    """Open the journal and the model of a generator's step and give its loop; `requests` ends it after so many."""
    from datagen.generate import generation

    with chat_of(run, step) as chat:
        loop = generation.loop(step.options, seeds, chat, requests)
        for role in ("seeds", "topics", "prompts"):
            run.check_unchanged(f"{step.name}.{role}")
        yield loop


def _watched(loop: Loop, run: Run) -> Generator[Row, None, None]:
    """Yield the rows of a loop and tell the progress what came of them."""
    with contextlib.closing(loop.rows()) as rows:
        for row in rows:
            run.progress.at(loop.funnel.kept, f"{spent(loop.chat, loop.funnel.kept)}{loop.funnel.note()}")
            yield row
