"""Rows made by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datagen import assets
from datagen import options as option_fields
from datagen.dataset import Dataset, ingest
from datagen.recipe import Step
from datagen.shards import fingerprint
from datagen.steps.entry import VERSION, made
from datagen.work import Run


def self_instruct(run: Run, step: Step, folder: Path) -> None:
    """Make rows with a model; every answer goes through the run's journal."""
    from datagen.generate import self_instruct as generator
    from datagen.models.chat import is_local, opened
    from datagen.models.journal import Journal

    options = step.options
    seed_path = options.seeds or str(assets.seed_file(options.language))
    # Only what changes rows: not the address, not the number of requests in flight.
    matter = {k: v for k, v in option_fields.values(options).items() if k not in ("base_url", "concurrency", "seeds")}
    prompts = [assets.prompt(name, options.language) for name in generator.prompts(options)]
    weights = run.identity(options.model) if is_local(options.model) else options.model
    mark = fingerprint(VERSION, matter, prompts, weights, run.digest(f"{step.name}.seeds", [seed_path]))

    def work() -> dict[str, Any]:
        seeds = run.side_rows("seeds", seed_path)
        run.progress.step(step.name, options.n, "rows")
        journal = Journal(run.out / "journal.sqlite")
        try:
            with opened(options.model, options.base_url, journal) as chat:
                rows = generator.generate(seeds, chat, options, run.progress.at)
                ingest(folder, [("", rows)], step.name)
                requests = {"sent": chat.sent, "recorded": journal.counts()[1]}
        finally:
            journal.close()
        return {**made(step.name, option_fields.values(options), folder), "requests": requests}

    run.do(folder, mark, work)
    run.datasets.append(Dataset(folder, mark))
