"""What a completion comes apart into, and the cleaning of its parts: for all parsers of completions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from datagen.json_text import storable
from datagen.marks import split_thought

REMARK = 300  # characters; longer words around the items are an item of their own, with a reason

# White space at the beginning of a line, with what a web page or a Chinese keyboard adds to it.
PAD = r"[ \t\u00a0\u3000\u200b\ufeff]"
# What stands alone on the lines between two tasks: ###, ### 5., ---, **Task 5:**, 任务 5, งานที่ 5.
_TASK_WORD = r"(?:Task|Example|任务|示例|例子?|样例|第|ข้อ(?:ที่)?|งาน(?:ที่)?|ตัวอย่าง(?:ที่)?)"
_HASHES = re.compile(rf"{PAD}*+\#{{3,}}{PAD}*+(?:\d{{1,6}}[.)]?)?[ \t\r]*+")
_RULE = re.compile(rf"{PAD}*+(?:[-*=]{{3,}}|[-*_]{PAD}[-*_]{PAD}[-*_])[ \t\r]*+")
_TASK_LINE = re.compile(
    rf"{PAD}*+(?:\#{{1,6}}{PAD}*+)?[*_【\[]{{0,3}}{_TASK_WORD}{PAD}*+\#?\d{{1,6}}{PAD}*+(?:个?任务|题|条)?"
    r"[*_】\]]{0,3}[.:：]?[*_]{0,3}[ \t\r]*+",
    re.I,
)
# The same with a title, which only a mark of Markdown tells from a line of an answer: ### Task 5: Sorting
_TITLED = re.compile(
    rf"{PAD}*+(?:\#{{1,6}}{PAD}*+[*_]{{0,3}}|[*_]{{2,3}}){_TASK_WORD}{PAD}*+\#?\d{{1,6}}{PAD}*+(?:个?任务|题|条)?[*_]{{0,3}}"
    rf"{PAD}*+[.:：–—-].{{1,100}}",
    re.I,
)
_BARE_NUMBER = re.compile(rf"{PAD}*+\d{{1,6}}[.)、]?[ \t\r]*+")
_NO_INPUT = frozenset(
    """noinput|no input|no_input|no-input|n/a|n.a|none|null|nil|not applicable|no input needed|no input required
    |no input necessary|no additional input|none needed|none required|empty
    |无|无输入|没有|没有输入|无需输入|不需要输入|不需要|无需|空|無|無輸入
    |ไม่มี|ไม่มีข้อมูล|ไม่มีข้อมูลนำเข้า|ไม่มีอินพุต|ไม่ต้องใช้|ไม่ต้องมี|ไม่จำเป็น|ไม่จำเป็นต้องใช้|ไม่ระบุ""".replace("\n    ", "").split("|")
)  # fmt: skip
_AROUND_NO_INPUT = " \t\r\n<>()[]{}（）【】〈〉《》*_`/.。"
_OPENING = re.compile(
    r"[*_#>\s]*(?:sure\b|certainly\b|of course\b|ok(?:ay)?\b|absolutely\b|great\b|here(?:'s|’s|\s+is|\s+are)\b|below\b"
    r"|th(?:e following|ese)\b|好的|当然|以下|下面|这里|这是|没问题|แน่นอน|ได้(?:ครับ|ค่ะ|เลย)|ต่อไปนี้|นี่คือ|ด้านล่าง|ข้างล่าง)",
    re.I,
)
_CLOSING = re.compile(
    r"[*_>\s]*(?:i hope\b|hope (?:this|these|that)\b|(?:please )?let me know\b|(?:please )?feel free\b"
    r"|would you like (?:me|more)\b|if you (?:need|want|would like|have)\b"
    r"|希望(?:这|对|能|以上)|如果(?:你|您)|如需|如有|请告诉我|需要我"
    r"|หวังว่า|หากคุณ|หากต้องการ|ถ้าคุณ|ถ้าต้องการ|บอกได้|แจ้งได้)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a completion; `reason` is set (`unparsed`, `cut_off`) where it cannot be used."""

    instruction: str
    input: str = ""
    output: str = ""
    reason: str | None = None


