"""Reading any instruction data into rows, and unreadable pieces into ledger rows; content decides, not the name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from datagen.errors import DataError
from datagen.formats import csv, encodings, foreign, json_table, jsonl, parquet, tables, wrapped
from datagen.formats.dialects import has_answer, is_maps, parsed_turns
from datagen.formats.dotted import NOTHING, leaves, shown, value_at
from datagen.formats.names import KNOWN, PROMPTS, answer_among, in_their_names, known_name
from datagen.formats.notes import Notes
from datagen.formats.pieces import Piece
from datagen.formats.records import checked_map, mapped, rows_of, without_index
from datagen.formats.roles import checked_roles
from datagen.formats.sources import files
from datagen.formats.splits import tell
from datagen.formats.streams import PARQUET, head
from datagen.formats.unread import unread_row
from datagen.json_text import finite
from datagen.rows import Row

__all__ = ["Source", "files", "read", "records"]

EXPECTED = (
    "Alpaca (instruction, output), ShareGPT (conversations), messages, prompt/completion, CSV with such columns, or Parquet"
)
Answers = Literal["any", "named", "needed"]
MOST_FIELDS = 200  # whose names are remembered
NO_ROW = "nothing to read, not one row; check the input"
HELD = 1000  # rows held back until a file has shown that it can be read


@dataclass(frozen=True)
class Source:
    """One input as the user gave it."""

    path: str  # file, folder, `-` or hf://datasets/owner/name[/file]
    name: str = ""  # goes to the `source` column of its rows when set


def read(
    path: str,
    *,
    name: str = "",
    mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    stdin_copy: Path | None = None,
    limit: int | None = None,
    answers: Answers = "any",
    split: str | None = None,
    encoding: str = "",
    needs_rows: bool = False,
) -> Iterator[Row]:
    """Yield the rows of a source, and a ledger row (it has the key `reason`) for every piece that cannot be read.

    Args:
        path: a file, a folder, `-` or `hf://datasets/owner/name[/file]`.
        name: goes to `source`; a row's own, different source is then kept in `extra`.
        mapping: our field name ← the file's, such as `{"instruction": "question", "output": "answer"}`.
        roles: the file's name of a role → ours, such as `{"agent": "assistant"}`.
        stdin_copy: where standard input is copied to.
        limit: the most rows and ledger rows to yield; null for all.
        answers: whether a file without any answer is an error: `any`: never, for prompts; `needed`: always; `named`: where
            a field of another name could hold them.
        split: the part of a folder or set with train, validation and test parts; null for train, `all` for each.
        encoding: of texts, such as `gb18030`; by default what their mark says, else UTF-8.
        needs_rows: a text without any row is an error: most likely what wrote it failed. A Parquet file without rows is one.

    Raises:
        DataError: nothing is there, no row of a file could be read, a mapped field is in no record, or no answer; or the
            numbers of its right choices may count from 0 or from 1.
        UsageError: the map speaks of a name that is not ours, or the encoding is none.
    """
    names, known_roles = checked_map(mapping), checked_roles(roles)
    encoding = encodings.checked(encoding) if encoding else ""
    found = files(path, stdin_copy, split)
    labels = ["stdin" if path == "-" else named(file) for file in found]
    opened = (
        _File(file, label, names, name, known_roles, answers, encoding) for file, label in zip(found, labels, strict=True)
    )  # fmt: skip
    rows = _rows_of(path, opened, needs_rows=needs_rows and not any(label.endswith(".parquet") for label in labels))
    return rows if limit is None else islice(rows, limit)


def _rows_of(path: str, opened: Iterator[_File], *, needs_rows: bool) -> Iterator[Row]:
    """Yield the rows of files, and say which of several hold none."""
    empty, count = [], 0
    for file in opened:
        count += 1
        came = False
        for row in file.rows():
            came = True
            yield row
        if not came:
            empty.append(file.label)
    if needs_rows and len(empty) == count:
        raise DataError(f"{path}: {NO_ROW}")
    texts = [label for label in empty if not label.endswith(".parquet")]
    if texts and count > 1:
        tell(path, f"{path}: {len(texts):,} of its {count:,} files hold no row: {shown(texts, 3)}")


def records(path: str, split: str | None = None) -> Iterator[tuple[str, Piece]]:
    """Yield the name of the file and each record of it as it stands, of whatever fields: for files that hold no rows."""
    for file in files(path, split=split):
        pieces, _ = _File(file, named(file), {}, "", {}, "any").opened(as_it_stands=True)
        for piece in pieces:
            yield named(file), piece


def named(path: Path) -> str:
    """Return the name of a file as it can be stored: bytes in it that are not UTF-8 as escapes."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


