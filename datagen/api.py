"""The Python face of datagen: the commands as functions, Arrow tables out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen import options as option_fields
from datagen import recipe as recipes
from datagen import stage, step
from datagen.errors import BudgetError, DataError, ModelError, UsageError, did_you_mean
from datagen.formats.read import read as read_rows
from datagen.formats.write import Exported, export
from datagen.given import paths_of
from datagen.progress import Bar
from datagen.rows import Row
from datagen.run import Result, execute
from datagen.shards import read_all, read_json
from datagen.teacher import Teacher

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
    _check_limit(limit)
    if not stages:
        raise UsageError(f"name a stage: {', '.join(stage.names())}")
    folder = Path(tempfile.mkdtemp(prefix="datagen-")) if out is None else Path(out)
    paths = _paths(inputs, folder.with_name(f"{folder.name}.input") / "table.parquet")
    entries = [_entry(s) for s in ([stages] if isinstance(stages, (str, Mapping, stage.Stage)) else stages)]
    if target_size is not None:
        entries.append({"balance": {"size": target_size}})
    made = recipes.make(
        entries, input=tuple(paths), mapping=mapping or {}, roles=roles or {}, limit=limit,
        against=None if against is None else str(against), split=split, encoding=encoding,
    )  # fmt: skip
    return _finished(execute(made, folder, progress=Bar(), allow_wipeout=allow_wipeout, curve=curve))


def _entry(given: Any) -> Any:
    """Return a stage as a recipe holds it."""
    if isinstance(given, stage.Stage):
        return {given.name: option_fields.values(given)}
    if isinstance(given, type):
        raise UsageError(f"a stage is made by calling its class: dg.stages.{given.__name__}()")
    return dict([option_fields.split_stage(given)]) if isinstance(given, str) else given


def self_instruct(out: str | Path, n: int = 100, **options: Any) -> Finished:
    """Make rows from seed tasks with a model; as `datagen self-instruct`. Options are those of `SelfInstructOptions`.

    Raises:
        DatagenError: with one line; what was made until a cap or the endpoint ended it is in `out`.
    """
    return _finished(execute(recipes.make([{"self_instruct": {"n": n, **options}}]), Path(out), progress=Bar()))


def magpie(out: str | Path, n: int = 100, **options: Any) -> Finished:
    """Make rows from the bare user turn of a model; as `datagen magpie`. Options are those of `MagpieOptions`."""
    return _finished(execute(recipes.make([{"magpie": {"n": n, **options}}]), Path(out), progress=Bar()))


def mix(
    sources: Mapping[str, Any], out: str | Path, *, mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None, limit: int | None = None, split: str | None = None, encoding: str = "",
    **options: Any,
) -> Finished:  # fmt: skip
    """Mix sources by T5's rules or by a grid of proxies; as `datagen mix`.

    `sources` maps the name of each to its rows, given as to `filter`; mapping, roles, limit, split and encoding are as in
    `filter`, for each source; `options` are those of `Mix`, such as `method="temperature", temperature=2`.

    Raises:
        DatagenError: with one line that names the fix.
    """
    _check_limit(limit)
    folder = Path(out).with_name(f"{Path(out).name}.input")
    given = {name: _paths(rows, folder / f"{i}.parquet") for i, (name, rows) in enumerate(sources.items())}
    named = {name: paths[0] if len(paths) == 1 else paths for name, paths in given.items()}
    made = recipes.make(
        [{"mix": {"sources": named, **options}}], mapping=mapping or {}, roles=roles or {}, limit=limit, split=split,
        encoding=encoding,
    )  # fmt: skip
    return _finished(execute(made, Path(out), progress=Bar()))


def train(
    rows: Any, out: str | Path, *, mapping: Mapping[str, str] | None = None, roles: Mapping[str, str] | None = None,
    limit: int | None = None, split: str | None = None, encoding: str = "", **options: Any,
) -> Finished:  # fmt: skip
    """Fine-tune a model on rows; as `datagen train`. The adapter is in `out`/adapter.

    The rows, and mapping, roles, limit, split and encoding, are given as to `filter`; `options` are those of the trainer, such
    as `steps=60, model="smollm2"`. The same call again goes on from the last checkpoint.

    Raises:
        DatagenError: with one line that names the fix.
    """
    _check_limit(limit)
    folder = Path(out)
    paths = _paths(rows, folder.with_name(f"{folder.name}.input") / "table.parquet")
    made = recipes.make(
        [{"train": options}], input=tuple(paths), mapping=mapping or {}, roles=roles or {}, limit=limit, split=split,
        encoding=encoding,
    )  # fmt: skip
    return _finished(execute(made, folder, progress=Bar()))


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise UsageError(f"limit must be 1 or more, not {limit}")


def teach(
    kind: str, rows: Any, out: str | Path, *, mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None, limit: int | None = None, split: str | None = None, encoding: str = "",
    **options: Any,
) -> Finished:  # fmt: skip
    """Let a model work on rows: `answer`, `rewrite`, `evolve`, `translate`, `judge`; as the commands of these names.

    Args:
        kind: which of them; its options are those that the command has.
        rows: files or folders, or a table: pandas, pyarrow, `datasets`, a list of maps.
        out: the run folder; the same call again goes on.
        mapping: our field names to theirs, such as {"instruction": "question"}.
        roles: their names of roles to ours, such as {"agent": "assistant"}.
        limit: read only so many rows.
        split: the part of a set that is read; as in `filter`.
        encoding: of texts; as in `filter`.
        options: such as `samples=8, model="gpt-4o-mini"`.

    Raises:
        DatagenError: with one line; what was made until a cap or the endpoint ended it is in `out`.
    """
    known = [*(n for n in step.names() if issubclass(step.find(n, step.Kind), Teacher)), "judge"]
    if kind not in known:
        raise UsageError(f"there is no teacher '{kind}'{did_you_mean(kind, known)}")
    _check_limit(limit)
    folder = Path(out)
    paths = _paths(rows, folder.with_name(f"{folder.name}.input") / "table.parquet")
    recipe = recipes.make(
        [{kind: options}], input=tuple(paths), mapping=mapping or {}, roles=roles or {}, limit=limit, split=split,
        encoding=encoding,
    )  # fmt: skip
    return _finished(execute(recipe, folder, progress=Bar()))


def backtranslate(documents: str | Path | Sequence[str], out: str | Path, **options: Any) -> Finished:
    """Make rows of documents; as `datagen backtranslate`, whose options these are (`seed_rows`, `min_score`, `rounds`, ...)."""
    paths = [str(documents)] if isinstance(documents, (str, Path)) else [str(d) for d in documents]
    given = {name: value for name, value in options.items() if value is not None}
    from datagen.backtranslation import steps

    return _finished(execute(recipes.make(steps(paths, given)), Path(out), progress=Bar()))


def from_pairs(pairs: str | Path | Sequence[str], out: str | Path, source: str, target: str, **options: Any) -> Finished:
    """Make translation rows of sentence pairs; as `datagen from-pairs`."""
    paths = [str(pairs)] if isinstance(pairs, (str, Path)) else [str(p) for p in pairs]
    step = {"from_pairs": {"pairs": paths, "source": source, "target": target, **options}}
    return _finished(execute(recipes.make([step]), Path(out), progress=Bar()))


def run(recipe: str | Path, out: str | Path) -> Finished:
    """Run a recipe file; as `datagen run`."""
    return _finished(execute(recipes.load(Path(recipe)), Path(out), progress=Bar()))


def read(
    path: str | Path, mapping: Mapping[str, str] | None = None, roles: Mapping[str, str] | None = None, *,
    limit: int | None = None, split: str | None = None, encoding: str = "",
) -> Iterator[Row]:  # fmt: skip
    """Yield the rows of a file or folder, and a row with the key `reason` for each piece that cannot be read.

    The options are those of `filter`.
    """
    _check_limit(limit)
    return read_rows(str(path), mapping=mapping, roles=roles, limit=limit, split=split, encoding=encoding)


def write(
    rows: Any, to: str, target: str | Path, *, mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None, limit: int | None = None, split: str | None = None, encoding: str = "",
) -> Exported:  # fmt: skip
    """Export rows to a format; as `datagen export`, which lists the formats in its help.

    The rows, and mapping, roles, limit, split and encoding, are given as to `filter`; a finished run is its kept rows.

    Raises:
        DatagenError: with one line that names the fix.
    """
    _check_limit(limit)
    with tempfile.TemporaryDirectory() as folder:
        paths = _paths(rows, Path(folder) / "table.parquet")
        found = chain.from_iterable(
            read_rows(path, mapping=mapping, roles=roles, answers="named", split=split, encoding=encoding, needs_rows=True)
            for path in paths
        )
        return export(islice(found, limit), to, Path(target))


def _paths(rows: Any, table: Path) -> list[str]:
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


def _finished(result: Result) -> Finished:
    if result.errors:
        raise DataError(f"{result.errors} rows broke a stage; they are in {result.folder}/dropped with the reason 'error'")
    if result.stopped:
        kind = {e.exit_code: e for e in (BudgetError, ModelError, DataError)}[result.stopped["exit_code"]]
        raise kind(f"{result.stopped['message']}; what was made until then is in {result.folder}")
    return Finished(result.folder, result.summary)
