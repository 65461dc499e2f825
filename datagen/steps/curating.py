"""A curation stage: scores shard by shard, one decision over all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen import folders
from datagen import options as option_fields
from datagen import stage as stages
from datagen.chat.options import ModelOptions
from datagen.data.dataset import Dataset, placed, read_column, reason_counts, write_columns, write_scores
from datagen.data.rows import ROW
from datagen.data.shards import ShardWriter, fingerprint, read_all, read_arrow, read_json, read_table, shard_paths, write_json
from datagen.formats import splits
from datagen.recipe import Step
from datagen.stage import ERROR, Applied, Context, Reference, Stage
from datagen.steps import scores_by_id, wipeout
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.steps.model import prompt_files
from datagen.work import Run, Work, side_rows

CURVE_ROWS = 20_000  # so many rows get their retention curves unasked: they take seconds


def curate(run: Run, step: Step, folder: Path) -> Work:
    """Score every row, decide on those that are left, and add the verdict as a layer."""
    stage, data, able = step.options, run.datasets[-1], _with_its_model(run, step)
    ctx = Context(folder=run.out, offline=run.offline, say=run.progress.say)
    run.watch(f"{step.name}.prompts", prompt_files(stage))
    again = []
    if isinstance(stage, ModelOptions) and stage.retry_failed:  # whose modules are not for all others to load
        from datagen.chat.recorded import asked_again

        again = [asked_again(stage, run.out)]
    known = fingerprint(VERSION, step.kind, stage.version, stage.score_options(), _sides(run, step), able.identity(), *again)
    overlaid = data.columns_of(stage.reads)
    score_mark = fingerprint(known, data.fingerprint, run.tail if overlaid else "")
    others = run.digest(f"{step.name}.against", list(stage.references), splits.ALL) if stage.references else []
    mark = fingerprint(score_mark, option_fields.values(stage), others, run.tail, *([run.curve] if run.curve else []))
    scores = folder / "scores"

    def work() -> dict[str, Any]:
        by_id = stage.parallel == "device"  # a model reads only what is left, and no row twice
        kept_by = known if by_id else score_mark
        if run.fresh or (read_json(scores / "_mark.json") or {}).get("fingerprint") != kept_by:
            _clear(scores)
            if by_id and not run.fresh:
                _adopt(run, step, kept_by, scores)
            write_json(scores / "_mark.json", {"fingerprint": kept_by, "version": stage.version})
        alive = data.alive()
        before = alive.copy()
        if by_id:
            columns = scores_by_id.scored(run, replace(step, options=able), data, before, scores, ctx)
        else:
            _score(run, step, data, scores, overlaid)
            columns = read_column(scores)
        reference = _reference(run, replace(step, options=able), folder, fingerprint(known, others))
        for role in (*stage.files, "against", "prompts"):
            run.check_unchanged(f"{step.name}.{role}")
        run.progress.step(f"{step.name}: decide", None, "rows")
        applied = stages.apply(stage, columns, alive, ctx, reference)
        wipeout.check(run, step, data, before, applied.dropped)
        write_verdict(folder, applied.dropped)
        _write_marks(stage, data, folder, applied, columns if by_id else None)
        notes = {"notes": dict(applied.notes)} if applied.notes else {}
        if stage.curve and (run.curve or (run.curve is None and before.sum() <= CURVE_ROWS)):
            run.progress.step(f"{step.name}: curve", None, "values")
            notes["curve"] = _curve(run, stage, columns, before, ctx, reference)
        return entry(step.name, option_fields.values(stage), int(before.sum()), reason_counts([applied.dropped]), **notes)

    places = {**dict.fromkeys(stage.adds, scores if stage.parallel == "rows" else folder / "added")}
    places |= dict.fromkeys(stage.marks, folder / "columns")
    return Work(mark, work, verdict=True, columns=places)


def _with_its_model(run: Run, step: Step) -> Stage:
    """Return a stage ready to run: where its model is the one that a step before it trained, that one's folder."""
    stage: Stage = step.options
    position = run.recipe.trained.get(stage.takes_model)
    if position is None:
        return stage
    folder = run.folder(position, stage.takes_model)
    return replace(stage, model=str(next(p for p in (folder / "adapter", folder / "model") if p.is_dir())))  # type: ignore[call-arg]


def _curve(
    run: Run, stage: Stage, columns: pa.Table, before: npt.NDArray[np.bool_], ctx: Context, reference: Reference | None
) -> dict[str, Any]:  # fmt: skip
    """Return how many rows the stage would keep at each value of an option: decided again each time, nothing is guessed."""
    assert stage.curve is not None
    option, values = stage.curve
    at = getattr(stage, option)
    points: list[list[Any]] = []
    for value in sorted({*values, at}):
        alive = before.copy()
        stages.apply(replace(stage, **{option: value}), columns, alive, ctx, reference)
        points.append([value, int(alive.sum())])
        run.progress.at(len(points), total=len({*values, at}))
    return {"option": option, "at": at, "points": points}


