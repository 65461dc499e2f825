"""The instances of one task, and whether it is a classification task: the later stages of Self-Instruct."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from datagen.answers.headings import (
    INPUT,
    LABEL,
    LABELS,
    OUTPUT,
    STRONG,
    WEAK,
    WEAK_LABELS,
    Heading,
    below,
    headings,
    opens_fence,
    pattern,
    without_fences,
)
from datagen.answers.item import PAD, REMARK, Item, clean, is_opening, spoken, without_closing, without_mark
from datagen.json_text import storable

_FIELDS = pattern({k: v for k, v in STRONG.items() if k in (INPUT, OUTPUT)}, {OUTPUT: WEAK[OUTPUT]})
_LABELLED = pattern({INPUT: STRONG[INPUT], OUTPUT: STRONG[OUTPUT], **LABELS}, WEAK_LABELS)
_EXAMPLE = re.compile(
    rf"^{PAD}*+(?:[-*+•]{PAD}++)?(?:\#{{1,6}}{PAD}*+)?[*_【\[(（]{{0,3}}"
    rf"(?:Example|示例|例子|例|样例|ตัวอย่าง(?:ที่)?){PAD}*+\#?(?P<number>\d{{1,6}})?{PAD}*+"
    rf"[*_】\])）]{{0,3}}(?P<stop>[.:：]?)[*_]{{0,3}}",
    re.I | re.M,
)
# The next task of the list that the prompt began: its instances are not ours.
_OTHER_TASK = re.compile(rf"^(?:\#{{1,6}}{PAD}*+)?[*_]{{0,3}}(?:Task|任务|งาน)[*_]{{0,3}}{PAD}*+[:：]", re.M)
_YES = (
    r"yes\b|yep\b|true\b|是(?=的|[\s,，.。!！;；:：*\"'”’」】)）]|$|(?:一个|一项)?分类)|对(?=的|[\s,，.。!！]|$)|属于"
    r"|ใช่(?!หรือ|ไหม|มั้ย)"
)
_NO = (
    r"no\b(?!\s+(?:idea|clue|way|answer|information))|nope\b|false\b|不是|否(?!则)|不属于|不(?=[\s,，.。!！]|$)|ไม่ใช่"
    r"|ไม่(?=[\s,.!]|$)"
)
_MARKS = r"[\s\"'“”‘’*_`#>「【\[(（-]*+"
_LEAD = (
    rf"{_MARKS}(?:(?:the |my )?(?:final )?(?:answer|classification)(?: is)?|is it classification\?|答案|回答|分类|是分类任务吗"
    rf"|คำตอบ|จำแนกประเภท)?{_MARKS}[:：]?{_MARKS}"
)
_ANSWER = re.compile(rf"{_LEAD}(?:(?P<no>{_NO})|(?P<yes>{_YES}))", re.I)
_BOTH = re.compile(r"[\s\"'*_`]*+(?:/|or\b|and\b|或|还是|หรือ)[\s\"'*_`]*+(?:yes|no|是|否|不是|ใช่|ไม่)", re.I)


class _Part(NamedTuple):
    """The text of one instance: where it begins (after its heading `Example 1`) and ends, and the headings in it."""

    begin: int
    end: int
    heads: list[Heading]
    headed: bool


def instances(text: str, *, cut: bool, output_first: bool) -> list[Item]:
    """Return the instances of a task; their instructions are empty.

    Args:
        text: the completion.
        cut: whether it ended at its length limit; its last instance is then `cut_off`.
        output_first: whether the label comes before the input (`Class label: …`, `Input: …`), as for classification.

    Returns:
        At least one item. Words without any heading are an answer (`unparsed` with `output_first`).
    """
    said = spoken(text)
    if said is None or not said.strip():
        return [Item("", "", storable(text).strip() if said is None else "", "cut_off" if cut else "unparsed")]
    names = _LABELLED if output_first else _FIELDS
    other = next((m for m in _OTHER_TASK.finditer(said) if _follows(said, m, names)), None)
    own = said[: other.start()] if other else said
    own = own if cut else without_closing(own, after_separator=True)
    found = _output_first(own, headings(own, names)) if output_first else _input_first(own, _strong(headings(own, names)))
    if other:
        found.append(Item("", "", said[other.start() :].strip(), "unparsed"))
    if cut:
        last = found[-1]
        found[-1] = Item(last.instruction, last.input, last.output, "cut_off")
    return found


def _follows(text: str, task: re.Match[str], names: re.Pattern[str]) -> bool:
    """Whether a heading `Task:` begins another task, worked out like ours: fields stand before it and after it."""
    return bool(names.search(text, 0, task.start()) and names.search(text, task.end()))


def _examples(text: str, found: list[Heading]) -> list[tuple[int, int]]:
    """Return where the headings `Example 1`, `Example 2` begin and end; one that does not go on with the count is text."""
    marks: list[tuple[int, int]] = []
    fields = {h.start for h in found}
    number: int | None = None
    for m in _EXAMPLE.finditer(text):
        line_end = text.find("\n", m.end())
        alone = not text[m.end() : line_end if line_end >= 0 else len(text)].strip()
        if m["number"]:
            goes_on = number is None or int(m["number"]) == number + 1
            if not goes_on or not (alone or m["stop"]) or m.start() in fields:
                continue
            number = int(m["number"])
        elif not alone or number is not None or not _next_line_in(text, m.end(), fields):
            continue
        marks.append((m.start(), m.end()))
    return marks


def _next_line_in(text: str, at: int, starts: set[int]) -> bool:
    """Whether the next line with text is one of these."""
    visible = re.compile(r"\S").search(text, at)
    return visible is not None and text.rfind("\n", 0, visible.start()) + 1 in starts


def _strong(found: list[Heading]) -> list[Heading]:
    """Return the headings without the weak ones, where there is a strong one for the output."""
    return [h for h in found if not h.weak] if any(h.role == OUTPUT and not h.weak for h in found) else found


def _parts(text: str, found: list[Heading], begins: list[int]) -> list[_Part]:
    """Cut a text at its examples or, where it has none, at the headings that begin an instance.

    Args:
        text: the completion.
        found: its headings.
        begins: which of them begin an instance where there are no examples.
    """
    marks = _examples(text, found)
    edges = [(s, e, True) for s, e in marks] or [(found[i].start, found[i].start, False) for i in begins]
    if not edges or edges[0][0] > 0:
        edges.insert(0, (0, 0, False))
    parts, at = [], 0
    for (_, begin, headed), (end, _, _) in pairwise([*edges, (len(text), 0, False)]):
        heads = []
        while at < len(found) and found[at].start < end:
            heads.append(found[at])
            at += 1
        parts.append(_Part(begin, end, heads, headed))
    return parts


def _input_first(text: str, found: list[Heading]) -> list[Item]:
    begins, seen = [], set[str]()
    with_input = bool(found) and found[0].role == INPUT
    for i, h in enumerate(found):
        new = OUTPUT in seen and h.style == found[0].style and (h.role == INPUT or not with_input)
        if new:
            begins.append(i)
        seen = {h.role} if new else seen | {h.role}
    made: list[Item] = []
    parts, fenced = _parts(text, found, begins), False
    for part in parts:
        lead = clean(text[part.begin : part.heads[0].start if part.heads else part.end])
        about = not part.headed and len(parts) > 1 if not part.heads else not part.headed and part.heads[0].role == INPUT
        if about and len(lead) > REMARK:
            made.append(Item("", "", lead, "unparsed"))
        fenced |= opens_fence(lead)
        if part.heads:
            made.append(_fields(text, part, lead, fenced=fenced))
        elif not about:
            made.append(Item("", "", lead, "unparsed" if found or not lead else None))
    return made or [Item("", "", text.strip(), "unparsed")]


def _fields(text: str, part: _Part, lead: str, *, fenced: bool) -> Item:
    """Return the instance of a part: its first output, and as its input what stands before that."""
    heads = part.heads
    output = next((h for h in heads if h.role == OUTPUT), None)
    given = next((h for h in heads if h.role == INPUT and (output is None or h.start < output.start)), None)
    answer = below(text, output, part.end) if output else ""
    answer = clean(without_fences(answer, last=True) if fenced else answer)
    lead = clean(without_fences(lead, last=False))
    if given:
        words = clean(below(text, given, output.start if output else part.end))
        # Words under "Example 1" belong to the input, those at the very beginning are about the list.
        words = f"{lead}\n{words}" if lead and part.headed and not is_opening(lead) else words
    else:
        words = "" if is_opening(lead) else lead
    words = without_mark(words)
    return Item("", words, answer, None if output and (words or answer) else "unparsed")


def _output_first(text: str, found: list[Heading]) -> list[Item]:
    labels = [h for h in found if h.role == LABEL]
    named = [h for h in labels if not h.weak] or labels or [h for h in found if h.role == OUTPUT]
    named = [h for h in named if h.style == named[0].style]
    if not named:
        return [Item("", "", text.strip(), "unparsed")]
    inputs = [h for h in found if h.role == INPUT]
    if inputs and inputs[0].start < named[0].start:  # the other order after all: each label answers the input before it
        return _input_first(text, sorted([*inputs, *(h._replace(role=OUTPUT) for h in named)], key=lambda h: h.start))
    made: list[Item] = []
    before = text[: named[0].start].strip()
    if len(before) > REMARK:
        made.append(Item("", "", clean(before), "unparsed"))
    at = 0
    for label, limit in zip(named, [*(h.start for h in named[1:]), len(text)], strict=True):
        while at < len(inputs) and inputs[at].start < label.end:
            at += 1
        given = inputs[at] if at < len(inputs) and inputs[at].start < limit else None
        made.append(_labelled(text, label, given, limit, fenced=opens_fence(before)))
    return made


def _labelled(text: str, label: Heading, given: Heading | None, limit: int, *, fenced: bool) -> Item:
    """Return the instance of a label: its first line is the answer, the input follows."""
    limit = label.end + len(without_fences(text[label.end : limit], last=True)) if fenced else limit
    body = below(text, label, given.start if given else limit).strip()
    answer, _, rest = body.partition("\n")
    words = [rest.strip(), below(text, given, limit) if given else ""]
    return Item("", without_mark(clean("\n".join(w for w in words if w))), clean(answer), None if answer else "unparsed")


def yes_or_no(text: str) -> bool | None:
    """Return whether an answer says yes (True) or no (False): in its first words, or in a last line of its own; else None."""
    said = (spoken(text) or "").strip()
    first = _said(said[:400])
    last = said[said.rfind("\n") + 1 :]
    final = _said(last) if last != said and len(last) <= 60 else None
    return first if final is None else final if first is None or first == final else None


def _said(words: str) -> bool | None:
    found = _ANSWER.match(words)
    if found is None or _BOTH.match(words, found.end()):
        return None
    return found["yes"] is not None
