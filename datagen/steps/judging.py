"""A curation stage: scores shard by shard, one decision over all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from datagen import options as option_fields
from datagen import stage as stages
from datagen.dataset import Dataset, Layer, read_column, reason_counts, write_scores
from datagen.recipe import Step
from datagen.shards import fingerprint, read_json, shard_paths, write_json
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.work import Run


def judge(run: Run, step: Step, folder: Path) -> None:
    """Score every row, decide on those that are left, and add the verdict as a layer."""
    stage, data, ctx = step.options, run.datasets[-1], stages.Context()
    score_mark = fingerprint(VERSION, step.kind, stage.version, stage.score_options(), data.fingerprint)
    mark = fingerprint(score_mark, option_fields.values(stage), run.tail)
    scores = folder / "scores"

    def work() -> dict[str, Any]:
        if run.fresh or (read_json(scores / "_mark.json") or {}).get("fingerprint") != score_mark:
            _clear(scores)
            write_json(scores / "_mark.json", {"fingerprint": score_mark})
        _score(run, step, data, scores)
        alive = data.alive()
        rows_in = int(alive.sum())
        dropped = stages.apply(stage, read_column(scores), alive, ctx)
        write_verdict(folder, dropped)
        return entry(step.name, option_fields.values(stage), rows_in, reason_counts([dropped]))

    run.do(folder, mark, work)
    added = tuple((name, scores) for name in stage.adds)
    data.layers.append(Layer(step.name, pq.read_table(folder / "verdict.parquet"), columns=added))


def _score(run: Run, step: Step, data: Dataset, scores: Path) -> None:
    """Score the shards that have no scores yet."""
    missing = [
        (step.options, str(p), str(scores / f"{p.stem}.arrow"))
        for p in shard_paths(data.rows) if not (scores / f"{p.stem}.arrow").exists()
    ]  # fmt: skip
    run.progress.step(step.name, len(data.ids), "rows")
    done = 0
    for n in run.engine.map(score_shard, missing):
        done += n
        run.progress.at(done)


def score_shard(task: tuple[stages.Stage, str, str]) -> int:
    """Score one shard into one Arrow file; return its number of rows. Runs in a process of the engine."""
    stage, source, target = task
    rows = pq.read_table(source)
    write_scores(Path(target), stages.scored(stage, rows, stages.Context()))
    return len(rows)


def _clear(folder: Path) -> None:

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
