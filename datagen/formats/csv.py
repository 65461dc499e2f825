"""CSV and TSV containers: a header, then flat records of texts."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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


KEPT = 1 << 20  # characters of a broken stretch that are kept
OPEN = "a quote is never closed, or stands alone in a quoted cell"


class CsvRecord(NamedTuple):
    """One record, or one stretch of lines that is none."""

    line: int  # its last line, from 1; of a broken stretch the first
    cells: list[str]
    raw: str  # its lines, in case it is no record; of very long ones the start
    problem: str = ""


class _TooLongError(Exception):
    """A line, or the lines of a quoted cell, are longer than what is read."""


class Records:
    """The records of a text, blank lines left out."""

    def __init__(self, text: io.TextIOWrapper, delimiter: str) -> None:
        """Read from a text that was opened with `newline=""`."""
        self._text, self._delimiter = text, delimiter
        self._again: deque[str] = deque()  # lines that an open quote had swallowed
        self._taken: list[str] = []  # lines of the record at hand
        self._size = 0  # of them, in characters
        self._columns = 0  # of the header; 0 while it is read
        self._quoted = self._spaced = False  # the file quotes every cell; has blanks behind delimiters
        self.line = 0  # lines read so far

    def expect(self, columns: list[str], header: str) -> None:
        """Say what the header holds, and how it is written: a line that goes on after a broken one looks alike."""
        self._columns = len(columns)
        self._quoted = header.startswith('"')
        self._spaced = any(c.startswith(" ") for c in columns)

    def records(self) -> Iterator[CsvRecord]:
        """Yield the records from here on."""
        # Strict: the lenient reader drops the quotes that it does not understand.
        reader = csv.reader(self, delimiter=self._delimiter, strict=True)
        while True:
            self._taken, self._size = [], 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except _TooLongError:
                yield self._overlong()
            except csv.Error:
                yield self._broken()
            else:
                if cells:
                    self._spaced = self._spaced or (len(self._taken) == 1 and any(c.startswith(" ") for c in cells))
                    yield CsvRecord(self.line, cells, "".join(self._taken))

    def __iter__(self) -> Iterator[str]:
        """Give the lines themselves; after the last one they may go on, where an open quote had swallowed some."""
        return self

    def __next__(self) -> str:
        """Return the next line with its end."""
        line = self._again.popleft() if self._again else self._text.readline(LONGEST)
        if not line:
            raise StopIteration
        self.line += 1
        self._taken.append(line)
        self._size += len(line)
        if self._size >= LONGEST:
            raise _TooLongError
        return line

    def _overlong(self) -> CsvRecord:
        """Give up a line that is too long, or the first line of a cell that is."""
        if len(self._taken) > 1:
            return self._broken()
        size, at = self._size, self.line
        ended = self._taken[0].endswith(("\n", "\r"))
        while not ended and (more := self._text.readline(LONGEST)):
            size += len(more)
            ended = more.endswith(("\n", "\r"))
        return CsvRecord(at, [], self._taken[0][:KEPT], f"a line of {size:,} characters, where {LONGEST:,} are read")

    def _broken(self) -> CsvRecord:
        """Give up the first of the lines at hand, and those behind it up to one that is a record by itself."""
        first = self.line - len(self._taken) + 1
        lost, *rest = self._taken
        self._again.extendleft(reversed(rest))
        self.line = first
        kept = [lost]
        size = len(lost)
        while line := self._again.popleft() if self._again else self._text.readline(LONGEST):
            if self._is_record(line):
                self._again.appendleft(line)
                break
            self.line += 1
            if size < KEPT:
                kept.append(line)
            size += len(line)
        return CsvRecord(first, [], "".join(kept)[:KEPT], OPEN)

    def _is_record(self, line: str) -> bool:
        """Whether a line is a record by itself, written like those of the rest of the file."""
        if not self._columns or (self._quoted and not line.startswith('"')):
            return False
        if line.count('"') % 2:  # it may end the cell that was open, or open another
            opened = csv.reader([line], delimiter=self._delimiter)
            return line.startswith('"') and len(next(opened, [])) <= self._columns
        try:
            found = list(csv.reader([line], delimiter=self._delimiter, strict=True))
        except csv.Error:
            return False
        if len(found) != 1 or len(found[0]) != self._columns:
            return False
        # Prose has a blank behind its commas; where the file has none elsewhere, this is no record but text of a cell.
        return self._spaced or not any(cell.startswith(" ") for cell in found[0])
