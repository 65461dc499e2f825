"""The Python face of datagen: the commands as functions, Arrow tables out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen import options as option_fields
from datagen import recipe as recipes
from datagen import stage
from datagen.data.rows import Row
from datagen.data.shards import read_all, read_json
from datagen.errors import BudgetError, DataError, ModelError, UsageError, writing
from datagen.formats.read import read as read_rows
from datagen.formats.write import Exported, export
from datagen.json_text import dumps
from datagen.progress import Bar
from datagen.reading import reading
from datagen.runner import Result, execute

DEFAULT_STAGES: tuple[Any, ...] = ("rules", "minhash", "rouge")
Steps = Sequence[str | Mapping[str, Any] | stage.Stage]


@dataclass(frozen=True)
class Finished:
    """A run folder: its rows, its ledger and its counts."""

    folder: Path
    summary: dict[str, Any]

    def __repr__(self) -> str:
        """Say where it is and how many rows stayed."""
        came, stayed, went = (self.summary[k] for k in ("rows_in", "rows_kept", "rows_dropped"))
        return f"Finished({self.folder}: {came:,} rows in, {stayed:,} kept, {went:,} dropped)"

    @property
    def kept(self) -> pa.Table:
        """The rows that stayed, with the ROW schema."""
        return read_all(self.folder / "kept")

    @property
    def dropped(self) -> pa.Table:
        """The ledger: every other row with its stage, reason, score, threshold and witness."""
        return read_all(self.folder / "dropped")

    def explain(self, row_id: str) -> list[Row]:
        """Return every fate of the rows whose id begins so; see `datagen explain`."""
        from datagen.report.explain import fates

        return fates(self.folder, row_id)


def filter(  # noqa: A001  (the command's name)
    inputs: Any, stages: Steps = DEFAULT_STAGES, out: str | Path | None = None, mapping: Mapping[str, str] | None = None,
    limit: int | None = None, against: str | Path | None = None, *, target_size: int | None = None,
    allow_wipeout: bool = False, curve: bool | None = None, roles: Mapping[str, str] | None = None,
    split: str | None = None, encoding: str = "",
) -> Finished:  # fmt: skip
    """Curate rows by a chain of stages; as `datagen filter`.

    Args:
        inputs: files or folders in any format that datagen reads, a finished run, or a table: pandas, pyarrow, `datasets`, a
            list of maps.
        stages: names with or without options as on the command line (`"rouge:threshold=0.6"`), maps of one name to its options
            (`{"rouge": {"threshold": 0.6}}`), or stages such as `dg.stages.Minhash(threshold=0.8)`.
        out: the run folder; the same call again goes on or does nothing. None = a temporary folder.
        mapping: datagen's field <- the file's, such as `{"instruction": "question"}`.
        limit: read only so many rows.
        against: an earlier run of the same stages; only new rows are judged, as if both were one.
        target_size: keep so many rows in the end: adds `balance`.
        allow_wipeout: let a stage drop most of a source, language or tag.
        curve: say how many rows the stages would keep at other thresholds; None = where there are at most 20,000.
        roles: the file's names of roles -> ours, such as `{"agent": "assistant"}`.
        split: the part of a folder or set with train, validation and test parts; None = train, "all" = each.
        encoding: of texts, such as "gb18030"; by default what their mark says, else UTF-8.

    Raises:
        DatagenError: with one line that names the fix.
    """
    if not stages:
        raise UsageError(f"name a stage: {', '.join(stage.names())}")
    folder = Path(tempfile.mkdtemp(prefix="datagen-")) if out is None else place(out, "out")
    found = paths(inputs, folder.with_name(f"{folder.name}.input") / "table.parquet")
    entries = [_entry(s) for s in ([stages] if isinstance(stages, (str, Mapping, stage.Stage)) else stages)]
    if target_size is not None:
        entries.append({"balance": {"size": target_size}})
    made = recipes.make(
        entries, input=found, mapping=mapping, roles=roles, limit=limit,
        against=None if against is None else str(against), split=split, encoding=encoding,
    )  # fmt: skip
    return finished(execute(made, folder, progress=Bar(), allow_wipeout=allow_wipeout, curve=curve))


def _entry(given: Any) -> Any:
    """Return a stage as a recipe holds it."""
    if isinstance(given, stage.Stage):
        return {given.name: option_fields.values(given)}
    if isinstance(given, type):
        raise UsageError(f"a stage is made by calling its class: dg.stages.{given.__name__}()")
    return dict([option_fields.split_stage(given)]) if isinstance(given, str) else given


def run(recipe: str | Path, out: str | Path) -> Finished:
    """Run a recipe file; as `datagen run`."""
    return finished(execute(recipes.load(place(recipe, "a recipe")), place(out, "out"), progress=Bar()))


def place(given: Any, what: str) -> Path:
    """Return a path; raises UsageError where it is none."""
    if not isinstance(given, (str, os.PathLike)):
        raise UsageError(f"{what} is a path, not {given!r}")
    return Path(given)


def read(
    path: str | Path, mapping: Mapping[str, str] | None = None, roles: Mapping[str, str] | None = None, *,
    limit: int | None = None, split: str | None = None, encoding: str = "",
) -> Iterator[Row]:  # fmt: skip
    """Yield the rows of a file or folder, and a row with the key `reason` for each piece that cannot be read.

    The options are those of `filter`.
    """
    how = reading({"mapping": mapping, "roles": roles, "limit": limit, "split": split, "encoding": encoding})
    return read_rows(str(path), **vars(how))


def write(
    rows: Any, to: str, target: str | Path, *, mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None, limit: int | None = None, split: str | None = None, encoding: str = "",
) -> Exported:  # fmt: skip
    """Export rows to a format; as `datagen export`, which lists the formats in its help.

    The rows, and mapping, roles, limit, split and encoding, are given as to `filter`; a finished run is its kept rows.

    Raises:
        DatagenError: with one line that names the fix.
    """
    how = vars(reading({"mapping": mapping, "roles": roles, "limit": limit, "split": split, "encoding": encoding}))
    with tempfile.TemporaryDirectory() as folder:
        given = paths(rows, Path(folder) / "table.parquet")
        found = chain.from_iterable(read_rows(path, answers="named", needs_rows=True, **how) for path in given)
        return export(islice(found, how["limit"]), to, place(target, "target"))


def paths(rows: Any, table: Path) -> list[str]:
    """Return the paths of rows given in any way; a table is written to `table` first."""
    return paths_of(rows.folder if isinstance(rows, Finished) else rows, table)


class Stages:
    """The stages: called, their names; an attribute such as `Minhash` is the class of one, whose fields are its options."""

    def __call__(self) -> list[str]:
        """Return the names of the stages."""
        return stage.names()

    def __getattr__(self, name: str) -> type[stage.Stage]:
        for known in stage.names():
            if (cls := stage.find(known)).__name__ == name:
                return cls
        raise AttributeError(f"there is no stage class '{name}'")

    def __dir__(self) -> list[str]:
        return [stage.find(name).__name__ for name in stage.names()]


stages = Stages()


def opened(folder: str | Path) -> Finished:
    """Open a finished run folder; raises DataError when it is not one."""
    summary = read_json(Path(folder) / "run.json")
    if summary is None:
        raise DataError(f"{folder} is not a finished run: it has no run.json; run its command again to complete it")
    return Finished(Path(folder), summary)


def finished(result: Result) -> Finished:
    """Return a run that is over; raises DatagenError where it stopped before its aim."""
    if result.errors:
        raise DataError(f"{result.errors} rows broke a stage; they are in {result.folder}/dropped with the reason 'error'")
    if result.stopped:
        kind = {e.exit_code: e for e in (BudgetError, ModelError, DataError)}[result.stopped["exit_code"]]
        raise kind(f"{result.stopped['message']}; what was made until then is in {result.folder}")
    return Finished(result.folder, result.summary)


def paths_of(inputs: Any, table: Path) -> list[str]:
    """Return the paths of an input; a table of pandas, pyarrow or `datasets` is written to `table` first."""
    if isinstance(inputs, (str, Path)):
        return [str(inputs)]
    if isinstance(inputs, Mapping):
        raise UsageError("rows are given as a table or as a list of maps, one per row, not as a map")
    if type(inputs).__module__.startswith("datasets"):
        inputs = inputs.with_format("arrow")[:]
    if hasattr(inputs, "to_dict"):
        try:
            inputs = pa.Table.from_pandas(inputs, preserve_index=False)
        except pa.ArrowException:  # a column of several types: one odd value costs its row, not the set
            inputs = inputs.to_dict("records")
    if isinstance(inputs, pa.Table):
        with writing(table):
            table.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(inputs, table)
        return [str(table)]
    if not isinstance(inputs, Iterable):
        raise UsageError(f"rows are given as paths, a table or a list of maps, not as {type(inputs).__name__}")
    inputs = list(inputs)
    if not inputs or not isinstance(inputs[0], Mapping):
        if wrong := next((i for i in inputs if not isinstance(i, (str, Path))), None):
            raise UsageError(f"rows are given as paths, a table or a list of maps, not as a list of {type(wrong).__name__}")
        return [str(i) for i in inputs]
    table = table.with_suffix(".jsonl")
    # Line by line, as a file would hold them: rows need not have the same fields, and a bad one is a ledger row.
    lines = (dumps(dict(row) if isinstance(row, Mapping) else row, ensure_ascii=True, default=_plain) for row in inputs)
    with writing(table):
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return [str(table)]


def _plain(value: Any) -> Any:
    """Return a value of numpy or a date as JSON holds it."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
