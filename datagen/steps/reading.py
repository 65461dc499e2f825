"""Step 0: the input files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datagen.data.dataset import ingest
from datagen.data.shards import fingerprint
from datagen.errors import DataError
from datagen.formats.read import NO_ROW
from datagen.progress import counted
from datagen.reading import Reading
from datagen.steps.entry import VERSION, made
from datagen.work import Run, Work, source_name


def read_input(run: Run) -> None:
    """Do step 0: the input files, as rows on disk."""
    folder = run.folder(0, "input")
    run.do("input", folder, _reading(run, folder))


def _reading(run: Run, folder: Path) -> Work:
    paths, how = list(run.recipe.input), run.recipe.reading
    run.progress.step("input", None, "rows")
    files = run.digest("input", paths, how.split)
    names = [source_name(p) for p in paths]
    maps = how.mapping, *([how.roles] if how.roles else [])
    earlier = [e.fingerprint for e in run.earlier]
    mark = fingerprint(VERSION, files, names, *maps, how.limit, *_beside(how), *earlier)

    # An empty dataset is one; an empty text is most likely a failed producer, and must not replace an earlier result.
    text = not any(name.endswith(".parquet") for name, _ in files)
    if text and next(iter(run.read("", paths)), None) is None:
        raise DataError(f"{', '.join(paths)}: {NO_ROW}")

    def work() -> dict[str, Any]:
        before = [i for earlier in run.earlier for i in earlier.input_ids]
        ingest(folder, [("", counted(run.read("", paths), run.progress.at))], "input", before)
        run.check_unchanged("input")
        return made("input", {"input": paths}, folder)

    return Work(mark, work, rows=True)


def _beside(how: Reading) -> list[str]:
    """What else decides on the rows of an input; nothing where it is not given, so that older folders stay as they are."""
    split = [f"split {how.split}"] if how.split else []  # rows may name their part
    return [*([how.encoding] if how.encoding else []), *split]
