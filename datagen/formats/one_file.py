"""The reading of one file: its container is found by its content, its records become rows, what cannot be read ledger rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from datagen.data.rows import Row, dropped_row, new_row
from datagen.errors import DataError
from datagen.formats import csv, foreign, jsonl, parquet, tables, wrapped
from datagen.formats.dialects import has_answer, is_maps, parsed_turns
from datagen.formats.dotted import NOTHING, leaves, shown, value_at
from datagen.formats.names import CONVERSATIONS, KNOWN, PROMPTS, SIDES, answer_among, in_their_names, known_name
from datagen.formats.notes import Notes
from datagen.formats.pieces import Piece
from datagen.formats.records import mapped, rows_of, without_index, without_repeat
from datagen.formats.shape import Record, dumps
from datagen.formats.split_column import Parts, names_parts
from datagen.formats.splits import ALL, check_file, tell
from datagen.formats.streams import PARQUET, encoding_hint, head
from datagen.json_text import finite

EXPECTED = (
    "Alpaca (instruction, output), ShareGPT (conversations), messages, prompt/completion, CSV with such columns, or Parquet"
)
Answers = Literal["any", "named", "needed"]
MOST_FIELDS = 200  # whose names are remembered
HELD = 1000  # rows held back until a file has shown that it can be read


def named(path: Path) -> str:
    """Return the name of a file as it can be stored: bytes in it that are not UTF-8 as escapes."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


@dataclass
class File:
    """One file, and what came out of it so far."""

    path: Path
    label: str  # how evidence and ids name the file
    names: Mapping[str, str]  # the file's field → our name
    source: str
    roles: Mapping[str, str]  # the file's name of a role → ours
    answers: Answers
    encoding: str = ""  # of its text; "" is that of its mark, without one UTF-8
    parts: Parts = field(default_factory=lambda: Parts("", ALL))  # of the source, where its rows name them
    alone: bool = False  # whether the user named this very file
    held_out: int = 0  # records of parts that are not read
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
        if self.parts.chosen and self.alone and not self.of_parts:
            check_file(str(self.path), f"{self.path.parent.name}/{self.label}", self.parts.chosen)
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
            found = unfolded(jsonl.pieces(self.path, self.encoding), self.names)
            return found if as_it_stands else wrapped.unwrapped(found, self.names, str(self.path)), False
        return csv.pieces(self.path, self.names, self.encoding), False

    @cached_property
    def of_parts(self) -> bool:
        """Whether the rows of the file name their parts, as far as one is chosen."""
        if not self.parts.chosen:
            return False
        pieces, native = self.opened()
        return not native and names_parts((piece.record for piece in pieces), self.parts.chosen)

    @cached_property
    def hint(self) -> str:
        """What the bytes of the file may be that are not UTF-8."""
        return encoding_hint(self.path)

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
                if not self.parts.takes(record, of_parts=self.of_parts):
                    self.held_out, self.understood = self.held_out + 1, True
                    return []
                self._note(record)
                if self.names or self.roles:
                    record = mapped(record, self.names, self.roles, self.notes)
            times = 1
            if isinstance(record, dict):
                record, times = without_repeat(record, self.names, self.notes)
            rows = rows_of(record, self.source, self.notes)
            for row in rows:
                row["repeat"] = times
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


def unread_row(label: str, piece: Piece, problem: str, reason: str, source: str) -> Row:
    """Return the ledger row of a piece: what stands there in `extra`, its start and why it is no row in the evidence.

    Args:
        label: how evidence and ids name the file.
        piece: of the file.
        problem: why it is no row.
        reason: `unreadable`, `needs_images`.
        source: goes to the row's `source`.
    """
    raw = piece.raw or (b"" if piece.record is None else dumps(piece.record).encode("utf-8", "backslashreplace"))
    text = raw.decode("utf-8", "backslashreplace")
    row = new_row(extra=dumps({"raw": text}))
    digest = hashlib.blake2b(f"{label}\0{piece.position}\0".encode("utf-8", "backslashreplace"), digest_size=16)
    digest.update(raw)
    row["id"] = digest.hexdigest()
    row["source"] = source
    # Of a row with images the start may be their bytes.
    start = "" if reason == "needs_images" else text[:200].strip().replace("\r", " ").replace("\n", " ")
    place = f"{label}: {piece.position}"
    return dropped_row(row, "input", reason, evidence=f"{place}: {problem}: {start}" if start else f"{place}: {problem}")


def unfolded(pieces: Iterator[Piece], known: Collection[str] = ()) -> Iterator[Piece]:
    """Yield pieces as they come; the rows of the one piece instead where it is a table.

    Args:
        pieces: of one file.
        known: names of fields, beside those that are known anyway.
    """
    first = list(islice(pieces, 2))
    found = table_records(first[0].record, known) if len(first) == 1 and not first[0].problem else None
    if found is None:
        yield from chain(first, pieces)
        return
    for number, record in enumerate(found, 1):
        yield Piece(f"row {number}", record, b"", "")


def table_records(value: Any, known: Collection[str] = ()) -> list[Record] | None:
    """Return the records of a table (split, table, index, columns, or `to_dict("list")`); None where the value is none."""
    if not isinstance(value, dict) or not value:
        return None
    if value.keys() <= {"columns", "index", "data"} and {"columns", "data"} <= value.keys():
        return _split(value["columns"], value["data"])
    if value.keys() == {"schema", "data"} and isinstance(value["schema"], dict) and "fields" in value["schema"]:
        rows = value["data"]
        return rows if isinstance(rows, list) and all(isinstance(r, dict) for r in rows) else None
    names = KNOWN | set(known)
    inner = list(value.values())
    if all(isinstance(v, dict) for v in inner):
        if _has_field(value, names) and all(v.keys() == inner[0].keys() for v in inner):
            return [{name: column[row] for name, column in value.items()} for row in inner[0]]
        if all(_is_number(k) for k in value) and all(_has_field(v, names) for v in inner):
            return inner
    return _columns_of_lists(value, names)


def _split(columns: Any, data: Any) -> list[Record] | None:
    if not isinstance(columns, list) or not isinstance(data, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return None
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _columns_of_lists(value: Record, names: Collection[str]) -> list[Record] | None:
    """The rows of columns that are lists of one length, of which one is of texts; a conversation is a list, too, but not so."""
    lists = list(value.values())
    if not all(isinstance(v, list) and len(v) == len(lists[0]) for v in lists) or not lists[0]:
        return None
    texts = [k for k, v in value.items() if known_name(k) in names and all(isinstance(one, str) for one in v)]
    turns = [k for k in value if known_name(k) in (*CONVERSATIONS, *SIDES) and all(isinstance(t, dict) for t in value[k])]
    if not texts or turns or len(lists) < 2:
        return None
    return [{name: column[row] for name, column in value.items()} for row in range(len(lists[0]))]


def _has_field(record: Record, names: Collection[str]) -> bool:
    return any(known_name(key) in names for key in record)


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isdecimal()
