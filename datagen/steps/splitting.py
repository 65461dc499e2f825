"""Rows that are held out, beside those that are left: whole, in the order of the input."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datagen import folders
from datagen.data.rows import ROW
from datagen.data.shards import ShardWriter, read_table
from datagen.errors import UsageError
from datagen.recipe import Step
from datagen.steps.curating import curate
from datagen.work import Run, Work, files_in


def split(run: Run, step: Step, folder: Path) -> Work:
    """Decide which rows are held out, and write them to test/ of the run; raises UsageError where no row can be."""
    work, data = curate(run, step, folder), run.datasets[-1]

    def do() -> dict[str, Any]:
        alive = np.flatnonzero(data.alive())
        entry = work.do()
        if why := entry.get("notes", {}).get("undivided"):
            raise UsageError(why)
        held = set(read_table(folder / "verdict.parquet").column("row").to_pylist())
        folders.remove(run.out / "test")
        with ShardWriter(run.out / "test", ROW) as writer:
            for at, row in zip(alive.tolist(), data.kept_rows(), strict=True):
                if at in held:
                    writer.add(row)
        return entry

    return replace(work, do=do, made=partial(files_in, run.out, "test"))
