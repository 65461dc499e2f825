"""The choices of a question, read from the lines that show them, and which of them an answer names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

FIRST = ("1", "A", "a", "ก", "甲")
ALPHABETS = ("ABCDEFGHIJKLMNOPQRST", "abcdefghijklmnopqrst", "กขคงจฉชซ", "甲乙丙丁戊己庚辛")
_LABEL = r"[A-Ta-tก-ซ甲乙丙丁戊己庚辛]|\d{1,2}"
_LINE = re.compile(rf"^[ \t]*+([(（\[]?)({_LABEL})([)）\].．:：、])[ \t]*+(?=\S)", re.M)
_LISTED = re.compile(
    r"^[ \t]*+(?:options|choices|选项|选择|ตัวเลือก)[ \t]*+[:：][ \t]*+\n((?:[ \t]*+[-*•][ \t]*+\S[^\n]*+\n?)++)\s*+\Z",
    re.M | re.I,
)
_BRACKETS = " \t\r\n()（）[].．:：、*"
# What an answer says before the choice that it names.
_SAID = re.compile(
    r"(?:answer|option|choice|答案|选项|选择|คำตอบ|ตอบ|ข้อ)[\s*_:：]{0,4}"
    rf"(?:is|are|should be|would be|是|为|選|选|คือ|เป็น)?[\s*_:：(（\[]{{0,6}}({_LABEL})(?![^\W_]|[\u0e30-\u0e4e])",
    re.I,
)
_BEGINS = re.compile(rf"[\s*_(（\[]{{0,6}}({_LABEL})(?:[)）\].．:：、*]|\s*\Z|\s*\n)")


class Choices(NamedTuple):
    """The choices of a question.

    `stem` is the task without them; `labels` are as answers call them (`B`, `(B)`; where they have none their texts).
    """

    stem: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    right: int


def choices_of(task: str, answer: str) -> Choices | None:
    """Return the choices that the end of a task shows, where its answer is one of them; None for any other task.

    The lines are `A. text`, `(A) text`, `ก) text`, `1. text`, or a list under `Options:`. Bare numbers are no answer to
    numbered lines: they may be the number of anything.
    """
    said = answer.strip()
    if not said:
        return None
    for found in _lists(task):
        ends = [line.start() for line in found[1:]] + [len(task)]
        texts = tuple(task[line.end() : end].strip() for line, end in zip(found, ends, strict=True))
        opened, closed = found[0][1], found[0][3] if found[0][1] else ""
        labels = tuple(f"{opened}{line[2]}{closed}" for line in found)
        right = _right(said, [line[2] for line in found], texts)
        return None if right is None else Choices(_without_heading(task[: found[0].start()]), labels, texts, right)
    return _of_list(task, said)


def _lists(task: str) -> Iterator[list[re.Match[str]]]:
    """The lines of each list whose labels follow one another, the last list of the task first.

    Between two of its lines others may stand, as in a choice of several lines.
    """
    nearest: dict[tuple[str, ...], int] = {}  # below, of the lines with a label in its brackets
    lines = list(_LINE.finditer(task))
    following: dict[int, int] = {}
    for at in reversed(range(len(lines))):
        opened, label, closed = lines[at].groups()
        if (below := nearest.get((opened, _next(label), closed))) is not None:
            following[at] = below
        nearest[opened, label, closed] = at
        if label in FIRST and at in following:
            found = [at]
            while found[-1] in following:
                found.append(following[found[-1]])
            yield [lines[place] for place in found]


def _next(label: str) -> str:
    """The label that follows another."""
    if label.isdecimal():
        return str(int(label) + 1)
    alphabet = next(letters for letters in ALPHABETS if label in letters)
    return alphabet[alphabet.index(label) + 1 :][:1]


def _right(said: str, labels: list[str], texts: tuple[str, ...]) -> int | None:
    """Which choice an answer is; None where it is none of them, or may be two."""
    whole = _LINE.match(said)
    if whole and whole[2] in labels:
        at = labels.index(whole[2])
        return at if _folded(said[whole.end() :]) == _folded(texts[at]) else None
    bare = said.strip(_BRACKETS)
    if bare in labels and not (bare.isdecimal() and bare == said):
        return labels.index(bare)
    same = [at for at, text in enumerate(texts) if _folded(text) == _folded(said)]
    return same[0] if len(same) == 1 else None


def _of_list(task: str, said: str) -> Choices | None:
    """The choices of a list that has a heading and no labels."""
    if not (found := _LISTED.search(task)):
        return None
    texts = tuple(line.strip(" \t-*•") for line in found[1].strip().split("\n"))
    same = [at for at, text in enumerate(texts) if _folded(text) == _folded(said)]
    return Choices(task[: found.start()].rstrip(), texts, texts, same[0]) if len(same) == 1 and len(texts) > 1 else None


def _without_heading(stem: str) -> str:
    """A task without its choices, and without the word above them."""
    lines = stem.rstrip().split("\n")
    heading = lines[-1].strip().rstrip(":：").strip().casefold()
    return "\n".join(lines[:-1] if heading in ("options", "choices", "选项", "选择", "ตัวเลือก") else lines).rstrip()


def chosen(text: str, choices: Choices) -> int | None:
    """Return which choice a model's answer names: by its label or its text; None where it names none, or more than one."""
    bare = [label.strip(_BRACKETS) for label in choices.labels]
    named = choices.labels != choices.texts
    if named:
        for hits in ([*_SAID.finditer(text)][-1:], [hit] if (hit := _BEGINS.match(text)) else []):
            found = [at for hit in hits for at, label in enumerate(bare) if label.casefold() == hit[1].casefold()]
            if len(found) == 1:
                return found[0]
    said = _folded(text)
    held = [at for at, one in enumerate(choices.texts) if _folded(one) and _stands_in(_folded(one), said)]
    # `not happy` holds `happy`: the longer one is what is said.
    held = [at for at in held if not any(o != at and _folded(choices.texts[at]) in _folded(choices.texts[o]) for o in held)]
    return held[0] if len(held) == 1 else None


def _stands_in(one: str, said: str) -> bool:
    """Whether a text stands in another, not as a part of a word that is written in letters with spaces between words."""
    at = said.find(one)
    while at >= 0:
        before, after = said[at - 1 : at], said[at + len(one) : at + len(one) + 1]
        if not (before.isascii() and before.isalnum() and one[0].isascii()) and not (
            after.isascii() and after.isalnum() and one[-1].isascii()
        ):
            return True
        at = said.find(one, at + 1)
    return False


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .。")
