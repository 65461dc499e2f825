"""The CSV in which a person judges rows elsewhere: what no spreadsheet runs, and what one changes by itself is no edit."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import regex

from datagen.data.rows import Row
from datagen.errors import DataError, UsageError, writing
from datagen.formats import encodings
from datagen.formats.csv import columns_of, pieces
from datagen.formats.streams import encoding_hint

DECISIONS = ("accept", "edit", "reject")
COLUMNS = ("id", "decision", "note", "instruction", "input", "output")
TEXTS = COLUMNS[3:]
# The most characters of a cell, in UTF-16 units: of Excel and WPS, and of LibreOffice. What is longer is cut.
CELLS = (32_767, 65_535)
MOST_SHOWN = 5  # lines
# What a spreadsheet runs as a formula where a cell begins with it, blanks before it or not, and how that is kept from it
# (OWASP, CSV injection). Apostrophes of the text's own get one more, so that what is taken off again is always ours.
_FORMULA = regex.compile(r"'*[\s\ufeff\u200b]*[=+\-@＝＋－＠]|'*[\t\r\n]")


@dataclass(frozen=True)
class Judgement:
    """What a person said of a row; an edit has the new texts."""

    id: str
    decision: str  # accept | edit | reject
    note: str = ""
    instruction: str = ""
    input: str = ""
    output: str = ""


class Written(NamedTuple):
    """What was written to a CSV."""

    rows: int
    too_long: int  # of them, with a text that is longer than a cell of Excel


class Changes:
    """Texts that a spreadsheet changed by itself, by what it did to them."""

    def __init__(self) -> None:
        self._positions: dict[str, list[str]] = defaultdict(list)

    def add(self, what: str, position: str) -> None:
        """Note a text."""
        self._positions[what].append(position)

    def lines(self, path: Path) -> list[str]:
        """Return what happened, a line for each kind."""
        told = []
        for what, at in self._positions.items():
            places = ", ".join(at[:MOST_SHOWN]) + " …" * (len(at) > MOST_SHOWN)
            told.append(f"{path}: {len(at):,} text{'s' * (len(at) != 1)} {what} ({places}): taken as unchanged")
        return told


def write(path: Path, rows: Sequence[Row], judged: Mapping[str, Judgement]) -> Written:
    """Write rows with their judgements to a CSV.

    A text that a spreadsheet would run as a formula has an apostrophe before it, which `judgement` takes off again.
    """
    too_long = 0
    with writing(path), path.open("w", encoding="utf-8-sig", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(COLUMNS)
        for row in rows:
            one = judged.get(row["id"])
            texts = one if one is not None and one.decision == "edit" else None
            shown = [guarded(getattr(texts, name) if texts else row[name]) for name in TEXTS]
            too_long += any(_units(text) > CELLS[0] for text in shown)
            writer.writerow([row["id"], one.decision if one else "", guarded(one.note if one else ""), *shown])
    return Written(len(rows), too_long)


def lines_of(path: Path, encoding: str = "") -> list[tuple[str, dict[str, str]]]:
    """Return the place and the cells of each line of a CSV, whatever stands between its cells.

    Raises:
        DataError: the file cannot be read, or lacks columns.
        UsageError: there is no such encoding.
    """
    encoding = encodings.checked(encoding) if encoding else ""
    found: list[tuple[str, dict[str, str]]] = []
    try:
        names = columns_of(path, COLUMNS, encoding)
        mine = [name.strip().lower() for name in names]
        if not names:
            raise DataError(f"{path}: is empty; --csv writes a file to be filled in")
        if missing := [c for c in COLUMNS if c not in mine]:
            has = f"; it has: {', '.join(names)[:200]}"
            raise DataError(f"{path}: has no column '{missing[0]}'{has}; --csv writes a file with all of them")
        for piece in pieces(path, COLUMNS, encoding):
            if piece.problem:
                raise DataError(f"{path}, {piece.position}: {piece.problem}")
            cells = dict(zip(mine, piece.record.values(), strict=True))
            try:
                "".join(cells[name] for name in COLUMNS).encode()
            except UnicodeEncodeError:
                told = f"not {encoding}" if encoding else f"not UTF-8; {encoding_hint(path)}"
                raise DataError(f"{path}, {piece.position}: its bytes are {told}") from None
            found.append((piece.position, cells))
    except FileNotFoundError:
        raise DataError(f"no such file: {path}") from None
    except OSError as e:
        raise DataError(f"{path}: cannot be read as CSV: {e}") from None
    return found


def judgement(line: Mapping[str, str], rows: Mapping[str, Row], place: str, changes: Changes) -> Judgement | None:
    """Return what a line of a CSV says of its row, or None where it says nothing.

    Args:
        line: its cells by their columns.
        rows: the rows of the run, by their ids.
        place: the file and the line.
        changes: is told what a spreadsheet changed by itself.

    Raises:
        UsageError: no decision, or none that there is, or no such row, or an edit without a task.
    """
    decision, row = line["decision"].strip().lower(), rows.get(line["id"])
    if row is None and decision:
        raise UsageError(f"{place}: the run has no kept row {line['id']}")
    if decision and decision not in DECISIONS:
        raise UsageError(f"{place}: '{decision}' is no decision; write accept, edit or reject")
    before = {name: row[name].replace("\r\n", "\n") if row else "" for name in TEXTS}  # its ends of lines are a spreadsheet's
    texts = {}
    for name in TEXTS:
        text, whole = line[name].replace("\r\n", "\n"), before[name]
        # A spreadsheet may have taken the apostrophe off itself.
        texts[name] = text if text == whole else unguarded(text)
        if texts[name].replace("\r", "\n") == whole.replace("\r", "\n"):  # as Excel on a Mac ends them
            texts[name] = whole
        if row is not None and (what := _changed_by_itself(text, whole)):
            texts[name] = whole
            changes.add(what, place.rpartition(", ")[2])
    changed = row is not None and texts != before
    if not decision:
        if changed:
            raise UsageError(f"{place}: its texts were changed, but it has no decision; write edit")
        return None
    decision = "edit" if changed and decision != "reject" else "accept" if decision == "edit" else decision
    if decision == "edit" and not (texts["instruction"] + texts["input"]).strip():
        raise UsageError(f"{place}: an edit without an instruction; write reject")
    return Judgement(line["id"], decision, unguarded(line["note"]), **(texts if decision == "edit" else {}))


def _changed_by_itself(text: str, whole: str) -> str:
    """Return what a spreadsheet did to the text of a row by itself; "" where a person changed it, or nobody."""
    for own in (whole, guarded(whole)):
        if len(text) < len(own) and own.startswith(text):
            # Where the last character takes two units the cell is one short of full.
            full = next((n for n in CELLS if _units(text) in (n - 1, n)), 0)
            if full:
                return f"stopped at {full:,} characters, the most that a cell of the spreadsheet holds"
        if text != own and not own.isascii() and _with_marks(text, own):
            return "had ? for characters that the encoding it was saved in lacks; save it as UTF-8"
    return ""


def _with_marks(text: str, own: str) -> bool:
    """Whether a text is another with a question mark for characters beyond ASCII, or for each UTF-16 unit of them."""
    by_unit = "".join(c if c <= "\uffff" else "\ufffe\ufffe" for c in own)
    by_unit_text = "".join(c if c <= "\uffff" else "\ufffe\ufffe" for c in text)
    return any(
        len(a) == len(b) and all(x == y or (x == "?" and y > "\x7f") for x, y in zip(a, b, strict=True))
        for a, b in ((text, own), (by_unit_text, by_unit))
    )


def _units(text: str) -> int:
    """The length of a text in UTF-16 units, as spreadsheets count."""
    return len(text) + sum(c > "\uffff" for c in text)


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs: an apostrophe before what would be a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Return the text that `guarded` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
