"""What the reading of one file does that a person should know: each thing once, with the number of its records.

And what only the whole file tells: whether the numbers that name the right one of several choices count from 0 or from 1.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from datagen.errors import DataError
from datagen.formats.roles import role_of

MOST_SPEAKERS = 12  # that are named


@dataclass
class _Numbers:
    """What the numbers of a field, and what stands beside them, show of the number of the first choice."""

    zero: bool = False  # one of them is 0, or the file says that they are indices
    past: bool = False  # one of them is the number of its choices: there is such a one only if the first is 1
    beside: set[int] = field(default_factory=set)  # the first by answers in letters or words beside them
    usual: bool = False  # they stand in a published layout, which counts from 0

    def first(self) -> int | None:
        """The number of the first choice; None where nothing shows it."""
        if self.zero or 0 in self.beside:
            return 0
        if self.past or self.beside:
            return 1
        return 0 if self.usual else None


class Notes:
    """Notes of one file."""

    def __init__(self, place: str = "", ahead: Callable[[Notes], Iterable[None]] | None = None) -> None:
        """Make the notes of a file.

        Args:
            place: the file, for what stops its reading.
            ahead: reads the file from its start into other notes, a record a step; without it a number
                counts from 0 where no record so far shows more.
        """
        self._place = place
        self._ahead = ahead
        self._records: Counter[str] = Counter()
        self._numbers: dict[str, _Numbers] = {}
        self._first: dict[str, int | None] = {}
        self._speakers: dict[tuple[str, str, str], list[str]] = {}  # (list, who, says) -> names
        self._said: dict[tuple[str, str, str], str] = {}  # the map for the first record of such turns
        self._labelled: dict[str, tuple[int, int]] = {}  # field -> the first label, the lowest number
        self._marks: dict[str, Counter[str]] = {}

    def add(self, words: str) -> None:
        """Count a record of which the words are true."""
        self._records[words] += 1

    def label(self, field: str, value: int, first: int) -> None:
        """Remember a number that is the label of a choice, where the record says its labels, and the first of these."""
        before = self._labelled.get(field, (first, value))
        self._labelled[field] = (before[0], min(before[1], value))

    def number(self, field: str, value: int, choices: int, *, usual: bool = False) -> None:
        """Remember a number that counts up to one of so many choices, and whether the layout of its record is known."""
        found = self._numbers.setdefault(field, _Numbers())
        found.zero |= value == 0
        found.past |= value == choices
        found.usual |= usual

    def shown(self, field: str, first: int) -> None:
        """Remember that the first choice has this number in a field, by an answer in letters or words beside it."""
        self._numbers.setdefault(field, _Numbers()).beside.add(first)

    def index(self, field: str) -> None:
        """Remember that the file calls the numbers of a field indices."""
        self._numbers.setdefault(field, _Numbers()).zero = True

    def first(self, field: str) -> int | None:
        """Return the number of the first choice in a field, None where the file does not show it.

        The file is read ahead for it once: up to the first 0, or all of it, for a 0 may come late.
        """
        if self._ahead is None:
            return self._numbers.get(field, _Numbers()).first() or 0
        if field not in self._first:
            self._first[field] = self._look(field, self._ahead)
        return self._first[field]

    def _look(self, field: str, ahead: Callable[[Notes], Iterable[None]]) -> int | None:
        found = Notes()
        for _ in ahead(found):
            if field in found._numbers and found._numbers[field].zero:
                return 0
        return found._numbers.get(field, _Numbers()).first()

    def stop(self, field: str) -> DataError:
        """Return what is raised where nothing shows which choice the numbers of a field mean."""
        return DataError(f"{self._place}: {_doubt(field, 'it is never 0, and never the number of choices')}")

    def mark(self, field: str, said: str) -> None:
        """Count what a field says of an answer: that it was `wanted` or `unwanted`, or something `other`."""
        self._marks.setdefault(field, Counter())[said] += 1

    def doubt(self) -> str:
        """Why a file does not say what the numbers of right choices, or the marks of answers, mean; "" where it does."""
        for name, (first, lowest) in self._labelled.items():
            if first and lowest == 0:
                return _doubt(name, "it is 0 once, and the labels of the choices begin with 1")
        for name, said in self._marks.items():
            if said["unwanted"] and said["other"]:
                return (
                    f"the field '{name}' is false in {_count(said['unwanted'])} and neither true nor false in"
                    f" {said['other']:,}: write false for an answer that was not wanted and true for the others, or give the"
                    " field another name"
                )
        return ""

    def speakers(self, field: str, who: str, says: str, names: list[str]) -> str:
        """Remember who speaks in the turns of a record that has no known fields; return the map for all of them so far."""
        known = self._speakers.setdefault((field, who, says), [])
        known += [name for name in names if name not in known and len(known) < MOST_SPEAKERS]
        sure = {name: role for name in known if (role := _role_meant(name))}
        first = "assistant" if "user" in sure.values() else "user"  # who speaks first asks, where nobody surely does
        others = [name for name in known if name not in sure]
        roles = [f"{name}={sure.get(name) or (first if name == others[0] else 'assistant')}" for name in known]
        turns = in_a_shell(f"messages={field},role={who},content={says}")
        words = f"name the turns with --map {turns} --roles {in_a_shell(','.join(roles))}"
        self._said.setdefault((field, who, says), words)
        return words

    def up_to_date(self, problem: str) -> str:
        """Return what was said of an early record with the names of those who speak in later ones."""
        for turns, words in self._said.items():
            problem = problem.replace(words, self.speakers(*turns, []))
        return problem

    def lines(self) -> list[str]:
        """Return the notes, each a line of its own."""
        told = Counter(self._records)
        for name, said in self._marks.items():
            told[f"the field '{name}' says that an answer was not wanted: it is not taught"] = said["unwanted"]
            told[f"the field '{name}' is not read as whether an answer was wanted: if it is, call it kto_tag"] = said["other"]
        return [f"{words} ({_count(n)})" for words, n in told.items() if n]


def _doubt(field: str, seen: str) -> str:
    return (
        f"the number in '{field}' may count the choices from 0 or from 1 ({seen}); write the letter of the right"
        " choice (A, B, …) or its text"
    )


def _count(n: int) -> str:
    return f"{n:,} record{'s' * (n != 1)}"


def in_a_shell(text: str) -> str:
    """Return a text as a shell takes it, in quotes only where it needs them: letters of every script need none."""
    return shlex.quote(text) if re.search(r"""[\s'"`$&;|<>()*?\\!#~\[\]{}]""", text) else text


def _role_meant(name: str) -> str:
    """Return the role that a name surely means; "" for others."""
    try:
        return role_of(name)
    except ValueError:
        return ""
