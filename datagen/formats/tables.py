"""Rows of Arrow tables as records: no value is lost to another's fault, and NaN is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import first_line
from datagen.formats.pieces import Piece
from datagen.formats.shape import dumps
from datagen.json_text import finite

STEP = 1024  # rows that are turned into Python values at a time
ARROW_FILE, ARROW_STREAM = b"ARROW1", b"\xff\xff\xff\xff"
_FAULTS = (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError)  # of one value that Python cannot hold


def source(path: Path) -> str | IO[bytes]:
    """Return what Arrow opens a file by: its name, or an open file where the name is not UTF-8."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return path.open("rb")
    return str(path)


def class_labels(path: Path) -> list[str]:
    """Return the columns of a Parquet or Arrow file whose numbers are indices of names, by what `datasets` wrote into it."""
    try:
        with path.open("rb") as file:
            start = file.read(len(ARROW_FILE))
            file.seek(0)
            if start.startswith(b"PAR1"):
                schema = pq.read_schema(file)
            elif start.startswith((ARROW_FILE, ARROW_STREAM)):
                schema = (pa.ipc.open_file if start == ARROW_FILE else pa.ipc.open_stream)(file).schema
            else:
                return []
            features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
            return [name for name, kind in features.items() if kind.get("_type") == "ClassLabel"]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # it says nothing of its columns


def arrow_pieces(path: Path) -> Iterator[Piece]:
    """Yield one record per row of an Arrow file or stream, as `datasets` saves them; what breaks off is one problem."""
    number = 0
    try:
        with path.open("rb") as file:
            whole = file.read(len(ARROW_FILE)) == ARROW_FILE
            file.seek(0)
            for batch in _batches(file, whole=whole):
                for at in range(0, len(batch), STEP):
                    piece = batch.slice(at, STEP)
                    yield from records(piece, number + 1)
                    number += len(piece)
    except (pa.ArrowException, OSError) as error:
        yield Piece(f"row {number + 1}", None, b"", f"the file breaks off: {first_line(error)}")


def _batches(file: IO[bytes], *, whole: bool) -> Iterator[pa.RecordBatch]:
    if whole:
        reader = pa.ipc.open_file(file)
        yield from (_sound(reader.get_batch(n)) for n in range(reader.num_record_batches))
    else:
        yield from map(_sound, pa.ipc.open_stream(file))


def _sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose offsets lie within it; what is no UTF-8 is told later, by the row.

    Raises:
        ArrowInvalid: they do not, and reading it would read other memory.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF" not in str(error):
            raise
    return batch


def records(batch: pa.RecordBatch, first: int, schema: pa.Schema | None = None) -> Iterator[Piece]:
    """Yield one piece per row of a batch.

    Args:
        batch: some rows.
        first: the number of its first row.
        schema: types that some of its columns must have; a row whose value cannot be such is a problem.
    """
    names = batch.schema.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        for number in range(first, first + len(batch)):
            yield Piece(f"row {number}", None, b"", f"two columns are named '{twice}'; rename one", fault=True)
        return
    try:
        found = _values(batch, schema)
    except _FAULTS as error:
        if len(batch) == 1:
            yield Piece(f"row {first}", None, _raw(batch), _said(error), fault=True)
        else:
            for at in range(len(batch)):
                yield from records(batch.slice(at, 1), first + at, schema)
        return
    for number, record in enumerate(found, first):
        yield Piece(f"row {number}", record, b"", "")


def _values(batch: pa.RecordBatch, schema: pa.Schema | None) -> list[dict[str, Any]]:
    for field in schema or ():
        at = batch.schema.get_field_index(field.name)
        if batch.schema.field(at).type != field.type:
            try:
                column = batch.column(at).cast(field.type)
            except pa.ArrowException as error:
                raise ValueError(f"the column '{field.name}' must hold {field.type}: {first_line(error)}") from error
            batch = batch.set_column(at, pa.field(field.name, field.type), column)
    found: list[dict[str, Any]] = batch.to_pylist()
    for name in [f.name for f in batch.schema if _has_floats(f.type)]:
        for record in found:
            record[name] = finite(record[name])  # in a table they say that something is missing
    return found


def _has_floats(kind: pa.DataType) -> bool:
    """Whether values of a type may be NaN, at any depth."""
    if pa.types.is_floating(kind):
        return True
    if pa.types.is_dictionary(kind):
        return _has_floats(kind.value_type)
    return any(_has_floats(kind.field(n).type) for n in range(kind.num_fields))


def _raw(row: pa.RecordBatch) -> bytes:
    """Return one row as far as it can be shown: a value that Python cannot hold as its bytes, or its type."""
    shown = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            shown[name] = column[0].as_py()
        except _FAULTS:
            text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            shown[name] = column.cast(pa.large_binary())[0].as_py() if text else f"({column.type})"
    return dumps(shown).encode("utf-8", "backslashreplace")


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.object[error.start]:#04x} in a text"
    return first_line(error)
