"""Rows on disk with the verdicts on them: what one step hands to the next, and the folders that are made of it in the end.

A step that makes rows (input, generator, mix) writes `rows/` and `dropped/` once; a stage adds a layer, a table of the rows
that it drops. Nothing is copied in between: `kept/` and `dropped/` of a run are written once, at the end.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen import folders
from datagen.data.rows import FATE, LEDGER, REWRITTEN, ROW, Row, dropped_row
from datagen.data.shards import ShardWriter, fingerprint, read_all, read_arrow, read_shards, rows_in, schema_of, shard_paths


@dataclass(frozen=True)
class Layer:
    """What one step dropped (VERDICT rows, input order), and the repeats it set (int32[n], 0 where dropped) if it did."""

    step: str
    dropped: pa.Table
    repeat: npt.NDArray[np.int32] | None = None
    columns: tuple[tuple[str, Path], ...] = ()  # columns that the step sets: name and the folder of shards they are in


@dataclass
class Dataset:
    """The rows of one base folder and the layers on them; `mark` tells what they were made from."""

    folder: Path
    mark: str
    layers: list[Layer] = field(default_factory=list)
    step: str = ""  # the name of the step that rewrote the rows of the dataset before into these; "" = new rows

    @property
    def rows(self) -> Path:
        """The folder of the shards of all rows of the base."""
        return self.folder / "rows"

    @cached_property
    def ids(self) -> pa.Array:
        """The ids of all rows of the base, in order."""
        return read_all(self.rows, ["id"]).column("id").combine_chunks()

    @cached_property
    def fingerprint(self) -> str:
        """What scores of these rows depend on: what they were made from, and which rows came of it."""
        digest = hashlib.blake2b("".join(self.ids.to_pylist()).encode(), digest_size=16)
        return fingerprint(self.mark, digest.hexdigest())

    def alive(self) -> npt.NDArray[np.bool_]:
        """bool[n]: the rows that no layer dropped."""
        found = np.ones(len(self.ids), bool)
        for layer in self.layers:
            found[layer.dropped.column("row").to_numpy()] = False
        return found

    def repeat(self) -> npt.NDArray[np.int32] | None:
        """The repeats that a layer set, or None."""
        found = [layer.repeat for layer in self.layers if layer.repeat is not None]
        return found[-1] if found else None

    def kept(self) -> Iterator[pa.Table]:
        """Yield the rows that are alive, shard by shard, their repeats set."""
        alive, start = self.alive(), 0
        for shard in self.shards():
            yield shard.filter(pa.array(alive[start : start + len(shard)]))
            start += len(shard)

    def shards(self) -> Iterator[pa.Table]:
        """Yield all rows of the base, shard by shard, with what the layers set."""
        repeat, start = self.repeat(), 0
        for shard in read_shards(self.rows):
            here = slice(start, start + len(shard))
            start += len(shard)
            if repeat is not None:
                shard = shard.set_column(shard.schema.get_field_index("repeat"), ROW.field("repeat"), pa.array(repeat[here]))
            yield self._with_columns(shard, here)

    def columns_of(self, names: Iterable[str]) -> dict[str, Path]:
        """Return which of these columns layers set, and the folder of shards where each now is."""
        wanted = set(names)
        return {name: folder for layer in self.layers for name, folder in layer.columns if name in wanted}

    def column(self, name: str) -> pa.ChunkedArray | None:
        """Return a column of all rows as the layers left it, or None where there is none of that name."""
        if name in (found := self.columns_of([name])):
            return read_column(found[name], name).column(name)
        here = schema_of(shard_paths(self.rows)[0]).names
        return read_all(self.rows, [name]).column(name) if name in here else None

    def kept_rows(self, *, whole: bool = False) -> Iterator[Row]:
        """Yield the rows that are alive as Python values; `whole` with the columns that stages added."""
        for table in self.kept():
            for batch in (table if whole else table.select(ROW.names)).to_batches(max_chunksize=1024):
                yield from batch.to_pylist()

    def ledger(self) -> Iterator[pa.Table]:
        """Yield the ledger: what the base dropped, then each layer's rows in input order."""
        yield from read_shards(self.folder / "dropped")
        for layer in self.layers:
            yield from self._ledger_of(layer)

    def _ledger_of(self, layer: Layer) -> Iterator[pa.Table]:
        at = layer.dropped.column("row").to_numpy()
        witness = pc.coalesce(
            self.ids.take(layer.dropped.column("witness").combine_chunks()), layer.dropped.column("witness_id").combine_chunks()
        )
        start = done = 0
        for shard in read_shards(self.rows):
            n = int(np.searchsorted(at, start + len(shard))) - done
            if n:
                fate = layer.dropped.slice(done, n)
                rows = self._with_columns(shard, slice(start, start + len(shard))).take(pa.array(at[done : done + n] - start))
                rows = rows.append_column(FATE[0], pa.array([layer.step] * n))
                for name in ("reason", "score", "threshold"):
                    rows = rows.append_column(name, fate.column(name))
                rows = rows.append_column("witness_id", pa.chunked_array([witness.slice(done, n)]))
                yield rows.append_column("evidence", fate.column("evidence"))
            start += len(shard)
            done += n

    def added(self) -> list[pa.Field]:
        """The fields of the rows beside those of ROW: those of the base, and those that layers add."""
        base = [f for f in schema_of(shard_paths(self.rows)[0]).remove_metadata() if f.name not in ROW.names]
        found = {f.name: f for f in base}
        for layer in self.layers:
            for name, folder in layer.columns:
                if name not in ROW.names:
                    found[name] = read_column(folder, name).schema.field(name)
        return list(found.values())

    def _with_columns(self, shard: pa.Table, here: slice) -> pa.Table:
        for layer in self.layers:
            for name, folder in layer.columns:
                column = read_column(folder, name).column(name)[here.start : here.stop]
                shard = placed(shard, name, column)
        return shard


