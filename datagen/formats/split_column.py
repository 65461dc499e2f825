"""Rows that name their part (train, validation, test) in a column `split`: held out like the files of a folder are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from datagen.errors import DataError, nearest
from datagen.formats.splits import ALL, ONE, bare_family, family_of, tell

COLUMN = "split"
SEEN = 1000  # first records of a file by which it is known whether it has the column
MOST_SHOWN = 6  # parts
MOST_NAMES = 1000  # that are counted: a column of other texts may hold many


class Parts:
    """The parts that the rows of one source name, and which of them are read."""

    def __init__(self, place: str, split: str | None, mapped: Iterable[str] = ()) -> None:
        """Begin with no row seen.

        Args:
            place: what the user named.
            split: the part that is wanted: null for train, and what is in no part; `all`; `one` where there may be no parts.
            mapped: fields that the user's map speaks of: they are what it says, and no part.
        """
        self._place, self._split = place, split
        self._ignored = split == ALL or COLUMN in {name.lower() for name in mapped}
        self.counts: Counter[str] = Counter()  # records by the part that they name
        self.read = self.left_out = 0  # records
        self.alone = ""  # the one part that there is: what is held out is read after all

    @property
    def chosen(self) -> str:
        """The part that the user names; "" for none."""
        return "" if self._split in (None, ALL, ONE) else str(self._split).lower()

    def takes(self, record: Any, *, of_parts: bool) -> bool:
        """Whether a record is read; it is counted.

        Args:
            record: one that a file holds.
            of_parts: whether its file names the parts of its rows, where one is chosen.
        """
        part = "" if self._ignored else part_in(record)
        if self.alone or self._ignored:
            return not self.alone or part == self.alone
        if part and (part in self.counts or len(self.counts) < MOST_NAMES or family_of(part)):
            self.counts[part] += 1
        if self.chosen:
            taken = _is(part, self.chosen) or not (of_parts or family_of(part))
        else:
            taken = self._split == ONE or family_of(part) in ("", "train")
        self.read += taken
        self.left_out += not taken
        return taken

    def again(self) -> bool:
        """Whether the source is to be read once more, for what was held out is all that there is.

        Raises:
            DataError: there is no such part, or nothing to train on, or several parts where one is wanted.
        """
        shown, place = self._shown(self.counts), f"{self._place}: by its column '{COLUMN}' it has"
        families = {family_of(part) for part in self.counts} - {""}
        if self._split == ONE and len(families) > 1:
            raise DataError(f"{place} the parts {shown}; write the rows of one of them to a file of its own")
        if self.read or not self.left_out:
            return False
        if self.chosen:
            known = sorted({*self.counts, *families})
            raise DataError(f"{place} no part '{self.chosen}'{nearest(self.chosen, known)}; it has: {shown}")
        if len(self.counts) > 1:
            raise DataError(f"{place} no part to train on, only {shown}; --split NAME reads one of them, --split all each")
        (self.alone,) = self.counts
        return True

    def say(self) -> None:
        """Say on stderr which parts were not read, or that the one there is was."""
        if not self.counts or self.chosen or self._split == ONE:
            return
        if self.alone:
            tell(self._place, f"{self._place}: by its column '{COLUMN}' it has {self._shown(self.counts)} alone, which is read")
            return
        others = {part: n for part, n in self.counts.items() if family_of(part) not in ("", "train")}
        if not others:
            return
        train = any(family_of(part) == "train" for part in self.counts)
        mine = "only train is read" if train else f"only the rest is read ({_rows(self.read)})"
        tell(
            self._place,
            f"{self._place}: by its column '{COLUMN}' {mine}, not {self._shown(others)}; --split NAME reads another part,"
            " --split all each",
        )

    def _shown(self, counts: Mapping[str, int]) -> str:
        named = []
        for part, n in counts.items():
            family = family_of(part)
            name = part if family in part else f"{family} '{part}'"
            named.append(f"{name} ({_rows(n)})")
        more = [f"{len(named) - MOST_SHOWN} more"] if len(named) > MOST_SHOWN else []
        return ", ".join(named[:MOST_SHOWN] + more)


def part_in(record: Any) -> str:
    """Return the part that a record names in its column, "" for none: a text of one word, as parts have names."""
    if not isinstance(record, dict):
        return ""
    value = record.get(COLUMN)
    if value is None:
        value = next((v for k, v in record.items() if isinstance(k, str) and k.strip().lower() == COLUMN), None)
    return value.strip().lower() if isinstance(value, str) and len(value) <= 60 and len(value.split()) == 1 else ""


def names_parts(records: Iterator[Any], wanted: str) -> bool:
    """Whether one of the first records of a file names a part that is known, or the one wanted."""
    return any(family_of(part) or part == wanted for part in map(part_in, islice(records, SEEN)))


def _is(part: str, wanted: str) -> bool:
    """Whether a part is the one wanted: by its own name, or by that of its family."""
    same = bool(family_of(part)) and family_of(part) == family_of(wanted)
    return part == wanted or (same and (bare_family(part) or bare_family(wanted)))


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def through(parts: Parts, read_once: Callable[[], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a source; where it holds out all that it has, and that is one part, it is read once more."""
    yield from read_once()
    if parts.again():
        yield from (row for row in read_once() if "reason" not in row)  # what cannot be read has come already
    parts.say()
