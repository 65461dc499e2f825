"""Records of a CSV text: a quote that is never closed costs its record, and not all that stands behind it.

A quoted cell may hold line breaks, so a quote too many swallows the file up to the next one. A record of several lines is
believed where it is written as CSV wants it: each quote that closes a cell stands before a delimiter or a line's end.
Else its first line alone is broken, and reading goes on at the next line that is a record by itself.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from datagen.formats.json_values import LONGEST

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
