"""A model tuned on rows by people and on those that a judge thought well of: the judge of the next round (Humpback)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from datagen import options as option_fields
from datagen.data.shards import fingerprint
from datagen.errors import DataError
from datagen.kinds.forward_model import ForwardModel
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry
from datagen.steps.training import fitted, template_text, told
from datagen.work import Run, Work, side_rows


def forward_model(run: Run, step: Step, folder: Path) -> Work:
    """Train a model on the seed rows and on the rows whose `judge_score` is high enough; every row stays."""
    options: ForwardModel = step.options
    data = run.datasets[-1]
    seeds = run.digest(f"{step.name}.seeds", [options.seeds]) if options.seeds else []
    beside = [seeds, *template_text(run, step)]
    mark = fingerprint(VERSION, option_fields.values(options), run.identity(options.model), *beside, run.tail, *options.changed)

    def work() -> dict[str, Any]:
        alive = np.flatnonzero(data.alive())
        scores = data.column("judge_score")
        if scores is None:
            raise DataError(f"step '{step.name}': its rows have no judge_score; put a judge before it")
        well = np.asarray(scores.to_numpy(zero_copy_only=False), np.float64)[alive] >= options.min_score
        rows = side_rows("seeds", options.seeds) if options.seeds else []
        run.check_unchanged(f"{step.name}.seeds")
        by_people = len(rows)
        rows = [*rows, *(row for row, good in zip(data.kept_rows(), well, strict=True) if good)]
        trained = fitted(run, step, rows, folder)
        notes = {"by_people": by_people, "scored_high": int(well.sum()), "left_out": len(trained.left_out), **told(trained)}
        return {**entry(step.name, option_fields.values(options), len(alive), {}), "notes": notes}

    return Work(mark, work)
