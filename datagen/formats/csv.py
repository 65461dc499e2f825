"""CSV and TSV containers: a header, then flat records of texts."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datagen.formats.pieces import Piece
from datagen.formats.shape import Record, dumps
from datagen.formats.streams import CHUNK, Unpacked, head

DELIMITERS = ",;\t|"
KNOWN = {"instruction", "input", "output", "system", "context", "chosen", "rejected"} | {
    *("prompt", "completion", "question", "query", "answer", "response")
}
CELL = 1 << 30  # the longest cell, in characters


def pieces(path: Path, known: Iterable[str] = (), encoding: str = "") -> Iterator[Piece]:
    """Yield the records of a CSV or TSV file; a row with another number of cells than the header is a problem.

    Args:
        path: the file.
        known: column names that a user's map speaks of; they help to find the delimiter.
    """
    csv.field_size_limit(CELL)
    delimiter = _delimiter(head(path, 1 << 16, encoding), KNOWN | set(known))
    unpacked = Unpacked(path, encoding)
    # Bytes that are not UTF-8 travel as lone surrogates, which make the one row unreadable, not the file.
    with io.TextIOWrapper(
        io.BufferedReader(unpacked, CHUNK), encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as text:
        reader = csv.reader(text, delimiter=delimiter)
        columns = _distinct(next(_rows(reader), ("", []))[1])
        held: Piece | None = None  # one row back: the last one is not to be trusted when the file breaks off
        for problem, cells in _rows(reader):
            if held:
                yield held
            held = _piece(f"line {reader.line_num}", columns, cells, problem, delimiter)
        if unpacked.broken:
            raw = (held.raw or dumps(held.record).encode("utf-8", "backslashreplace")) if held else b""
            yield Piece(f"line {reader.line_num}", None, raw, unpacked.broken)
        elif held:
            yield held


def _rows(reader: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield (problem, cells) for every row that is not blank."""
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield str(error), []
        else:
            if cells:
                yield "", cells


def _piece(position: str, columns: list[str], cells: list[str], problem: str, delimiter: str) -> Piece:
    if not problem and len(cells) != len(columns):
        problem = f"{len(cells)} cells where the header has {len(columns)}"
    if not problem:
        return Piece(position, dict(zip(columns, cells, strict=True)), b"", "")
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return Piece(position, None, line.getvalue().encode("utf-8", "surrogateescape"), problem)


def _distinct(columns: list[str]) -> list[str]:
    """Return the header with a number behind every name that comes again, so that no column hides another."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names


def _delimiter(start: bytes, known: set[str]) -> str:
    """Return the delimiter under which the header has most known names; else what csv.Sniffer thinks; else a comma."""
    text = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    header = text.lstrip("\r\n").splitlines()[:1]

    def names(delimiter: str) -> int:
        return sum(name in known for row in csv.reader(header, delimiter=delimiter) for name in row)

    best = max(DELIMITERS, key=names)
    if names(best):
        return best
    try:
        return csv.Sniffer().sniff(text, DELIMITERS).delimiter
    except csv.Error:
        return ","


def cell(value: Any) -> str:
    """Return a value as the text of a cell: text unchanged, null as "", anything else as its JSON text."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value)


def write(records: Iterable[Record], columns: list[str], stream: io.TextIOBase, *, tabs: bool) -> None:
    """Write records under the given columns, absent values as empty cells."""
    writer = csv.writer(stream, delimiter="\t" if tabs else ",", lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([cell(record.get(column)) for column in columns])
