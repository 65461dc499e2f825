"""A completion with several tasks to items; pure, and every piece comes out as an item or as a reason.

The fields are headed `Instruction:`, `Input:` and `Output:`, with or without a number, in plain text, bold or Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

_HEADING = regex.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?(?:[*_]{1,2})?(?:\d+[ \t]*[.)、:][ \t]*)?(?:[*_]{1,2})?"
    r"(?P<name>Instruction|Input|Output)(?:[*_]{1,2})?[ \t]*[:：](?:[*_]{1,2})?[ \t]*",
    regex.I | regex.M,
)
# What stands alone on the lines between two tasks: ###, ### 5., ---, **Task 5:**.
_SEPARATOR = regex.compile(
    r"(?:\n[ \t]*(?:#{3,}[ \t]*(?:\d+[.)]?)?|[-*_]{3,}|(?:#{1,6}[ \t]*)?[*_]{0,2}Task[ \t]+\d+[.:：]?[*_]{0,2})[ \t]*\n*)+$",
    regex.I,
)
_NO_INPUT = regex.compile(r"<\s*no\s*input\s*>|\(?\s*no input\s*\)?|n/a|none", regex.I)


@dataclass(frozen=True)
class Item:
    """One task of a completion; `reason` is set (`unparsed`, `cut_off`) where it cannot be used."""

    instruction: str
    input: str = ""
    output: str = ""
    reason: str | None = None


def items(text: str, *, cut: bool, prefix: str = "") -> list[Item]:
    """Return the tasks of a completion in order.

    Args:
        text: the completion.
        cut: whether it ended at its length limit; its last task is then `cut_off`.
        prefix: what the prompt already wrote of the first task, such as `Instruction:`.

    Returns:
        At least one item: a text without any heading is one `unparsed` item.
    """
    text = prefix + text
    headings = list(_HEADING.finditer(text))
    starts = [i for i, h in enumerate(headings) if h["name"].lower() == "instruction"]
    if not starts:
        return [Item(text.strip(), reason="cut_off" if cut else "unparsed")]
    found = []
    if lost := _clean(text[: headings[starts[0]].start()]).strip("# \n"):
        # Words before the first task: a preamble. It is kept in the ledger only when it holds a field of its own.
        found += [Item(lost, reason="unparsed")] if starts[0] > 0 else []
    for n, start in enumerate(starts):
        end = starts[n + 1] if n + 1 < len(starts) else len(headings)
        limit = headings[end].start() if end < len(headings) else len(text)
        last = n + 1 == len(starts)
        found.append(_item(text, headings[start:end], limit, cut=cut and last))
    return found


def _item(text: str, headings: list[regex.Match[str]], limit: int, *, cut: bool) -> Item:
    """Return the task whose headings these are; its last field ends at `limit`."""
    ends = [h.start() for h in headings[1:]] + [limit]
    fields: dict[str, str] = {}
    last = "instruction"  # a task begins with its heading
    for heading, end in zip(headings, ends, strict=True):
        name = heading["name"].lower()
        # A heading inside an answer, such as "Input:" in a worked example, belongs to that text.
        if name in fields or "output" in fields:
            fields[last] += "\n" + _clean(text[heading.start() : end])
            continue
        fields[name] = _clean(text[heading.end() : end])
        last = name
    if _NO_INPUT.fullmatch(fields.get("input", "")):
        fields["input"] = ""
    reason = "cut_off" if cut else None if fields["instruction"] and "output" in fields else "unparsed"
    return Item(fields["instruction"], fields.get("input", ""), fields.get("output", ""), reason)


def _clean(field: str) -> str:
    return _SEPARATOR.sub("", field.rstrip()).strip()
