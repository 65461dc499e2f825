"""A model's answer to the tags that it names: JSON in the shapes that models write it, or a plain list; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from datagen.json_text import storable

LONGEST = 80  # characters of a tag; a longer one is a sentence
MOST = 50  # tags of one answer
READ = 20_000  # characters of an answer that are read
TRIES = 50  # brackets at which JSON is looked for
KEYS = ("tag", "tags", "title", "name", "intent", "标签", "标签名", "แท็ก")

_DECODER = json.JSONDecoder(strict=False)
_OPEN = re.compile(r"[\[{]")
_FIELD = re.compile(r'["\']?(?:tag|title|标签|แท็ก)["\']?\s*[:：]\s*["“\']([^"”\'\n]{1,200})["”\']', re.IGNORECASE)
_MARK = re.compile(r"^\s*(?:[-*+•·]|\(?\d{1,3}[.)、:：])\s*")
_EXPLAINED = re.compile(r"(?<!\s)(?:\s*+(?:[:：]\s|：|——)|\s++[-–—]\s).*")
_BLANKS = re.compile(r"[ \t\x0b\x0c]{2,}+")
_TRIM = " \t\r\n*_`#\"'“”‘’「」.,;，。；、"


def tags_of(text: str) -> list[str]:
    """Return the tags of an answer in its order, each once whatever its case; none where there are none.

    JSON wherever it stands in the answer: a list of objects with a tag and its explanation, of texts, or an object that holds
    one; one that breaks off gives what can be read. Without JSON, the lines of a list, or one line with commas.
    """
    text = storable(_BLANKS.sub(" ", text[:READ]))  # what follows is quadratic in runs of blanks
    found: dict[str, str] = {}
    for raw in _json(text) or _lines(text):
        tag = storable(" ".join(raw.split())).strip(_TRIM)  # JSON may spell what no file can hold
        if tag and len(tag) <= LONGEST and any(c.isalpha() for c in tag):
            found.setdefault(tag.casefold(), tag)
    return list(found.values())[:MOST]


def _json(text: str) -> list[str]:
    """Return the tags of all JSON values, and of what breaks off or is nearly JSON."""
    found: list[str] = []
    at = read = 0
    for _ in range(TRIES):
        opened = _OPEN.search(text, at)
        if opened is None:
            break
        try:
            value, at = _DECODER.raw_decode(text, opened.start())
        except (ValueError, RecursionError):
            at = opened.end()
            continue
        found += _named(value, 3)
        read = at
    return [*found, *(m[1] for m in _FIELD.finditer(text, read))]


def _named(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for v in value:
            yield from _named(v, depth - 1)
    elif isinstance(value, dict) and depth:
        keys = {k.casefold(): k for k in reversed(value)}
        named = next((keys[k] for k in KEYS if k in keys), None)
        if named is not None:
            yield from _named(value[named], depth - 1)
        else:  # {"result": [{"tag": …}]}
            for v in value.values():
                if isinstance(v, list):
                    yield from _named(v, depth - 1)


def _lines(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and not _MARK.match(lines[0]):
        parts = re.split(r"[,，、;；]", lines[0].rpartition(":")[2] or lines[0])
        return parts if len(parts) > 1 and max(map(len, parts)) <= LONGEST else []
    marked = [line for line in lines if _MARK.match(line)]
    return [_EXPLAINED.sub("", _MARK.sub("", line)) for line in marked]
