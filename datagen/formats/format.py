"""A format that rows are exported to: what it makes of a row, and what it cannot hold; found by the name of its file.

A file of this room that gives a `FORMAT` is one; a user's module that gives one is found by its dotted name.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datagen.data.rows import Row
from datagen.errors import UsageError, did_you_mean
from datagen.formats.shape import Record
from datagen.step import imported

ROOM = Path(__file__).parent
_GIVES_ONE = re.compile(r"^FORMAT = ", flags=re.M)


@dataclass(frozen=True)
class Written:
    """What a format that writes its own files wrote."""

    files: tuple[Path, ...]
    fields: tuple[str, ...] = ()  # of its records, for the card; () = as noted in `rows`
    config: str = ""  # for the trainer
    skipped: int = 0  # conversations that its trainer does not take


def nothing(row: Row, record: Record) -> tuple[str, ...]:
    """Nothing is to be said of a row and its record."""
    return ()


@dataclass(frozen=True)
class Format:
    """What a format is. It has `record`, or `write` where it makes files of its own."""

    name: str
    record: Callable[[Mapping[str, Any]], Record] | None = None  # of a row
    write: Callable[[Iterable[Row], Path], Written] | None = None  # rows to files
    config: Callable[[str, Counter[str]], str] | None = None  # of the file's name and the kinds of rows: lines for a trainer
    notes: Callable[[Row, Record], tuple[str, ...]] = nothing  # keys of `fitting.SAID` that a row and its record meet
    flat: bool = False  # a CSV file can hold its records
    is_rows: bool = False  # it keeps rows as they are, `repeat` too, in a file that is no text
    one_answer: bool = False  # a record has an answer, which ends it
    needs_prompt: bool = False  # a conversation that begins with its only answer has no place
    all_taught: bool = False  # a record cannot say that an answer is not to be learned
    says_unwanted: bool = False  # though it can say that nobody wanted it
    tools: Literal["any", "functions", "text"] = "any"  # it takes functions alone; text: of others their text in a field
    candidates: bool = True  # a record holds more answers than one, or a pair
    reasoning: bool = True  # a record has a field for it
    weights: Literal["any", "whole", "none"] = "any"  # of turns; whole: 0 or 1
    long_sides: bool = False  # a preference may have several messages on a side
    mixed: Literal["trainers", "own", "apart"] = "trainers"  # preferences beside single rows: who trains them apart; apart: it
    # writes them into two files


@functools.cache
def names() -> tuple[str, ...]:
    """Return the formats that come with datagen."""
    return tuple(sorted(path.stem for path in ROOM.glob("*.py") if _GIVES_ONE.search(path.read_text("utf-8"))))


def find(name: str) -> Format:
    """Return the format of a name, or of a user's module by its dotted name; raises UsageError where there is none."""
    known = names()
    if "." not in name and name not in known:
        raise UsageError(f"--to {name}: there is no such format{did_you_mean(name, known)}")
    path = name if "." in name else f"datagen.formats.{name}"
    found = getattr(imported(name, path, "format"), "FORMAT", None)
    if not isinstance(found, Format) or not (found.record or found.write):
        raise UsageError(f"--to {name}: {path} gives no FORMAT = Format(name, record or write)")
    return found