@dataclass
class _File:
    """The reading of one file: what came out of it so far."""

    path: Path
    label: str  # how evidence and ids name the file
    names: Mapping[str, str]  # the file's field → our name
    source: str
    roles: Mapping[str, str]  # the file's name of a role → ours
    answers: Answers
    encoding: str = ""  # of its text; "" is that of its mark, without one UTF-8
    good: int = 0
    understood: bool = False  # a record was wrong in a way that only a record of a known container can be
    first_problem: str = ""
    fields: dict[str, int] = field(default_factory=dict)  # characters of text in every field seen, while something is missing
    answered: bool = False  # whether a record had an answer
    notes: Notes = field(init=False)
    missing: set[str] = field(default_factory=set)  # mapped fields that no record has had yet

    def __post_init__(self) -> None:
        """Make the notes, for which the file may be read ahead."""
        self.notes = Notes(str(self.path), self._ahead)

    def rows(self) -> Iterator[Row]:
        """Yield the rows and the ledger rows of the file, holding the first ones back until the file proves readable.

        Raises:
            DataError: there was something to read, but no row came out of it, or a mapped field is nowhere.
        """
        self.missing = set(self.names)
        pieces, native = self.opened()
        self.answered = native or self.answers == "any"
        held: list[Row] = []
        for piece in pieces:
            rows = [self._native_row(piece)] if native else self._rows(piece)
            sure = self.good and not self.missing and self.answered
            if held or not sure:
                held += rows
                if sure or len(held) >= HELD:
                    yield from held
                    held.clear()
            else:
                yield from rows
        self._check()
        for words in self.notes.lines():
            tell(str(self.path.resolve()), f"{self.path}: {words}")
        yield from held

    def opened(self, *, as_it_stands: bool = False) -> tuple[Iterator[Piece], bool]:
        """Return the pieces of the file, and whether they are rows already; with what is around them where that is asked."""
        with self.path.open("rb") as file:
            magic = file.read(8)
        if magic.startswith((tables.ARROW_FILE, tables.ARROW_STREAM)):
            return tables.arrow_pieces(self.path), False
        start = head(self.path, jsonl.START, self.encoding)
        if start.startswith(PARQUET):
            native = parquet.is_native(self.path) and not self.names
            return parquet.pieces(self.path, native=native), native
        if kind := foreign.told(start, self.path):
            raise DataError(f"{self.path}: {kind}")
        if jsonl.is_json(start):
            found = json_table.unfolded(jsonl.pieces(self.path, self.encoding), self.names)
            return found if as_it_stands else wrapped.unwrapped(found, self.names, str(self.path)), False
        return csv.pieces(self.path, self.names, self.encoding), False

    @cached_property
    def hint(self) -> str:
        """What the bytes of the file may be that are not UTF-8."""
        return encodings.hint(head(self.path, 1 << 20, "latin-1").decode().encode("latin-1"))

    def _ahead(self, notes: Notes) -> Iterator[None]:
        """Read the file from its start for what its records show, a record a step."""
        for name in tables.class_labels(self.path):
            notes.index(self.names.get(name, known_name(name)))
        for piece in self.opened()[0]:
            with suppress(ValueError, OverflowError, RecursionError):
                record = finite(piece.record)
                rows_of(mapped(record, self.names, self.roles) if isinstance(record, dict) else record, "", notes)
            yield

    def _rows(self, piece: Piece) -> list[Row]:
        """Return the rows of a record, or the one ledger row that says why there are none."""
        if piece.problem:
            return [self._unreadable(piece, piece.problem)]
        try:
            record = finite(piece.record)  # NaN is what pandas has for a missing value
            if isinstance(record, dict):
                record = without_index(record, self.names)
                self._note(record)
                if self.names or self.roles:
                    record = mapped(record, self.names, self.roles)
            rows = rows_of(record, self.source, self.notes)
            self.answered = self.answered or has_answer(record)
        except UnicodeEncodeError as error:
            byte = 0xDC80 <= ord(error.object[error.start]) <= 0xDCFF
            problem = "bytes that are not UTF-8" if byte else "a lone surrogate, which is no character"
            return [self._unreadable(piece, problem)]
        except RecursionError:
            return [self._unreadable(piece, "nested too deeply")]
        except (ValueError, OverflowError) as error:
            problem = in_their_names(str(error), self.names)
            return [self._unreadable(piece, problem, getattr(error, "reason", "unreadable"))]
        self.good += len(rows)
        return rows

    def _note(self, record: Mapping[str, object]) -> None:
        """Remember the fields of a record for the message about what is missing."""
        if not self.missing and self.answered:
            return
        self._find(record)
        for value in record.values() if self.missing else ():
            turns = parsed_turns(value, self.names) if isinstance(value, str) else value
            for turn in turns if is_maps(turns) else ():
                self._find(turn)
        for name, value in record.items():
            own = str(name)
            for inner, text in [(own, value)] if known_name(own) in KNOWN else leaves({own: value}):
                if inner in self.fields or len(self.fields) < MOST_FIELDS:
                    self.fields[inner] = self.fields.get(inner, 0) + (len(text) if isinstance(text, str) else 0)

    def _find(self, record: Mapping[str, object]) -> None:
        """Cross off the mapped fields that a record or turn has."""
        self.missing -= record.keys()
        self.missing -= {name for name in self.missing if "." in name and value_at(record, name) is not NOTHING}

    def _native_row(self, piece: Piece) -> Row:
        if piece.problem:
            return self._unreadable(piece, piece.problem)
        try:
            row = parquet.read_native(without_index(piece.record))
        except ValueError as error:
            self.understood = True
            return self._unreadable(piece, str(error))
        if self.source and row["source"] and row["source"] != self.source:
            row["extra"] = parquet.with_extra(row["extra"], {"source": row["source"]})
        if self.source:
            row["source"] = self.source
        self.good += 1
        return row

    def _unreadable(self, piece: Piece, problem: str, reason: str = "unreadable") -> Row:
        problem = problem.encode("utf-8", "backslashreplace").decode()  # it may quote half a character
        self.understood = self.understood or piece.fault
        if "UTF-8" in problem and not piece.fault:
            problem = problem.replace("UTF-8", self.encoding or "UTF-8") + (f"; {self.hint}" if not self.encoding else "")
        self.first_problem = self.first_problem or f"{piece.position}: {problem}"
        return unread_row(self.label, piece, problem, reason, self.source)

    def _check(self) -> None:
        if self.missing and self.fields:
            theirs = ", ".join(f"'{name}'" for name in sorted(self.missing))
            raise DataError(f"{self.path}: no record has the mapped field {theirs}; the fields are: {shown([*self.fields])}")
        if self.good and not self.answered:
            self._check_answers()
        if doubt := self.notes.doubt():
            raise DataError(f"{self.path}: {doubt}")
        if self.first_problem and not self.good and not self.understood:
            if kind := foreign.likely(head(self.path, jsonl.START, self.encoding), self.path):
                raise DataError(f"{self.path}: {kind}")
            problem = self.notes.up_to_date(self.first_problem)
            raise DataError(f"{self.path}: no row could be read; expected {EXPECTED}; first problem: {problem}")

    def _check_answers(self) -> None:
        """Raise DataError for a file of tasks without answers, with the map that would name them."""
        others = {name: size for name, size in self.fields.items() if size and known_name(name) not in KNOWN}
        if not others and self.answers == "named":
            return
        mend = "`datagen answer` makes them"
        if others:
            target = "output" if any(known_name(name) in PROMPTS for name in self.fields) else "messages"
            found = answer_among(others)
            mend = f"if one of them is the answer, say --map {target}={found or 'FIELD'}"
        raise DataError(f"{self.path}: no record has an answer; the fields are: {shown([*self.fields])}; {mend}")
