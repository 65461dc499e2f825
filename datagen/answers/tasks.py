"""A completion with several tasks to items; pure, and every piece comes out as an item or as a reason.

The fields are headed `Instruction:`, `Input:` and `Output:` (in Chinese and Thai too), with or without a number, in plain text
or Markdown, or they are the keys of JSON objects. The numbers of the tasks decide where one ends, not the position of
separators: Alpaca splits at every `###` and loses what follows a Markdown title in an answer.
"""

from __future__ import annotations

import re
from collections import Counter

from datagen.answers.headings import (
    INPUT,
    INSTRUCTION,
    OUTPUT,
    Heading,
    Page,
    below,
    headings,
    page,
    without_fences,
)
from datagen.answers.instances import instances, yes_or_no
from datagen.answers.item import REMARK, Item, clean, separated, spoken, unread, without_closing, without_mark
from datagen.answers.json_tasks import begins, is_read, pieces
from datagen.answers.lists import tasks

__all__ = ["Item", "instances", "items", "tasks", "yes_or_no"]

_QUOTE = re.compile(r"^[ \t]*+>[ \t]?", re.M)


def items(text: str, *, cut: bool, prefix: str = "") -> list[Item]:
    """Return the tasks of a completion in order.

    Args:
        text: the completion.
        cut: whether it ended at its length limit; its last task is then `cut_off`, unless it is a whole JSON object.
        prefix: what the prompt already wrote of the first task, such as `Instruction:`.

    Returns:
        At least one item: a text in which nothing can be read is one `unparsed` item.
    """
    said = spoken(text)
    if said is None:
        return [unread(prefix + text, cut=cut)]
    said = _unquoted(prefix + said)
    whole = page(said)
    if begins(said) < _first_task(whole):
        parts = pieces(said)
        if any(isinstance(part, Item) and is_read(part) for part in parts):
            last = len(parts) - 1
            found = [[p] if isinstance(p, Item) else _between(p, cut=cut and n == last) for n, p in enumerate(parts)]
            return [item for of in found for item in of]
        cut = cut or (isinstance(parts[-1], Item) and parts[-1].reason == "cut_off")
    return _headed(whole, cut=cut) or [unread(said, cut=cut)]


def _first_task(whole: Page) -> int:
    """Return where the first task begins by its heading; a `Task 1:` above JSON is only a title."""
    first = next((h for h in whole.headings if h.role == INSTRUCTION), None)
    real = first is not None and (not first.weak or any(h.role == OUTPUT for h in whole.headings))
    return first.start if first is not None and real else len(whole.text)


def _between(words: str, *, cut: bool) -> list[Item]:
    """Return the items in the words around JSON: headed tasks, or a text too long for a remark."""
    whole = page(words)
    if _first_task(whole) < len(words) and (found := _headed(whole, cut=cut)):
        return found
    return [Item(words.strip(), reason="unparsed")] if len(words) > REMARK else []


def _unquoted(text: str) -> str:
    """Return a text that is a block quote as a whole, words before it apart, without its marks; one line in ten may lack it."""
    first = _QUOTE.search(text)
    before = text[: first.start()] if first else text
    if len(before) > REMARK or headings(before):
        return text
    quoted = text[len(before) :]
    lines = sum(bool(line.strip()) for line in quoted.split("\n"))
    return before + _QUOTE.sub("", quoted) if 10 * len(_QUOTE.findall(quoted)) >= 9 * lines else text


def _headed(whole: Page, *, cut: bool) -> list[Item]:
    """Return the tasks under headings, none where there are no headings of tasks."""
    text, found = whole.text, whole.headings
    starts = _starts(whole)
    if not starts:
        return []
    made = []
    before = text[: found[starts[0]].start]
    # Words before the first task are a remark, unless they hold a field or are long.
    if any(h.role != INSTRUCTION for h in found[: starts[0]]) or len(before.strip()) > REMARK:
        made.append(Item(clean(before, before_task=True), reason="unparsed"))
    for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
        last = end == len(found)
        limit = len(text) if last else found[end].start
        made.append(_item(whole, found[start:end], limit, cut=cut, last=last))
    return made


def _starts(whole: Page) -> list[int]:
    """Return which headings begin a task, or the remains of one whose instruction is missing."""
    found = whole.headings
    starts: list[int] = []
    count = _Count(found)
    for i, h in enumerate(found):
        count.passes(h)
        if not starts:
            if h.role == INSTRUCTION:
                starts.append(i)
                count.begin(h)
            continue
        title = found[starts[-1]]
        if h.role == INSTRUCTION and starts[-1] == i - 1 and title.weak and not whole.text[title.end : h.start].strip():
            starts[-1] = i  # "Task 5:", then "Question:"
        elif count.begins(h, apart=separated(whole.text, h.start, fences=whole.fenced)):
            starts.append(i)
            count.begin(h)
        else:
            count.belongs(h)
    return starts


