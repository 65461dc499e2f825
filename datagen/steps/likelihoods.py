"""Likelihoods of items, written chunk by chunk, so that a run that was cut off goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from datagen.data.shards import fingerprint
from datagen.evaluation.items import Item
from datagen.evaluation.measured import SCHEMA, Measured, of_rows, table_of
from datagen.kinds.eval import Eval
from datagen.steps.entry import VERSION
from datagen.work import Run

CHUNK = 64  # items whose likelihoods are written at a time
Left = list[tuple[str, str]]


def by_chunks(
    run: Run, name: str, folder: Path, options: Eval, identity: str, items: Sequence[Item],
    measure: Callable[..., tuple[list[Measured], Left]],
) -> tuple[list[Measured], Left]:  # fmt: skip
    """Measure items chunk by chunk; what an earlier run that was cut off has written is not measured again.

    Args:
        run: the run.
        name: for the live line.
        folder: of the step; the chunks stand in `scores/`.
        options: of the model.
        identity: of its weights.
        items: what is measured.
        measure: `likelihood.losses` or `likelihood.likeliest`.

    Returns:
        What was measured, and the (row id, reason) of each item that was not.
    """
    run.progress.step(name, len(items), "items")
    found: list[Measured] = []
    left: Left = []
    how = [options.choices, options.prompt, options.max_length, measure.__name__]
    for begin in range(0, len(items), CHUNK):
        chunk = items[begin : begin + CHUNK]
        mark = fingerprint(VERSION, identity, how, [[i.row["id"], *(s.row["id"] for s in i.shots)] for i in chunk])
        path = folder / "scores" / f"{int(mark[:12], 16):05d}.parquet"
        came = _read(path, mark)
        if came is None:
            at = partial(_at, run, begin)
            came = measure(options.model, chunk, options, at)
            _write(path, mark, *came)
        found += came[0]
        left += came[1]
        run.progress.at(begin + len(chunk))
    return found, left


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
