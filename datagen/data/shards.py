"""Parquet shards on disk: fixed sizes, no clock, written to a temporary name and renamed, so same rows give same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen import folders
from datagen.data.rows import Row
from datagen.errors import DataError, writing
from datagen.json_text import dumps

SHARD_ROWS = 8_192  # what a process takes at a time: small enough that 50,000 rows keep two cores busy to the end


class ShardWriter:
    """Writes rows or tables of one schema to `folder`/NNNNN.parquet in shards of SHARD_ROWS.

    The folder appears whole when the `with` block ends well, and not at all when it does not.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Write into a temporary folder beside `folder`."""
        self.folder, self.schema, self.rows = folder, schema, 0
        self._temporary = folder.with_name(f".{folder.name}.tmp")
        self._buffer: list[Row] = []
        self._tables: list[pa.Table] = []
        self._waiting = self._shard = 0

    def __enter__(self) -> ShardWriter:
        folders.remove(self._temporary)
        self._temporary.mkdir(parents=True, exist_ok=True)
        return self

    def add(self, row: Row) -> None:
        """Append one row given as Python values; columns it lacks are null."""
        self._buffer.append(row)
        if len(self._buffer) == SHARD_ROWS:
            self._drain()

    def add_table(self, table: pa.Table) -> None:
        """Append a table; columns it lacks are null, columns the schema lacks are left out."""
        self._drain()
        self._push(table)

    def _drain(self) -> None:
        if self._buffer:
            rows, self._buffer = self._buffer, []
            arrays = {f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in self.schema}
            self._push(pa.table(arrays, schema=self.schema))

    def _push(self, table: pa.Table) -> None:
        columns = [
            table.column(f.name).cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type)
            for f in self.schema
        ]
        self._tables.append(pa.table(columns, schema=self.schema))
        self._waiting += len(table)
        self.rows += len(table)
        while self._waiting >= SHARD_ROWS:
            self._write(SHARD_ROWS)

    def _write(self, n: int) -> None:
        whole = pa.concat_tables(self._tables)
        path = self._temporary / f"{self._shard:05d}.parquet"
        with writing(self.folder):
            pq.write_table(whole.slice(0, n).combine_chunks(), path, compression="zstd")
        self._tables = [whole.slice(n)] if len(whole) > n else []
        self._waiting -= n
        self._shard += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):  # what ended the block is what is told
                folders.remove(self._temporary)
            return
        self._drain()
        if not self._tables:
            self._tables = [self.schema.empty_table()]
        if self._waiting or not self._shard:
            self._write(self._waiting)
        folders.replace(self._temporary, self.folder)


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder in order; empty where it does not exist."""
    return sorted(folder.glob("[0-9]*.parquet"))


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Return a Parquet file as a table; only the named columns where given.

    It opens the file by itself: `pq.read_table` goes through Arrow's datasets, whose import loads pandas.

    Raises:
        DataError: the file is damaged, or lacks a column; it is named.
    """
    with reading(path), pq.ParquetFile(path) as file:
        found = file.read(columns)
        return found if columns is None else found.select(columns)


def read_arrow(path: Path | str) -> pa.Table:
    """Return an Arrow file as a memory-mapped table.

    Raises:
        DataError: the file is damaged; it is named.
    """
    with reading(path):
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file of ours; raises DataError as `read_table`."""
    with reading(path):
        return pq.read_schema(path)


def rows_in(path: Path) -> int:
    """Return the number of rows of a Parquet file of ours; raises DataError as `read_table`."""
    with reading(path):
        return int(pq.read_metadata(path).num_rows)


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Name a file that a run wrote where it turns out to be damaged, and the command that makes it again.

    Raises:
        DataError: it is no longer what was written.
    """
    try:
        yield
    except (pa.ArrowException, KeyError, OSError) as e:
        if isinstance(e, MemoryError) or (isinstance(e, OSError) and e.errno is not None):  # of the machine, not of the file
            raise
        said = " ".join(str(e).split())[:160]
        made = folders.run_of(Path(path))
        again = f"the command that made {made}, given with --fresh, makes it again" if made else "make or copy it again"
        raise DataError(f"{path} is damaged ({said}); {again}") from e


def read_shards(folder: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the shards of a folder as tables, in order; only the named columns where given."""
    for path in shard_paths(folder):
        yield read_table(path, columns)


def read_all(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """Return all shards of a folder as one table."""
    return pa.concat_tables(read_shards(folder, columns))


def count_rows(folder: Path) -> int:
    """Number of rows in the shards of a folder, from their footers."""
    return sum(map(rows_in, shard_paths(folder)))


def iterate_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of a folder as Python values."""
    for table in read_shards(folder):
        for batch in table.to_batches(max_chunksize=1024):
            yield from batch.to_pylist()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON under a temporary name and rename it."""
    write_text(path, dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text under a temporary name and rename it; a file's name that is not UTF-8 is in it as JSON's escapes."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)


def read_json(path: Path) -> Any:
    """Return the JSON object of a file, or None where it is absent, cut off or something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fingerprint(*parts: Any) -> str:
    """Return a short digest of JSON values: equal parts, equal digest."""
    text = dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def file_digest(paths: Iterable[Path]) -> list[list[str]]:
    """Return [name, sha256] of each file, read in pieces."""
    found = []
    for path in paths:
        with path.open("rb") as f:
            found.append([path.name, hashlib.file_digest(f, "sha256").hexdigest()])
    return found
