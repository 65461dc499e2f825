"""CSV and TSV containers: a header, then flat records of texts."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datagen.formats.csv_records import CsvRecord, Records
from datagen.formats.json_values import LONGEST
from datagen.formats.names import KNOWN as FIELDS
from datagen.formats.names import known_name, pair_in
from datagen.formats.pieces import Piece
from datagen.formats.shape import Record, dumps
from datagen.formats.splits import tell
from datagen.formats.streams import CHUNK, Unpacked, head

DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=([\t -/:-@\[-`{-~])"?\r?\n')  # Excel's first line: no header
_UNDECODED = re.compile("[\udc80-\udcff]")


def pieces(path: Path, known: Iterable[str] = (), encoding: str = "") -> Iterator[Piece]:
    """Yield the records of a CSV or TSV file; a row with another number of cells than the header is a problem.

    Args:
        path: the file.
        known: column names that a user's map speaks of; they help to find the delimiter.
        encoding: of the file; "" is that of its mark, without one UTF-8.
    """
    with _opened(path, known, encoding) as (found, header, unpacked):
        if header and (header.problem or any(map(_UNDECODED.search, header.cells))):
            problem = header.problem or "bytes that are not UTF-8"
            yield Piece("the header", None, header.raw.encode("utf-8", "surrogateescape"), problem)
            return
        columns = _distinct(header.cells if header else [])
        for old, new in zip(header.cells if header else [], columns, strict=True):
            if old.strip() and old != new:
                tell(str(path.resolve()), f"{path}: several columns are named '{old}': one of them is read as '{new}'")
        found.expect(columns, header.raw if header else "")
        held: Piece | None = None  # one row back: the last one is not to be trusted when the file breaks off
        for record in found.records():
            if held:
                yield held
            held = _piece(record, columns)
        if unpacked.broken:
            raw = (held.raw or dumps(held.record).encode("utf-8", "backslashreplace")) if held else b""
            yield Piece(f"line {found.line}", None, raw, unpacked.broken)
        elif held:
            yield held


def columns_of(path: Path, known: Iterable[str] = (), encoding: str = "") -> list[str]:
    """Return the names in the header of a CSV or TSV file, found as `pieces` finds it; [] where there is none."""
    with _opened(path, known, encoding) as (_, header, _unpacked):
        return _distinct(header.cells if header else [])


@contextmanager
def _opened(path: Path, known: Iterable[str], encoding: str) -> Iterator[tuple[Records, CsvRecord | None, Unpacked]]:
    """Give the records of a file behind its header, its header, and the stream that says whether it breaks off."""
    csv.field_size_limit(LONGEST)
    start = head(path, 1 << 16, encoding)
    said = _SEPARATOR.match(start)
    delimiter = said[1].decode() if said else _delimiter(start, set(known))
    unpacked = Unpacked(path, encoding)
    # Bytes that are not UTF-8 travel as lone surrogates, which make the one row unreadable, not the file.
    with io.TextIOWrapper(
        io.BufferedReader(unpacked, CHUNK), encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as text:
        found = Records(text, delimiter)
        if said:
            next(found)
        yield found, next(found.records(), None), unpacked


def _piece(record: CsvRecord, columns: list[str]) -> Piece:
    position, problem = f"line {record.line}", record.problem
    if not problem and len(record.cells) != len(columns):
        problem = f"{len(record.cells)} cells where the header has {len(columns)}"
    if not problem:
        return Piece(position, dict(zip(columns, record.cells, strict=True)), b"", "")
    return Piece(position, None, record.raw.encode("utf-8", "surrogateescape"), problem)


def _distinct(columns: list[str]) -> list[str]:
    """Return the header with a number behind every name that comes again, so that no column hides another."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names


def _delimiter(start: bytes, known: set[str]) -> str:
    """Return the delimiter under which the header has most known names; else what csv.Sniffer thinks; else a comma.

    Of a header of one column it is one that its rows do not hold, where there is such a one.
    """
    text = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    header = text.lstrip("\r\n").splitlines()[:1]

    def cells(delimiter: str, lines: Iterable[str]) -> list[list[str]]:
        return list(csv.reader(lines, delimiter=delimiter))

    def names(delimiter: str) -> int:
        found = next(iter(cells(delimiter, header)), [])
        pair = 2 * (len(found) > 1 and pair_in(found) is not None)
        return pair + sum(name in known or known_name(name) in FIELDS for name in found)

    if all(len(row) < 2 for delimiter in DELIMITERS for row in cells(delimiter, header)):
        some = io.StringIO(text[: text.rfind("\n") + 1] or text, newline="").readlines()
        return next((d for d in DELIMITERS if all(len(row) < 2 for row in cells(d, some))), ",")
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
