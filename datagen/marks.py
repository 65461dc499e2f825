"""Marks that a model's raw text carries, read into fields: the reasoning before an answer, and the calls after it."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from typing import Any

from datagen import json_text

# Opening and closing marks of reasoning, by the families that write them.
THOUGHTS = (
    ("<think>", "</think>"),  # DeepSeek, Qwen, GLM, Nemotron
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),  # Kimi
)
_CLOSES = {opened.lower(): re.compile(re.escape(closed), re.I) for opened, closed in THOUGHTS}
_OPENING = re.compile("|".join(re.escape(opened) for opened, _ in THOUGHTS), re.I)
_BEGINS = re.compile(rf"\s*+(?:{_OPENING.pattern})", re.I)
_CLOSING = re.compile("|".join(re.escape(closed) for _, closed in THOUGHTS), re.I)
_ANYWHERE = re.compile(
    "|".join(rf"{re.escape(opened)}.*?(?:{re.escape(closed)}|\Z)" for opened, closed in THOUGHTS), re.I | re.S
)
LINE = 400  # characters of a line that are looked at
_ANSWERS = (("<|begin_of_solution|>", "<|end_of_solution|>"), ("<|START_RESPONSE|>", "<|END_RESPONSE|>"))
_START, _ANALYSIS, _FINAL = "<|start|>assistant", "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"


def split_thought(text: str) -> tuple[str | None, str]:
    """Return what a model says after the thought that begins it, and the thought; None where that never ends.

    Of a completion, which some templates begin inside the thought: its closing mark may stand alone.
    """
    if (channels := _channels(text)) is not None:
        return channels
    if _BEGINS.match(text):
        return _after_thought(text)
    later = _OPENING.search(text)
    for closed in _CLOSING.finditer(text, 0, later.start() if later else len(text)):  # from there on it speaks of the marks
        if not _mentioned(text, closed):
            return unwrapped(text[closed.end() :].lstrip()), text[: closed.start()].strip()
    return text, ""


def split_reasoning(content: str) -> tuple[str, str]:
    """Return the reasoning that begins a content, without its marks, and what follows it; "" and the content without one.

    Of a row, whose content was written to be taught: a thought that never ends stays where it is, and a closing mark alone
    counts where it ends a line and nothing before it speaks of marks: some generation prompts open the thinking themselves,
    and answers saved from them begin in the middle of it.
    """
    if (found := _channels(content)) or _BEGINS.match(content):
        answer, thought = found or _after_thought(content)
        return ("", content) if answer is None else (thought, answer)
    thought, end, answer = content.partition("</think>")
    alone = answer.startswith(("\n", "\r\n")) and "<" not in thought
    return (thought.strip(), answer.lstrip()) if end and alone else ("", content)


def _after_thought(text: str) -> tuple[str | None, str]:
    """Return what follows the thought that a text opens, and the thought; None where it never ends."""
    opened = _BEGINS.match(text)
    assert opened is not None
    own = _CLOSES[opened.group().strip().lower()]
    marks = [*own.finditer(text, opened.end())] or [*_CLOSING.finditer(text, opened.end())]
    closed = next((mark for mark in marks if not _in_quotes(text, mark)), next(iter(marks), None))
    if closed is None:
        return None, text[opened.end() :].strip()
    return unwrapped(text[closed.end() :].lstrip()), text[opened.end() : closed.start()].strip()


def _channels(text: str) -> tuple[str | None, str] | None:
    """Return what a text says in the channel `final` of gpt-oss, None before there is one, and its thought; or None."""
    text = text.lstrip().removeprefix(_START)
    if not text.startswith(_ANALYSIS):
        return None
    thought, _, rest = text[len(_ANALYSIS) :].partition("<|end|>")
    _, final, answer = rest.partition(_FINAL)
    return (answer.rstrip().removesuffix("<|return|>").removesuffix("<|end|>") if final else None), thought.strip()


def _in_quotes(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark stands right behind a quotation mark or a backtick of its line that begins a quotation, and ends none."""
    begin = max(text.rfind("\n", 0, mark.start()) + 1, mark.start() - LINE)
    before = text[max(begin, mark.start() - 1) : mark.start()]
    ends = text[mark.end() : mark.end() + 1] in ("", "\n", "\r")  # a line, as thoughts do
    return not ends and before in ('"', "`") and text.count(before, begin, mark.start()) % 2 == 1


