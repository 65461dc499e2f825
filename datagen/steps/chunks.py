"""Likelihoods of items, written chunk by chunk, so that a run that was cut off goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from datagen.data.shards import fingerprint
from datagen.evaluation.items import Item, Left
from datagen.evaluation.measured import SCHEMA, Measured, of_rows, table_of
from datagen.kinds.eval import Eval
from datagen.steps.entry import VERSION
from datagen.work import Run

CHUNK = 64  # items whose likelihoods are written at a time
FOLDER = "scores"


class Chunked(NamedTuple):
    """What was measured of the items, the (row id, reason) of each that was not, and the names of the chunks' files."""

    found: list[Measured]
    left: Left
    files: list[str]


def measure_by_chunks(
    run: Run, name: str, folder: Path, options: Eval, identity: str, items: Sequence[Item],
    measure: Callable[..., tuple[list[Measured], Left]],
) -> Chunked:  # fmt: skip
    """Measure items chunk by chunk; what an earlier run that was cut off has written is not measured again.

    Args:
        run: the run.
        name: for the live line.
        folder: of the step; the chunks stand in FOLDER.
        options: of the model.
        identity: of its weights.
        items: what is measured.
        measure: `likelihood.losses` or `likelihood.likeliest`.
    """
    run.progress.step(name, len(items), "items")
    done = Chunked([], [], [])
    how = [options.choices, options.prompt, options.max_length, measure.__name__]
    for begin in range(0, len(items), CHUNK):
        chunk = items[begin : begin + CHUNK]
        mark = fingerprint(VERSION, identity, how, [[_named(i), *map(_named, i.shots)] for i in chunk])
        path = folder / FOLDER / f"{int(mark[:12], 16):05d}.parquet"
        came = _read(path, mark)
        if came is None:
            at = partial(_at, run, begin)
            came = measure(options.model, chunk, options, at)
            _write(path, mark, *came)
        done.found.extend(came[0])
        done.left.extend(came[1])
        done.files.append(path.name)
        run.progress.at(begin + len(chunk))
    return done


def remove_other_chunks(folder: Path, files: Collection[str]) -> None:
    """Remove the chunks of a step's folder but these: of models and items that are no longer measured."""
    for path in (folder / FOLDER).glob("*.parquet"):
        if path.name not in files:
            path.unlink()


def _named(item: Item) -> list[str]:
    """What an item's measurements are of and depend on; an id says nothing of the task, its part or the language."""
    return [item.row["id"], item.task, item.part, item.row["language"] or ""]


def _at(run: Run, begin: int, done: int) -> None:
    run.progress.at(begin + done)


def _read(path: Path, mark: str) -> tuple[list[Measured], Left] | None:
    """What a chunk holds, or None: none has this mark. The reason of a row that was left out stands as what was said."""
    if not path.is_file():
        return None
    table = pq.read_table(path)
    if (table.schema.metadata or {}).get(b"mark") != mark.encode():
        return None
    rows = table.to_pylist()
    left = [(row["id"], row["said"]) for row in rows if row["measure"] == ""]
    return of_rows(row for row in rows if row["measure"]), left


def _write(path: Path, mark: str, found: Sequence[Measured], left: Left) -> None:
    path.parent.mkdir(exist_ok=True)
    lost = [Measured(row_id, "", "", "", 0.0, said=reason) for row_id, reason in left]
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(table_of([*found, *lost]).cast(SCHEMA.with_metadata({"mark": mark})), temporary)
    temporary.replace(path)
