"""Scores that a model makes: kept by row id, so that no row is read twice, whatever the rows around it.

Only rows that are left are scored. They are scored in chunks, each on disk when it is done, so that a kill costs one chunk. The
first is a sample of all of them, by which a stage may refuse: a model that reads none of the rows is not asked about each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen import stage as stages
from datagen.chat.options import ModelOptions
from datagen.data.dataset import Dataset, read_column, write_scores
from datagen.stage import ERROR, LEEWAY, SAMPLE, Context, Stage

if TYPE_CHECKING:
    from datagen.recipe import Step
    from datagen.work import Run

Places = npt.NDArray[np.int64]


def scored(
    run: Run, step: Step, data: Dataset, alive: npt.NDArray[np.bool_], folder: Path, ctx: Context
) -> pa.Table:  # fmt: skip
    """Return the scores of every row of the base, null where a row is not alive; score those that have none yet."""
    ids = pa.array(_keys(data, step.options.reads), pa.string())
    known = _known(folder)
    have = {} if known is None else {i: at for at, i in enumerate(known.column("id").to_pylist())}
    wanted = np.array([at for at in np.flatnonzero(alive).tolist() if ids[at].as_py() not in have], np.int64)
    run.progress.step(step.name, len(wanted), "rows")
    # What is asked in batches is asked at once: each batch may take a day, and its answers are in the journal anyway.
    options = step.options
    at_once = len(wanted) if isinstance(options, ModelOptions) and options.via == "batch" else 0
    done, number = 0, 1 + max((int(p.stem) for p in folder.glob("[0-9]*.arrow")), default=-1)
    for places, rows in _sample_first(data, wanted, step.options, at_once):
        before = done
        at = replace(ctx, at=lambda n, note, before=before: run.progress.at(before + n, note))  # type: ignore[misc]
        columns = stages.scored(step.options, rows, at)
        write_scores(folder / f"{number:05d}.arrow", columns.append_column("id", ids.take(pa.array(places))))
        sound = columns.filter(columns.column(ERROR).is_null())
        if not done and 0 < len(sound) < len(wanted):  # where every row broke, no column of scores is there
            step.options.refuse(sound, LEEWAY)
        number += 1
        done += len(rows)
        run.progress.at(done)
    known = _known(folder)
    if known is None:
        nothing = {name: pa.nulls(len(ids), kind) for name, kind in step.options.adds.items()}
        return pa.table({**nothing, ERROR: pa.nulls(len(ids), pa.string())})
    have = {i: at for at, i in enumerate(known.column("id").to_pylist())}
    place = np.array([have.get(i, -1) for i in ids.to_pylist()], np.int64)
    return known.drop_columns(["id"]).take(pa.array(place, mask=(place < 0) | ~alive))


def _keys(data: Dataset, reads: Sequence[str]) -> list[str]:
    """Return what the scores of each row are kept by: its id, and what the stage reads beside the conversation."""
    ids: list[str] = data.ids.to_pylist()
    beside = [column.to_pylist() for name in reads if (column := data.column(name)) is not None]
    if not beside:
        return ids
    values = (repr(rest).encode("utf-8", "backslashreplace") for rest in zip(*beside, strict=True))
    return [f"{i}:{hashlib.blake2b(v, digest_size=8).hexdigest()}" for i, v in zip(ids, values, strict=True)]


def _known(folder: Path) -> pa.Table | None:
    return read_column(folder) if any(folder.glob("[0-9]*.arrow")) else None


def _sample_first(data: Dataset, wanted: Places, stage: Stage, at_once: int) -> Iterator[tuple[Places, pa.Table]]:
    """Yield the wanted rows (positions, rising) in chunks, where there are many after a sample from all over them."""
    may_refuse = type(stage).refuse is not Stage.refuse and not at_once
    sample = wanted[:: len(wanted) // SAMPLE][:SAMPLE] if may_refuse and len(wanted) > 4 * SAMPLE else wanted[:0]
    for positions in (sample, np.setdiff1d(wanted, sample, assume_unique=True)):
        done = 0
        for rows in _chunks(data, positions, at_once or stage.chunk):
            yield positions[done : done + len(rows)], rows
            done += len(rows)


def _chunks(data: Dataset, positions: Places, size: int) -> Iterator[pa.Table]:
    """Yield rows (positions, rising) in chunks, with the columns that earlier stages set."""
    parts: list[pa.Table] = []
    waiting, start = 0, 0
    for shard in data.shards():
        here = positions[slice(*np.searchsorted(positions, [start, start + len(shard)]))] - start
        start += len(shard)
        if len(here):
            parts.append(shard.take(pa.array(here)))
            waiting += len(here)
        while waiting >= size:
            whole = pa.concat_tables(parts)
            yield whole.slice(0, size)
            parts, waiting = [whole.slice(size)], waiting - size
    if waiting:
        yield pa.concat_tables(parts)