class _Count:
    """Follows the numbers and the style of the tasks, to tell their headings from those inside an answer."""

    def __init__(self, found: list[Heading]) -> None:
        tasks = [h for h in found if h.role == INSTRUCTION]
        self._later = Counter(h.number for h in tasks)  # what comes after the current heading
        self._later_styles = Counter(h.style for h in found)
        self._later_task_styles = Counter(h.style for h in tasks)
        self._one_number = len(self._later) == 1
        self._style = tasks[0].style if tasks else ""
        self._number: int | None = None  # of the current task; its last field's where each field has one of its own
        self._nested: int | None = None  # the last number of a list inside the current answer
        self._seen: set[str] = set()  # the fields of the current task
        self._parted = False  # whether a separator came between two tasks

    def passes(self, h: Heading) -> None:
        """Take a heading as the current one."""
        self._later_styles[h.style] -= 1
        if h.role == INSTRUCTION:
            self._later[h.number] -= 1
            self._later_task_styles[h.style] -= 1

    def begins(self, h: Heading, *, apart: bool) -> bool:
        """Whether a heading begins a task; `apart`: a separator stands before it."""
        begins = self._begins_task(h, apart) if h.role == INSTRUCTION else self._is_rest(h, apart)
        self._parted |= begins and apart
        return begins

    def begin(self, h: Heading) -> None:
        """Go on with the task that a heading begins."""
        self._number = h.number if h.number is not None or self._number is None else self._number + 1
        self._nested, self._seen = None, {h.role}

    def belongs(self, h: Heading) -> None:
        """Take a heading as one of the current task, or as words of its answer."""
        if h.role == INSTRUCTION or OUTPUT in self._seen or h.role in self._seen:
            self._nested = self._nested if h.number is None else h.number
            return
        self._seen.add(h.role)
        if h.number is not None and (self._number is None or h.number == self._number + 1):
            self._number = h.number  # 1. Instruction, 2. Input, 3. Output

    def _begins_task(self, h: Heading, apart: bool) -> bool:
        n, current = h.number, self._number
        if current is None:
            if apart or h.style == self._style:
                return True
            # Another style in the middle of a text is a quotation, at its end a change of habit.
            later = self._later_task_styles if OUTPUT in self._seen else self._later_styles
            return not later[self._style]
        if n == current + 1:
            # A list inside the answer may count to the same number: then the later one goes on with the tasks.
            return apart or not ((self._nested == current or h.style != self._style) and self._later[n])
        if self._later[current + 1]:
            return False
        if n is None:
            return apart
        return apart or n > current or (n == current and self._one_number and OUTPUT in self._seen and h.style == self._style)

    def _is_rest(self, h: Heading, apart: bool) -> bool:
        """Whether a field belongs to a further task whose instruction is missing, not to the current answer."""
        if OUTPUT not in self._seen:
            return False
        if h.number is None or self._number is None:
            return apart and self._parted and h.number is None and h.style == self._style
        return h.number == self._number + 1 and (apart or h.style == self._style) and self._nested != self._number


def _item(whole: Page, heads: list[Heading], limit: int, *, cut: bool, last: bool) -> Item:
    """Return the task whose headings these are; its last field ends at `limit`."""
    start = heads[0]
    if start.role != INSTRUCTION:
        return Item(clean(whole.text[start.start : limit], before_task=True), reason="cut_off" if cut and last else "unparsed")
    output = _output(heads)
    given = _input(heads, output)
    parts = [h for h in (start, given, output) if h is not None]
    fields = {}
    for head, end in zip(parts, [*(h.start for h in parts[1:]), limit], strict=True):
        field = below(whole.text, head, end)
        if whole.fenced:
            field = without_fences(field, last=end == limit and last and not cut)
        if end == limit and last and not cut:
            field = without_closing(field, after_separator=True)
        fields[head.role] = clean(field, before_task=end == limit and not last)
    reason = "cut_off" if cut and last else None if fields[INSTRUCTION] and output is not None else "unparsed"
    return Item(fields[INSTRUCTION], without_mark(fields.get(INPUT, "")), fields.get(OUTPUT, ""), reason)


def _output(heads: list[Heading]) -> Heading | None:
    """Return the heading of a task's answer: the first in the style and with the number of its instruction, or the first.

    `Output: 8` in a worked example of `4. Instruction:` is no answer where `4. Output:` comes later.
    """
    start = heads[0]
    found = [h for h in heads if h.role == OUTPUT]
    same = [h for h in found if h.style == start.style]
    numbered = [h for h in same if h.number == start.number]
    return next(iter(numbered or same or found), None)


def _input(heads: list[Heading], output: Heading | None) -> Heading | None:
    """Return the heading of a task's input: in the style of its neighbours, or any that no worked example begins."""
    before = [h for h in heads if output is None or h.start < output.start]
    found = [h for h in before if h.role == INPUT]
    style = (output or heads[0]).style
    same = [h for h in found if h.style == style and (output is None or h.number == output.number)]
    same = same or [h for h in found if h.style == style]
    if same or any(h.role == OUTPUT for h in before):
        return next(iter(same), None)
    return next(iter(found), None)
