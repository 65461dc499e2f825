"""Step 0: the input files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from datagen.dataset import Dataset, ingest
from datagen.rows import Row
from datagen.shards import fingerprint
from datagen.steps.entry import VERSION, made

if TYPE_CHECKING:
    from datagen.run import Run


def read_input(run: Run) -> None:
    """Step 0: the input files, as rows on disk."""
    folder, paths = run.folder(0, "input"), list(run.recipe.input)
    mark = fingerprint(VERSION, run.digest("input", paths), dict(run.recipe.mapping), run.recipe.limit)

    def work() -> dict[str, Any]:
        run.progress.step("input", None, "rows")
        ingest(folder, [("", counted(run, run.read("", paths)))], "input")
        return made("input", {"input": paths}, folder)

    run.do(folder, mark, work)
    run.datasets.append(Dataset(folder, mark))


def counted(run: Run, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows, telling the run how many went by."""
    for n, row in enumerate(rows, start=1):
        yield row
        if n % 1000 == 0:
            run.progress.at(n)