def unread(text: str, *, cut: bool) -> Item:
    """Return the item of a text in which nothing can be read."""
    return Item(storable(text).strip(), reason="cut_off" if cut else "unparsed")


def spoken(text: str) -> str | None:
    """Return a completion without the thoughts at its beginning (`<think>…</think>`), None when these do not end.

    Thoughts hold drafts of the very tasks that follow.
    """
    return split_thought(storable(text))[0]


def _separator(text: str, start: int, end: int, *, titled: bool = True) -> str | None:
    """Return the kind of separator that a line is, None where it is none."""
    if _HASHES.fullmatch(text, start, end):
        return "hashes"
    if _RULE.fullmatch(text, start, end):
        return "rule"
    if _TASK_LINE.fullmatch(text, start, end) or (titled and _TITLED.fullmatch(text, start, end)):
        return "task"
    return "number" if _BARE_NUMBER.fullmatch(text, start, end) else None


def _text_end(text: str, end: int) -> int:
    """Return where the text before a position ends, without the white space after it."""
    while end:
        block = text[max(0, end - 256) : end]
        if kept := len(block.rstrip()):
            return end - len(block) + kept
        end -= len(block)
    return 0


def clean(field: str, *, before_task: bool = False) -> str:
    """Return a field without white space around it and without the separator lines at its end.

    One of a kind goes, and no rule beside a ###: an answer may end with a drawing.

    Args:
        field: the text between two headings.
        before_task: whether a task follows, whose title may stand at the end of this field: `### Task 5: Sorting`.
    """
    end = len(field.rstrip())
    gone: set[str] = set()
    number = None  # the end before a bare number, which separates only after a separator: ###, then 5.
    while (at := field.rfind("\n", 0, end)) >= 0:
        kind = _separator(field, at + 1, end, titled=before_task)
        if kind is None or kind in gone or (kind == "rule" and "hashes" in gone) or (kind == "number" and gone):
            break
        number = end if kind == "number" else None
        gone.add(kind)
        end = _text_end(field, at)
    return field[: end if number is None else number].strip()


def separated(text: str, at: int, *, fences: bool = False) -> bool:
    """Whether the last line with text before a position is a separator (or a code fence), alone or before a bare number."""
    end = at
    for _ in range(2):
        end = _text_end(text, end)
        start = text.rfind("\n", 0, end) + 1
        if end == 0 or (fences and text.startswith("```", start)):
            return True
        kind = _separator(text, start, end)
        if kind != "number":
            return kind is not None
        end = start
    return False


def without_mark(text: str) -> str:
    """Return an input, "" where it only says that there is none: `<noinput>`, N/A, 无, ไม่มี."""
    if len(text) > 40:
        return text
    return "" if text.strip(_AROUND_NO_INPUT).casefold() in _NO_INPUT or text in ('""', "''", "“”") else text


def is_opening(text: str) -> bool:
    """Whether words before a list are only about it: "Sure! Here are the tasks:"."""
    text = text.strip()
    return len(text) <= REMARK and (_OPENING.match(text) is not None or not text)


def without_closing(text: str, *, after_separator: bool) -> str:
    """Return a text without a closing remark such as "Let me know if you need more!" in a last line of its own.

    Args:
        text: the last item of a completion.
        after_separator: whether a remark goes only after a separator line; else after an empty line.
    """
    text = text.rstrip()
    at = text.rfind("\n") + 1
    if at == 0 or len(text) - at > REMARK or not _CLOSING.match(text, at):
        return text
    before = text[:at].rstrip()
    alone = separated(text, at) if after_separator else text.count("\n", len(before), at) > 1
    return clean(before) if alone and before else text
