"""A numbered list of tasks to items: `9. Write …`, `10. …`, as Self-Instruct asks for them.

A number begins a task only where it goes on with the count at the beginning of a line, so that neither a "2020." in a sentence
nor a list inside a task splits anything. The text stays as it is: the reference's `.capitalize()` makes NASA nasa.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from datagen.answers.headings import BULLET, INSTRUCTION, headings, opens_fence, without_fences
from datagen.answers.item import PAD, REMARK, Item, clean, is_opening, spoken, unread, without_closing

SKIPPED = 3  # numbers that a model may leave out of its count
DEEPER = 2  # columns to the right of the list, from which a number belongs to a list inside a task

# A number at the beginning of a line, with what ends it: 9. 9) (9) 9、 ๙. **9.** Task 9: 第9条：
_LINE = re.compile(
    rf"^(?P<indent>{PAD}*+){BULLET}?(?:\#{{1,6}}{PAD}*+)?(?P<mark>[*_]{{1,3}})?"
    rf"(?P<word>(?:Task|Instruction|Question|任务|指令|问题|第|ข้อ(?:ที่)?|งาน(?:ที่)?|คำสั่ง(?:ที่)?){PAD}*+\#?{PAD}*+)?"
    rf"[(\[（【]?(?P<number>\d{{1,6}}){PAD}*+(?P<unit>个?任务|条|题)?{PAD}*+"
    rf"(?P<stop>[)\]）】]?)(?P<close>[*_]{{1,3}})?(?P<colon>[.．、:：)–—-]?)",
    re.I | re.M,
)
_BULLET = re.compile(rf"^(?P<indent>{PAD}*+){BULLET}(?=\S)", re.M)


class _Line(NamedTuple):
    """A line that may begin a task: its number (0 of a bullet), its indentation, where it begins and its text begins."""

    number: int
    indent: int
    start: int
    end: int


def tasks(text: str, *, cut: bool, first: int) -> list[Item]:
    """Return the instructions of a list that goes on at a number; the outputs are empty.

    Args:
        text: the completion; it may begin after the first number, where the prompt has already written that.
        cut: whether it ended at its length limit; its last task is then `cut_off`.
        first: the number that the list goes on at.

    Returns:
        At least one item: a text without any task is one `unparsed` item.
    """
    said = spoken(text)
    if said is None or not said.strip():
        return [unread(text, cut=cut)]
    lines = list(_numbered(said))
    bullets = [_Line(0, len(m["indent"]), m.start(), m.end()) for m in _BULLET.finditer(said)]
    starts = _chain(said, lines, first) if lines else _bulleted(said, bullets)
    if not starts:
        if is_opening(said) and said.rstrip().endswith((":", "：", "!", "！")):
            return [unread(said, cut=cut)]
        starts = [_Line(first, 0, 0, 0)]  # the one task that the prompt's number asked for
    made = []
    before = said[: starts[0].start].strip()
    if len(before) > REMARK:
        made.append(Item(clean(before), reason="unparsed"))
    for line, end in zip(starts, [*(s.start for s in starts[1:]), len(said)], strict=True):
        last = end == len(said)
        body = said[line.end : end]
        body = without_fences(body, last=True) if last and opens_fence(before) else body
        words = _unwrapped(clean(without_closing(body, after_separator=False) if last and not cut else body))
        # A number without a task is a piece too.
        reason = "cut_off" if cut and last else None if words else "unparsed"
        made.append(Item(words or said[line.start : end].strip(), reason=reason))
    return made


def _numbered(text: str) -> list[_Line]:
    """Return the lines that begin with a number and something that ends it."""
    found = []
    for m in _LINE.finditer(text):
        stop, end = m["colon"] or m["stop"], m.end()
        after = text[end : end + 1]
        if (stop in (".", "．", ":", "：") and after.isdigit()) or (stop in ("–", "—", "-") and not after.isspace()):
            continue
        word = m["word"] or ""
        if not stop and not (word.startswith("ข้อ") or (word and (m["unit"] or after in ("", "\n", "\r")))):
            continue
        if m["mark"] and not m["close"] and text.startswith(m["mark"], end):
            end += len(m["mark"])
        found.append(_Line(int(m["number"]), len(m["indent"]), m.start(), end))
    return found


def _chain(text: str, lines: list[_Line], first: int) -> list[_Line]:
    """Return the lines that begin the tasks, the text's beginning among them where the prompt wrote its number."""
    begin = _begin(text, lines, first)
    if begin is None:
        return []
    starts = [begin]
    rest = [line for line in lines if line.start >= begin.end]
    if {line.number for line in [begin, *rest]} == {1}:  # Markdown counts by itself
        return starts + [line for line in rest if line.indent < begin.indent + DEEPER]
    later = Counter(line.number for line in rest if line.indent < begin.indent + DEEPER)
    number, nested = begin.number, 0  # of the current task, and the last one of a list inside it
    for line in rest:
        n, deep = line.number, line.indent >= begin.indent + DEEPER
        later[n] -= not deep
        # A list inside the task may count to the same number: then the later one goes on with the tasks.
        goes_on = n == number + 1 and not (nested == number and later[n])
        skips = number + 1 < n <= number + 1 + SKIPPED and not later[number + 1] and nested != n - 1
        again = n == number > 1 and nested != n - 1
        if not deep and (goes_on or skips or again):
            starts.append(line)
            number, nested = n, 0
        else:
            nested = n
    return starts


def _begin(text: str, lines: list[_Line], first: int) -> _Line | None:
    """Return the line that begins the first task; None where the numbers all belong to a list inside one task."""
    before = text[: lines[0].start].strip()
    if not before:
        return lines[0]
    here = next((line for line in lines if line.number == first), None)
    following = next((line for line in lines if line.number == first + 1 and line.indent < DEEPER), None)
    whole = _Line(first, 0, 0, 0)
    if here and (following is None or here.start < following.start):
        counts_again = first == 1 and sum(line.number == 2 for line in lines) > 1
        return whole if counts_again and not is_opening(before) else here
    if following:
        return whole
    return lines[0] if lines[0].number == 1 and is_opening(before) else None


def _bulleted(text: str, lines: list[_Line]) -> list[_Line]:
    """Return the bullets that begin the tasks, none where they belong to a list inside one task."""
    if not lines or not is_opening(text[: lines[0].start]):
        return []
    return [line for line in lines if line.indent < lines[0].indent + DEEPER]


def _unwrapped(words: str) -> str:
    """Return a task without a heading of its own (`Instruction:`) and without bold around the whole of it."""
    found = headings(words.split("\n", 1)[0])
    if found and found[0].role == INSTRUCTION and not found[0].weak and found[0].start == 0:
        words = clean(words[found[0].end :])
    for mark in ("**", "__"):
        inner = words.removeprefix(mark).removesuffix(mark)
        if len(inner) == len(words) - 2 * len(mark) and mark not in inner:
            return inner.strip()
    return words