def _sides(run: Run, step: Step) -> dict[str, list[list[str]]]:
    """The hashes of the files that a stage's scores depend on."""
    return {role: run.digest(f"{step.name}.{role}", list(paths), splits.ALL) for role, paths in step.options.files.items()}


def _score(run: Run, step: Step, data: Dataset, scores: Path, overlaid: dict[str, Path]) -> None:
    """Score the shards that have no scores yet."""
    missing = [
        (step.options, str(p), str(scores / f"{p.stem}.arrow"), {n: str(f / f"{p.stem}.arrow") for n, f in overlaid.items()})
        for p in shard_paths(data.rows) if not (scores / f"{p.stem}.arrow").exists()
    ]  # fmt: skip
    run.progress.step(step.name, len(data.ids), "rows")
    done = 0
    for n in run.engine.map(score_shard, missing):
        done += n
        run.progress.at(done)


def score_shard(task: tuple[Stage, str, str, dict[str, str]]) -> int:
    """Score one shard into one Arrow file; return its number of rows. Runs in a process of the engine."""
    stage, source, target, overlaid = task
    rows = with_columns(read_table(source), {name: Path(path) for name, path in overlaid.items()})
    write_scores(Path(target), stages.scored(stage, rows, Context()))
    return len(rows)


def with_columns(rows: pa.Table, files: dict[str, Path]) -> pa.Table:
    """Return the rows of a shard with the columns that earlier stages set, each from the file of this shard."""
    for name, path in files.items():
        rows = placed(rows, name, read_arrow(path).column(name))
    return rows


def _reference(run: Run, step: Step, folder: Path, mark: str) -> Reference | None:
    """The rows that come before those of this run: an earlier run's, then those of the files that the stage names."""
    found = [r for earlier in run.earlier if (r := earlier.reference(step))]
    if step.options.references:
        found.append(_of_files(run, step, folder / "against", mark))
    if not found:
        return None
    columns = pa.concat_tables([r.columns for r in found], promote_options="default")
    return Reference(columns, pa.concat_arrays([r.ids for r in found]))


def _of_files(run: Run, step: Step, folder: Path, mark: str) -> Reference:
    """Score the rows of the files that a stage compares with, once."""
    if (read_json(folder / "_mark.json") or {}).get("fingerprint") != mark:
        run.progress.step(f"{step.name}: against", None, "rows")
        _clear(folder)
        with ShardWriter(folder / "rows", ROW) as writer:
            for path in step.options.references:
                for row in side_rows(f"{step.name}, against", path, splits.ALL):
                    writer.add(row)
            read = writer.rows
        tasks: list[tuple[Stage, str, str, dict[str, str]]] = [
            (step.options, str(p), str(folder / f"{p.stem}.arrow"), {}) for p in shard_paths(folder / "rows")
        ]
        # A model is loaded in this process alone.
        done = 0
        for n in map(score_shard, tasks) if step.options.parallel == "device" else run.engine.map(score_shard, tasks):
            done += n
            run.progress.at(done, total=read)
        write_json(folder / "_mark.json", {"fingerprint": mark})
    ids = read_all(folder / "rows", ["id"]).column("id").combine_chunks()
    return Reference(read_column(folder).drop_columns([ERROR]), ids)


def _write_marks(stage: Stage, data: Dataset, folder: Path, applied: Applied, columns: pa.Table | None) -> None:
    """Write the columns that the verdict, or scores kept by id, add to the rows."""
    for name in ("columns", "added"):
        folders.remove(folder / name)
    if stage.marks:
        write_columns(folder / "columns", data.rows, applied.judged, applied.columns)
    if columns is not None and stage.adds:
        everywhere: npt.NDArray[np.int64] = np.arange(len(columns))
        added = {name: columns.column(name).combine_chunks() for name in stage.adds}
        write_columns(folder / "added", data.rows, everywhere, added)


def _adopt(run: Run, step: Step, kept_by: str, scores: Path) -> None:
    """Take the scores that the step made when it stood at another place of the chain; those stay until the run is done."""
    for mark in sorted(run.out.glob(f"[0-9][0-9]-{step.name}/scores/_mark.json")):
        if mark.parent != scores and (read_json(mark) or {}).get("fingerprint") == kept_by:
            for path in mark.parent.glob("[0-9]*.arrow"):
                shutil.copy2(path, scores / path.name)
            return


def _clear(folder: Path) -> None:
    folders.remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
