"""Texts as the report shows them: cut to a length, control characters made visible, differing words marked."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

import regex

from datagen.text.tokens import UNSPACED
from datagen.visible import visible

LIMIT = 600  # characters of a text that are shown
TURNS = 6  # turns of a conversation that are shown
_COMPARED = 20_000  # characters in which the first difference is looked for
_BEFORE = 120  # characters shown before a first difference that lies far into the texts
_CLOSE = 0.25  # share of words two texts must have in common for marks to say anything

Pieces = list[tuple[str, bool]]  # text, and whether it is marked

_SPACED = rf"[\p{{L}}\p{{M}}\p{{N}}_]--[{UNSPACED}]"
_WORD = regex.compile(rf"(?=[{UNSPACED}])\X|[{_SPACED}]+|[^\S\n]+|\X", flags=regex.VERSION1)


def cut(text: str, start: int = 0, limit: int = LIMIT) -> str:
    """Return at most `limit` characters of a text from `start` on, an ellipsis where something is left out.

    No combining mark is parted from its letter.
    """
    while 0 < start < len(text) and unicodedata.category(text[start]).startswith("M"):
        start -= 1
    end = start + limit
    if end < len(text):
        while end > start + limit // 2 and unicodedata.category(text[end]).startswith("M"):
            end -= 1
    return ("…" if start else "") + visible(text[start:end]) + ("…" if end < len(text) else "")


def blocks(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a row says as (label, text); a conversation turn by turn; no text is empty but the answer's."""
    found = [("system", row["system"])]
    if row["messages"] is None:
        found += [(name, row[name]) for name in ("instruction", "input", "output")]
    else:
        turns = row["messages"]
        shown = turns if len(turns) <= TURNS else [*turns[: TURNS // 2], *turns[-TURNS // 2 :]]
        for n, turn in enumerate(shown):
            if n == TURNS // 2 and len(shown) < len(turns):
                found.append(("…", f"{len(turns) - len(shown)} turns are not shown"))
            said = "\n".join(p for p in (turn["content"], turn["tool_calls"]) if p)
            found.append((turn["role"] or "turn", said))
    found.append(("tools", row["tools"]))
    found += [(f"candidate {n}", c["text"]) for n, c in enumerate(row["candidates"] or (), 1) if 1 < n <= 3]
    found = [(label, text) for label, text in found if text]
    if not found:
        return [("raw", raw) for raw in [_raw(row["extra"])] if raw]
    if row["messages"] is None and not row["output"]:
        found.append(("output", ""))  # that there is no answer is to be seen
    return found


def _raw(extra: str) -> str:
    """What the input held where it could not be read as a row."""
    try:
        value = json.loads(extra)
    except ValueError:
        return extra
    raw = value.get("raw") if isinstance(value, dict) else None
    return raw if isinstance(raw, str) else extra


def alone(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of a row shown by itself, as {label, text, length}."""
    return [{"label": label, "text": cut(text), "length": len(text)} for label, text in blocks(row)]


def beside(row: Mapping[str, Any], witness: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of a row and its witness side by side.

    Returns:
        For each label, in order: {label, same: text or None, left, right: pieces or None where a side has no such
        block, lengths: characters of both}.
    """
    ours, theirs = _numbered(row), _numbered(witness)
    order = list(ours) + [key for key in theirs if key not in ours]
    found = []
    for key in order:
        a, b = ours.get(key), theirs.get(key)
        same = cut(a) if a is not None and a == b else None
        left, right = (None, None) if same is not None else compare(a, b)
        lengths = (len(a or ""), len(b or ""))
        found.append({"label": key[0], "same": same, "left": left, "right": right, "lengths": lengths})
    return found


def _numbered(row: Mapping[str, Any]) -> dict[tuple[str, int], str]:
    """The blocks of a row by label and how often the label came before."""
    found: dict[tuple[str, int], str] = {}
    for label, text in blocks(row):
        n = 0
        while (label, n) in found:
            n += 1
        found[label, n] = text
    return found


def compare(a: str | None, b: str | None) -> tuple[Pieces | None, Pieces | None]:
    """Return two different texts as pieces, what differs marked: words, or characters of scripts that space none.

    Texts that have little in common are not marked: every word would be. Shown is the part with the first difference.
    """
    if a is None or b is None:
        return [(cut(a), False)] if a is not None else None, [(cut(b), False)] if b is not None else None
    alike = zip(a[:_COMPARED], b[:_COMPARED], strict=False)
    common = next((n for n, (x, y) in enumerate(alike) if x != y), min(len(a), len(b), _COMPARED))
    start = common - _BEFORE if common > LIMIT - _BEFORE else 0
    left, right = cut(a, start), cut(b, start)
    ours, theirs = _WORD.findall(left), _WORD.findall(right)
    keys = [_blanks_alike(ours), _blanks_alike(theirs)]
    if keys[0] == keys[1]:  # then the blanks are the difference
        keys = [ours, theirs]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    matched = [m for m in matcher.get_matching_blocks() if m.size]
    shared = sum(len("".join(ours[m.a : m.a + m.size]).strip()) for m in matched)
    if shared < _CLOSE * max(len(left), len(right)):
        return [(left, False)], [(right, False)]
    return (
        _marked(ours, [(m.a, m.a + m.size) for m in matched]),
        _marked(theirs, [(m.b, m.b + m.size) for m in matched]),
    )


def _blanks_alike(words: list[str]) -> list[str]:
    return [" " if word != "\n" and word.isspace() else word for word in words]


def _marked(words: list[str], equal: list[tuple[int, int]]) -> Pieces:
    """Join words into pieces, those outside the equal ranges marked, blanks between two marks too."""
    found: Pieces = []
    at = 0
    for start, end in [*equal, (len(words), len(words))]:
        for text, marked in (("".join(words[at:start]), True), ("".join(words[start:end]), False)):
            if not text:
                continue
            if marked and len(found) > 1 and not found[-1][0].strip() and found[-2][1]:
                blank = found.pop()[0]
                text = found.pop()[0] + blank + text
            found.append((text, marked))
        at = end
    return found