def placed(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    """Return a table with a column set: in the place of one of that name, its nulls filled from it, or after the others."""
    at = table.schema.get_field_index(name)
    if at < 0:
        return table.append_column(name, values)
    kind = table.schema.field(at)
    return table.set_column(at, kind, pc.coalesce(values.cast(kind.type), table.column(at)))


def ingest(
    folder: Path, sources: Iterable[tuple[str, Iterable[Row]]], step: str, before: Iterable[str] = (),
    extra: Iterable[pa.Field] = (),
) -> dict[str, int]:  # fmt: skip
    """Write rows as they come to `folder`/rows and ledger rows (with the key `reason`) to `folder`/dropped.

    A row whose id came before under the same name is dropped as `exact_duplicate`, its witness the first.

    Args:
        folder: the step's folder.
        sources: names and rows; duplicates are looked for within a name only.
        step: what the ledger calls this step.
        before: ids of rows that another run has; the same conversation is a duplicate here.
        extra: columns of the rows beside those of ROW.

    Returns:
        The number of rows written per name, in order.
    """
    sizes: dict[str, int] = {}
    known = {bytes.fromhex(i) for i in before}
    more = list(extra)
    with (
        ShardWriter(folder / "dropped", pa.schema([*LEDGER, *more])) as dropped,
        ShardWriter(folder / "rows", pa.schema([*ROW, *more])) as kept,
    ):
        for name, rows in sources:
            seen, size = set(known), 0
            for row in rows:
                if "reason" in row:
                    dropped.add(row)
                    continue
                key = bytes.fromhex(row["id"])
                if key in seen:
                    dropped.add(dropped_row(row, step, "exact_duplicate", witness_id=row["id"]))
                    continue
                seen.add(key)
                kept.add(row)
                size += 1
            sizes[name] = size
    return sizes


def reason_counts(tables: Iterable[pa.Table]) -> dict[str, int]:
    """Count ledger or verdict rows by reason, the most frequent first."""
    found: Counter[str] = Counter()
    for table in tables:
        for entry in pc.value_counts(table.column("reason")).to_pylist():
            found[entry["values"]] += entry["counts"]
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def materialise(datasets: list[Dataset], out: Path) -> None:
    """Write `kept/` (the last dataset's living rows) and `dropped/` (every dataset's ledger, in order) of a run folder."""
    extra = datasets[-1].added()
    with ShardWriter(out / "dropped", pa.schema([*LEDGER, *extra])) as ledger:
        for dataset in datasets:
            for table in dataset.ledger():
                ledger.add_table(table)
    mended = [d for d in datasets if d.step]
    if mended:
        with ShardWriter(out / "rewritten", REWRITTEN) as ids:
            for dataset in mended:
                for table in read_shards(dataset.folder / "rewritten"):
                    ids.add_table(table.append_column("stage", pa.array([dataset.step] * len(table), pa.string())))
    else:
        folders.remove(out / "rewritten")
    with ShardWriter(out / "kept", pa.schema([*ROW, *extra])) as kept:
        for table in datasets[-1].kept():
            kept.add_table(table)


def read_column(scores: Path, *names: str) -> pa.Table:
    """Return columns of a folder of scores, memory-mapped; every column when none is named."""
    tables = []
    for path in sorted(scores.glob("[0-9]*.arrow")):
        table = read_arrow(path)
        tables.append(table.select(list(names)) if names else table)
    return pa.concat_tables(tables, promote_options="default")


def write_columns(folder: Path, base: Path, rows: npt.NDArray[np.int64], columns: Mapping[str, pa.Array]) -> None:
    """Write columns of some rows (positions int64[n]) as shards beside those of the base, null for every other row."""
    folder.mkdir(exist_ok=True)
    start = 0
    for path in shard_paths(base):
        size = rows_in(path)
        place = np.full(size, -1, np.int64)
        here = slice(*np.searchsorted(rows, [start, start + size]))
        place[rows[here] - start] = np.arange(here.start, here.stop)
        take = pa.array(place, mask=place < 0)
        write_scores(folder / f"{path.stem}.arrow", pa.table({name: values.take(take) for name, values in columns.items()}))
        start += size


def write_scores(path: Path, table: pa.Table) -> None:
    """Write one shard's scores as an Arrow file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    temporary.replace(path)
