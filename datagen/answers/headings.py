"""The headings of a completion: `4. Instruction:`, `**Input:**`, `### Output`, `【输出】`, `คำตอบ:`, and the text below each.

Not covered: tables, several headings in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from datagen.answers.item import PAD

INSTRUCTION, INPUT, OUTPUT, LABEL = "instruction", "input", "output", "label"
ROLES = {INSTRUCTION, INPUT, OUTPUT, LABEL}
# Names of the fields: those that head nothing else, and those that a task's own text may hold as well.
STRONG = {
    INSTRUCTION: "Instruction|指令|คำสั่ง",
    INPUT: "Input|输入|輸入|ข้อมูลนำเข้า|ข้อมูลเข้า|อินพุต|อินพุท",
    OUTPUT: "Output|输出|輸出|ผลลัพธ์|เอาต์พุต|เอาท์พุต",
}
WEAK = {
    INSTRUCTION: "Task|Question|任务|任務|问题|問題|งาน|คำถาม|โจทย์",
    OUTPUT: "Answer|Response|回答|答案|คำตอบ",
}
LABELS = {LABEL: r"Class[ ]?label|类别标签|类别|標籤|标签|ป้ายกำกับ|ประเภท|หมวดหมู่"}
WEAK_LABELS = {LABEL: "Label|Category|分类|คลาส"}

_BEFORE_NUMBER = r"No\.?|Task|Example|Item|任务|第|题目|ข้อ(?:ที่)?|งาน(?:ที่)?|ตัวอย่าง(?:ที่)?"
_NUMBER = (
    rf"(?:(?:{_BEFORE_NUMBER}){PAD}*+\#?)?[(\[（]?(?P<number>\d{{1,6}}){PAD}*+(?:个?任务|题|条|项)?"
    rf"[)\]）]?{PAD}*+[.．)、:：。–—-]?{PAD}*+"
)
BULLET = rf"(?:[-*+•‣▪◦–]{PAD}++)"
# A line of a code fence, or one that ends with an opening fence: "Output: ```python".
_FENCE = re.compile(rf"^(?:[^\n`]{{1,60}}[:：][*_]{{0,3}})?{PAD}*+(?P<fence>`{{3,}}+|~{{3,}}+){PAD}*+(?P<info>[^\n`]*)$", re.M)


class Heading(NamedTuple):
    """One heading: what it heads, its number, how it is written, where its line begins and its text begins."""

    role: str
    weak: bool
    word: str  # as it stands there, in lower case
    number: int | None
    style: str
    start: int
    end: int
    indent: int  # characters
    unclosed: str  # the emphasis that goes on to the end of the line: **Instruction: Name a fruit.**


class Page(NamedTuple):
    """A text with its headings; `fenced`: a code fence opens before the first one, around the whole or around each task."""

    text: str
    headings: list[Heading]
    fenced: bool


def pattern(strong: dict[str, str], weak: dict[str, str]) -> re.Pattern[str]:
    """Return the pattern of a heading line with these names, by role; a group `role` or `role_weak` says which it was."""
    names = [f"(?P<{role}>{words})" for role, words in strong.items()]
    names += [f"(?P<{role}_weak>{words})" for role, words in weak.items()]
    any_name = "|".join(names).replace("ำ", "(?:ำ|ํา)")  # sara am is one character or two
    return re.compile(
        rf"^(?P<indent>{PAD}*+)(?P<bullet>{BULLET})?(?P<hash>\#{{1,6}}{PAD}*+)?(?P<mark>[*_`]{{1,3}}|【|\[)?"
        rf"(?:{_NUMBER})?(?P<mark2>[*_`]{{1,3}}|【|\[)?{PAD}*+(?:{any_name})"
        rf"(?:{PAD}*+(?:ที่{PAD}*+)?[\#(（\[]?(?P<after>\d{{1,6}})[)）\]]?)?"
        rf"{PAD}*+(?P<close>[*_`\]】]{{0,4}}){PAD}*+(?:(?P<colon>[:：])|(?=\r?$)|(?<=】))",
        re.I | re.M,
    )


_FIELDS = pattern(STRONG, WEAK)


def headings(text: str, names: re.Pattern[str] = _FIELDS) -> list[Heading]:
    """Return all headings with these names, strong and weak, in order."""
    roles = [name for name in names.groupindex if name.partition("_")[0] in ROLES]
    found = []
    for m in names.finditer(text):
        opened = m["mark2"] or m["mark"]
        if not (m["colon"] or m["hash"] or opened):
            continue  # a word alone on its line
        end, unclosed = m.end(), ""
        if m["colon"] and opened and not m["close"] and not (m["mark"] and m["mark2"]):
            if text.startswith(opened, end):
                end += len(opened)
            elif opened not in "【[":
                unclosed = opened
        name = next(name for name in roles if m[name])
        role, _, weak = name.partition("_")
        number = m["number"] or m["after"]
        deep = len(m["indent"]) > 1
        decoration = "#" if m["hash"] else opened[0] if opened else ""
        style = f"{decoration}{'-' if m['bullet'] else ''}{'1' if number else ''}{' ' if deep else ''}"
        found.append(
            Heading(
                role,
                bool(weak),
                m[name].lower(),
                int(number) if number else None,
                style,
                m.start(),
                end,
                len(m["indent"]),
                unclosed,
            )
        )
    return found


def page(text: str) -> Page:
    """Return a text with those of its headings that count, weak names only where the strong ones are absent."""
    found = headings(text)
    if not found:
        return Page(text, [], fenced=False)
    blocks, fenced = _code_blocks(text, found)
    return Page(text, _chosen(_outside(found, blocks)), fenced)


def _chosen(found: list[Heading]) -> list[Heading]:
    """Return the headings of the names in use: the strong ones; the weak ones where a text has no strong ones of its own.

    A text of questions and answers stays one though an answer quotes an `Instruction:`, and `### Response:` stays a heading
    though an answer holds an `Output:`.
    """
    asked = [h for h in found if h.role == INSTRUCTION]
    first = next((h for h in asked if not h.weak), None)
    if first is None or _asks_weakly(found, first):
        first = next((h for h in asked if h.weak), None)
    if first is None:
        return []
    asked = [h for h in asked if h.weak == first.weak and h.style == first.style]
    outputs = [h for h in found if h.role == OUTPUT and h.start > first.start]
    alike = [h for h in outputs if h.style == first.style] or outputs
    strong = sum(not h.weak for h in alike)
    weak_output = 2 * strong < len(asked) and strong < len(alike) - strong
    outputs = [h for h in outputs if h.weak == weak_output]
    # A weak name is one word per text: "Task: make a smoothie" in a list of questions is none.
    keep = {(OUTPUT, weak_output, h.word if weak_output else "") for h in _same_script(outputs, first)[:1]}
    keep |= {(INSTRUCTION, first.weak, h.word if first.weak else "") for h in _title(found, first)}
    fields = {h.start for h in _same_script([h for h in found if h.role == INPUT], first) + _same_script(outputs, first)}
    chosen = [h for h in found if h.role == INPUT or (h.role, h.weak, h.word if h.weak else "") in keep]
    return [h for h in chosen if h.role == INSTRUCTION or h.start in fields or h.start < first.start]


def _same_script(found: list[Heading], first: Heading) -> list[Heading]:
    """Return the headings in the script of the first, or all where none is: "输出：" below "Instruction:" is text."""
    script = first.word[0].isascii(), first.word[0] < "\u1000"
    return [h for h in found if (h.word[0].isascii(), h.word[0] < "\u1000") == script] or found


def _title(found: list[Heading], first: Heading) -> list[Heading]:
    """Return the first heading of a task, and the one after it where the first may be only a title: "Task 1:", "Question:"."""
    at = found.index(first)
    return [first, *(h for h in found[at + 1 : at + 2] if h.role == INSTRUCTION and first.number is not None)]


def _asks_weakly(found: list[Heading], strong: Heading) -> bool:
    """Whether a question and its answer come before the first strong heading of a task or an answer."""
    roles = []
    for h in found:
        if h.start >= strong.start or (h.role == OUTPUT and not h.weak):
            break
        roles.append(h.role)
    return INSTRUCTION in roles and OUTPUT in roles[roles.index(INSTRUCTION) :]


def _code_blocks(text: str, found: list[Heading]) -> tuple[list[tuple[int, int]], bool]:
    """Return the code blocks in which no heading counts, and whether a fence opens before the first heading."""
    fences = list(_FENCE.finditer(text))
    before = sum(f.start("fence") < found[0].start for f in fences)
    inside = fences[before:]
    fenced = before % 2 == 1
    if fenced and len(inside) % 2:
        inside.pop()  # it closes the one before the first heading
    pairs: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    whole = not fenced  # where the outer fences are not sure, neither are the pairs
    for fence in inside:
        if opened is None:
            opened = fence
        elif fence["info"].strip():  # this one opens: the one before was never closed
            opened, whole = fence, False
        else:
            pairs.append((opened.start("fence"), fence.end()))
            opened = None
    if whole and opened is None:
        return pairs, fenced
    # Some fence is missing, so a pair may be the end of one block and the beginning of another.
    tasks = [h for h in found if h.role == INSTRUCTION]
    return [p for p, has in zip(pairs, _contain(pairs, tasks), strict=True) if not has], fenced


def _contain(blocks: list[tuple[int, int]], found: list[Heading]) -> Iterable[bool]:
    """Yield for each block whether it contains a heading; both are in order."""
    at = 0
    for start, end in blocks:
        while at < len(found) and found[at].start < start:
            at += 1
        yield at < len(found) and found[at].start < end


def _outside(found: list[Heading], blocks: list[tuple[int, int]]) -> list[Heading]:
    """Return the headings outside of the blocks; both are in order."""
    if not blocks:
        return found
    outside, at = [], 0
    for heading in found:
        while at < len(blocks) and blocks[at][1] <= heading.start:
            at += 1
        if at == len(blocks) or heading.start < blocks[at][0]:
            outside.append(heading)
    return outside


def below(text: str, heading: Heading, limit: int) -> str:
    """Return the text of a heading up to a limit, without the indentation that the heading's list gave to it."""
    field = text[heading.end : limit]
    first, newline, rest = field.partition("\n")
    if heading.unclosed and first.rstrip().endswith(heading.unclosed) and first.count(heading.unclosed) == 1:
        first = first.rstrip().removesuffix(heading.unclosed)
    if not rest:
        return first
    if not first.strip():
        return newline + _dedented(rest, None)
    # Below a bullet in a list, its text goes on two columns to the right; below one at the margin, that may be code.
    most = heading.indent + 2 * ("-" in heading.style)
    return f"{first}{newline}{_dedented(rest, most) if heading.indent else rest}"


def _dedented(text: str, most: int | None) -> str:
    """Return lines without the white space that they all begin with, at most so many characters of it."""
    if text[:1] not in " \t\u00a0\u3000\n\r":
        return text
    lines = text.split("\n")
    spaces = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    low, high = min(spaces, default=""), max(spaces, default="")
    common = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    common = common if most is None else min(common, most)
    return "\n".join(line[common:] if line.strip() else "" for line in lines) if common else text


def opens_fence(words: str) -> bool:
    """Whether words before the first heading end inside a code fence."""
    return len(_FENCE.findall(words)) % 2 == 1


def without_fences(field: str, *, last: bool) -> str:
    """Return a field without the fences that close and open around tasks; for the last one without what follows, too."""
    fences = list(_FENCE.finditer(field))
    if last and len(fences) % 2 and not fences[-1]["info"].strip():
        return field[: fences[-1].start("fence")]
    while fences and not field[fences[-1].end() :].strip():
        empty = len(fences) > 1 and not field[fences[-2].end() : fences[-1].start("fence")].strip()
        if len(fences) % 2 == 0 and not empty:
            break
        field = field[: fences.pop().start("fence")]
    return field
