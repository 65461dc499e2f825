"""What the reading of one file does that a person should know: each thing once, with the number of its records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass
class _Numbers:
    """The numbers by which a field names the right one of several choices."""

    first: int  # that of the first choice
    lowest: int
    past: int = 0  # records whose number is that of their last choice, if one counts from 1
    texts: bool = False  # whether one of them was a text, as all are in a CSV


class Notes:
    """Notes of one file."""

    def __init__(self) -> None:
        self._records: Counter[str] = Counter()
        self._numbers: dict[str, _Numbers] = {}
        self._marks: dict[str, Counter[str]] = {}

    def add(self, words: str) -> None:
        """Count a record of which the words are true."""
        self._records[words] += 1

    def number(self, field: str, value: int, choices: int, *, text: bool, first: int = 0) -> None:
        """Remember a number that says which of some choices is right.

        Args:
            field: where it stands.
            value: the number.
            choices: how many there are.
            text: whether it stands there as a text.
            first: the number of the first choice, where the record says it.
        """
        found = self._numbers.setdefault(field, _Numbers(first, value))
        found.lowest = min(found.lowest, value)
        found.past += value == choices
        found.texts = found.texts or text

    def mark(self, field: str, said: str) -> None:
        """Count what a field says of an answer: that it was `wanted` or `unwanted`, or something `other`."""
        self._marks.setdefault(field, Counter())[said] += 1

    def doubt(self) -> str:
        """Why a file does not say what the numbers of its right choices, or the marks of its answers, mean; "" where it does.

        Whole numbers count from 0, as the labels of a `datasets.ClassLabel` do, unless they show that they do not. A number
        that stands as a text may be a name of its choice: those must show a 0.
        """
        for field, found in self._numbers.items():
            if found.first and found.lowest == 0:
                seen = "it is 0 once, and the labels of the choices begin with 1"
            elif not found.first and found.lowest > 0 and (found.past or found.texts):
                seen = "it is never 0, and once the number of choices" if found.past else "it is never 0"
            else:
                continue
            return (
                f"the number in '{field}' may count the choices from 0 or from 1 ({seen}); write the letter of the right"
                " choice (A, B, …) or its text"
            )
        for field, said in self._marks.items():
            if said["unwanted"] and said["other"]:
                return (
                    f"the field '{field}' is false in {_count(said['unwanted'])} and neither true nor false in"
                    f" {said['other']:,}: write false for an answer that was not wanted and true for the others, or give the"
                    " field another name"
                )
        return ""

    def lines(self) -> list[str]:
        """Return the notes, each a line of its own."""
        told = Counter(self._records)
        for field, said in self._marks.items():
            told[f"the field '{field}' says that an answer was not wanted: it is not taught"] = said["unwanted"]
            told[f"the field '{field}' is not read as whether an answer was wanted: if it is, call it kto_tag"] = said["other"]
        return [f"{words} ({_count(n)})" for words, n in told.items() if n]


def _count(n: int) -> str:
    return f"{n:,} record{'s' * (n != 1)}"
