"""Parquet container: rows of datagen natively, any other table as records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.data.rows import ROLES, ROW, Row, row_id
from datagen.errors import DataError, first_line
from datagen.folders import run_of
from datagen.formats.format import Format, Written
from datagen.formats.json_values import loads
from datagen.formats.pieces import Piece
from datagen.formats.shape import KEY, check_repeat, dumps
from datagen.formats.streams import whole_file
from datagen.formats.tables import STEP, records, source

NAME = "parquet"
GROUP = 8192  # rows per row group
# What the elements of a list column must have; those of texts are the value themselves.
NEEDED: dict[str, tuple[str, ...]] = {"messages": ("role",), "candidates": ("text",), "parents": (), "tags": ()}


def is_native(path: Path) -> bool:
    """Whether a Parquet file has the columns of ROW (and perhaps more).

    Raises:
        DataError: the file is no Parquet file after all.
    """
    try:
        with pq.ParquetFile(source(path)) as file:
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError) as error:
        run = run_of(path)
        again = f"the command that made {run}, given with --fresh, makes it again" if run else "copy it again"
        raise DataError(f"{path}: not a readable Parquet file ({first_line(error)}); it may be cut off: {again}") from error
    return set(ROW.names) <= set(names)


def pieces(path: Path, *, native: bool = False) -> Iterator[Piece]:
    """Yield one record per row; of a row group what cannot be read is one problem.

    Args:
        path: the file.
        native: its columns are those of ROW, and must be of their types, or of such that become them without loss.
    """
    with pq.ParquetFile(source(path)) as file:
        before = 0
        for group in range(file.num_row_groups):
            size, number = file.metadata.row_group(group).num_rows, 0
            try:
                for batch in file.iter_batches(batch_size=STEP, row_groups=[group]):
                    yield from records(batch, before + number + 1, ROW if native else None)
                    number += len(batch)
            except (pa.ArrowException, OSError) as error:
                place = f"row {before + number + 1}" + (f" to {before + size}" if size > number + 1 else "")
                yield Piece(place, None, b"", f"the file is damaged here: {first_line(error)}")
            before += size


def read_native(record: Mapping[str, Any]) -> Row:
    """Return a row of a datagen Parquet file with its id computed anew; columns that ROW lacks go to `extra`.

    Raises:
        ValueError: it is no row: null where there must be a value, a `repeat` that nobody means, an `extra` that is no JSON.
    """
    row = {name: record[name] for name in ROW.names}
    extra = _checked(row)
    scores = {name: value for name, value in record.items() if name not in row and value is not None}
    if scores:
        shape = extra.get(KEY) or {}
        extra.update(scores)
        extra[KEY] = {"columns": sorted(scores), **shape}
        row["extra"] = dumps(extra)
    row["id"] = row_id(row)
    return row


def _checked(row: Row) -> dict[str, Any]:
    """Return the names and values in the `extra` of a row that is one, else raise ValueError."""
    for field in ROW:
        if row[field.name] is None and not field.nullable:
            raise ValueError(f"the column '{field.name}' is null")
    check_repeat("column", row["repeat"])
    for column, needed in NEEDED.items():
        for item in row[column] or ():
            if item is None or any(item[name] is None for name in needed):
                raise ValueError(f"the column '{column}' holds a null where a value must be")
    if unknown := next((t["role"] for t in row["messages"] or () if t["role"] not in ROLES), None):
        raise ValueError(f"a turn has the role '{unknown[:40]}', which is none of {', '.join(ROLES)}")
    try:
        extra = loads(row["extra"]) if row["extra"] else {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the column 'extra' is no JSON: {error}") from None
    if not isinstance(extra, dict) or not isinstance(extra.get(KEY) or {}, dict):
        raise ValueError("the column 'extra' is no JSON object")
    return extra


def with_extra(extra: str, fields: Mapping[str, Any]) -> str:
    """Return the JSON text of `extra` with more fields."""
    return dumps({**(json.loads(extra) if extra else {}), **fields})


def _columns_of(row: Row) -> Row:
    """Return the row with the score columns that reading put into `extra` as columns again."""
    if f'"{KEY}"' not in row["extra"]:
        return row
    extra = json.loads(row["extra"])
    shape = extra.get(KEY)
    columns = shape.pop("columns", ()) if isinstance(shape, dict) else ()
    if not columns:
        return row
    if not shape:
        del extra[KEY]
    back = {name: extra.pop(name) for name in columns if name in extra}
    return {**back, **row, "extra": dumps(extra) if extra else ""}


def write(rows: Iterable[Row], path: Path) -> int:
    """Write rows to one Parquet file: the ROW schema, then a column per score, zstd, row groups of one fixed size.

    Args:
        rows: rows; keys beyond ROW become columns, null where a row lacks them.
        path: the file to write; the caller renames it into place.

    Returns:
        The number of rows.
    """
    schema, count = ROW, 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in _batches(rows):
            table = _table(batch, schema)
            if writer is not None and table.schema != schema:
                writer.close()
                writer = _widened(path, table.schema)  # a later row brought a new score: older groups get nulls
            elif writer is None:
                writer = _writer(path, table.schema)
            schema = table.schema
            writer.write_table(table, row_group_size=GROUP)
            count += len(batch)
        if writer is None:
            writer = _writer(path, schema)
    finally:
        if writer is not None:
            writer.close()
    return count


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(_columns_of(row))
        if len(batch) == GROUP:
            yield batch
            batch = []
    if batch:
        yield batch


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as a table with at least the given schema, scores typed by their values."""
    for name in sorted({name for row in rows for name in row} - set(ROW.names)):
        found = pa.array([row.get(name) for row in rows])
        if pa.types.is_null(found.type):
            if name not in schema.names:
                schema = schema.append(pa.field(name, pa.float64()))
        elif name not in schema.names:
            schema = schema.append(pa.field(name, found.type))
        elif found.type != schema.field(name).type:
            both = pa.unify_schemas(
                [pa.schema([schema.field(name)]), pa.schema([(name, found.type)])], promote_options="permissive"
            )
            schema = schema.set(schema.get_field_index(name), both.field(0))
    return pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in schema}, schema=schema)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def _widened(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer that already holds the groups written so far under the wider schema."""
    narrow = path.replace(path.with_name(path.name + ".narrow"))
    writer = _writer(path, schema)
    try:
        with pq.ParquetFile(narrow) as file:
            for group in range(file.num_row_groups):
                old = file.read_row_group(group)
                columns = [
                    old.column(f.name).cast(f.type) if f.name in old.column_names else pa.nulls(len(old), f.type)
                    for f in schema
                ]
                writer.write_table(pa.table(columns, schema=schema), row_group_size=GROUP)
    finally:
        narrow.unlink(missing_ok=True)
    return writer


def _write(rows: Iterable[Row], target: Path) -> Written:
    with whole_file(target) as stream:  # pyarrow writes by name, into the file that is about to be renamed
        write(rows, Path(stream.name))
    return Written((target,), fields=tuple(ROW.names))


FORMAT = Format(NAME, write=_write, is_rows=True, long_sides=True, mixed="apart")