def _mentioned(text: str, mark: re.Match[str]) -> bool:
    """Whether a closing mark is a word of a sentence: quoted, or between words of one line."""
    before, after = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 1]
    between = before in set(" \t`'\"“‘(（「|") and after in set(" \t`'\"”’)）」.,;:!?，。；：！？|")
    return (bool(after) and between) or _in_quotes(text, mark)


def without_thoughts(text: str) -> str:
    """Return a text without its thoughts, wherever they stand; one without an end goes to the end of the text."""
    return _ANYWHERE.sub(" ", text)


def unwrapped(answer: str) -> str:
    """Return an answer without the marks around all of it, which some families write after their reasoning."""
    for opened, closed in _ANSWERS:
        if answer.startswith(opened) and answer.rstrip().endswith(closed):
            return answer.strip()[len(opened) : -len(closed)].strip()
    return answer


def split_calls(content: str) -> tuple[str, list[Any]]:
    """Return a content without the `<tool_call>` blocks that end it (Hermes, Qwen), and what they hold; [] if unreadable."""
    said, mark, rest = content.partition("<tool_call>")
    found: list[Any] = []
    while mark:
        inside, end, rest = rest.partition("</tool_call>")
        call = _call(inside) if end else None
        between, mark, rest = rest.partition("<tool_call>")
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or between.strip():
            return content, []
        found.append(call)
    return (said.rstrip(), found) if found else (content, [])


def _call(text: str) -> Any:
    """Return what a text holds as JSON, or as Python prints a map (Hermes' own sets have both); None for neither."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    if not text.lstrip().startswith("{"):
        return None
    with contextlib.suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return json.loads(json_text.dumps(ast.literal_eval(text.strip())))  # Python has values that JSON has not
    return None


def split_responses(content: str) -> list[str]:
    """Return what tools said of a content that is nothing but `<tool_response>` blocks; [] for any other."""
    opened, closed = "<tool_response>", "</tool_response>"
    found: list[str] = []
    at = 0
    while content.startswith(opened, at := at + _blanks(content, at)):
        end = content.find(closed, at)
        if end < 0:
            return []
        found.append(content[at + len(opened) : end].strip("\n"))
        at = end + len(closed)
    return found if at == len(content) else []


def _blanks(text: str, start: int) -> int:
    """Return how many white characters stand from a place on."""
    end = start
    while end < len(text) and text[end].isspace():
        end += 1
    return end - start


def without_response_marks(content: str) -> str:
    """Return what a tool said without the `<tool_response>` around it, which templates of Hermes and Qwen write themselves."""
    opened, closed, text = "<tool_response>", "</tool_response>", content.strip()
    if text.count(opened) == 1 and text.startswith(opened) and text.endswith(closed):
        return text[len(opened) : -len(closed)].strip("\n")
    return content


def after_empty_thought(text: str, start: int, content: str) -> int:
    """Return where a content begins in an answer that a template begins with an empty thought; else the answer's start.

    Args:
        text: a whole text.
        start: where the answer begins in it; the mark that opens the thought may stand before.
        content: what the turn says.
    """
    answer = text[start:]
    open_already = thinking_left_open(text[:start])
    for opened, closed in THOUGHTS:
        begun = "" if open_already and open_already[1] == closed else opened
        head = answer.lstrip()
        if not head.startswith(begun) or not head[len(begun) :].lstrip().startswith(closed):
            continue
        end = text.index(closed, start) + len(closed)
        at = text.find(content if content in text[end:] else content.strip(), end)
        if at >= 0 and not text[end:at].strip():
            return at
    return start


def thinking_left_open(text: str) -> tuple[str, str] | None:
    """Return the white space after an opening mark of reasoning that ends a text, and the mark that closes it; else None."""
    bare = text.rstrip()
    for opened, closed in THOUGHTS:
        if bare.endswith(opened):
            return text[len(bare) :], closed
    return None
