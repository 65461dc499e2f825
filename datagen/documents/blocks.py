"""A document as blocks: headings, paragraphs, lists, code and tables, each with its span; navigation is marked as such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import regex

from datagen.documents.document import Document
from datagen.text import words_in
from datagen.wordlists import entries

_FENCE = regex.compile(r"^[ \t]*(```|~~~)")
_HEADING = regex.compile(r"^[ \t]{0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
_RULE = regex.compile(r"^[ \t]*+(?:[-=_*]{3,}+|[-*_](?:[ \t]*+[-*_]){2,}+)[ \t]*+$")
_LIST = regex.compile(
    r"^[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+|[•·][ \t]*|(?:\d{1,3}、|[（(]?[一二三四五六七八九十]{1,3}[）)、])[ \t]*)\S"
)
_TABLE = regex.compile(r"^[ \t]*\|.*\|[ \t]*$")
_FRONT = regex.compile(r"\A---\n.*?\n---\n", flags=regex.S)
_COMMENT = regex.compile(r"<!--(?:(?!-->|<!--).){0,5000}+-->", flags=regex.S)  # bounded: pages are not ours
_IMAGE = regex.compile(r"\[?!\[[^\]\[]{0,500}+\]\([^()]{0,2000}+\)(?:\]\([^()]{0,2000}+\))?")
_LINK = regex.compile(r"\[([^\]\n]{1,300})\]\((?:[^()\s]|\([^()]*\)){1,500}(?:\s+\"[^\"]*\")?\)")
_TARGET = regex.compile(r"^[ \t]*\[[^\]]+\]:\s+\S+.*$")
_ENDS = regex.compile(r"[.!?。！？…:：;；\"”’』」)）\]]\s*$")
_FACT = regex.compile(r"\n|[:：]\s*\S")  # several lines, or a name with its value
_PARTED = regex.compile(r"\s[|›»>•·/]\s|\s{3,}")
MENU_LINES = 3  # so many short lines without an end in a row are a menu
SHORT = 9  # words of a line that may be one


@dataclass(frozen=True)
class Block:
    """A piece of a document: text[start:end] of it, what it is, and its text without markup of no use."""

    start: int
    end: int
    kind: str  # heading | paragraph | list | code | table | junk
    text: str
    level: int = 0  # of a heading


def blocks(document: Document) -> list[Block]:
    """Return the blocks of a document in order; their spans cover all of it that is not blank.

    What is navigation, a notice or markup is a block of the kind `junk`, so that nothing is lost in silence. HTML must have
    been turned into Markdown before (`markup.markdown_of`).
    """
    found = _cut(document)
    return _without_menus([_judged(b) for b in found])


def _cut(document: Document) -> list[Block]:
    """Cut a text at blank lines, headings, fences, and where lists and tables begin or end."""
    text, at = document.text, 0
    found: list[Block] = []
    if front := _FRONT.match(text) if document.markup == "markdown" else None:
        found.append(Block(0, front.end(), "junk", ""))
        at = front.end()
    # Lines of plain text are paragraphs of their own: pages and articles have no blank lines between them.
    own_lines = document.markup == "text"
    lines = _lines(text, at)
    kind_of = [_kind(line, own_lines) for _, line in lines]
    kinds = _fenced([line for _, line in lines], kind_of)
    for (kind, _), group in groupby(zip(kinds, lines, strict=True), key=lambda pair: (pair[0], pair[0] in ("heading", "line"))):
        members = [line for _, line in group]
        pieces = [[m] for m in members] if kind in ("heading", "line") else [members]
        for piece in pieces if kind != "blank" else []:
            start, end = piece[0][0], piece[-1][0] + len(piece[-1][1])
            level = len(hit[1]) if (hit := _HEADING.match(piece[0][1])) else 0
            name = "paragraph" if kind == "line" else kind
            found.append(Block(start, end, name, _cleaned(text[start:end], name), level))
    return found


def _lines(text: str, at: int) -> list[tuple[int, str]]:
    found = []
    for line in text[at:].split("\n"):
        found.append((at, line))
        at += len(line) + 1
    return found


def _kind(line: str, own_lines: bool) -> str:
    if not line.strip():
        return "blank"
    if _HEADING.match(line):
        return "heading"
    if _TABLE.match(line):
        return "table"
    if _RULE.match(line) or _TARGET.match(line):
        return "junk"
    if _LIST.match(line):
        return "list"
    return "line" if own_lines else "paragraph"


def _fenced(lines: list[str], kinds: list[str]) -> list[str]:
    """Return the kinds with everything between fences as code, blank lines too; a fence that never closes is none."""
    found, at = list(kinds), 0
    while at < len(lines):
        if opened := _FENCE.match(lines[at]):
            close = next((i for i in range(at + 1, len(lines)) if lines[i].strip().startswith(opened[1])), None)
            if close is not None:
                found[at : close + 1] = ["code"] * (close + 1 - at)
                at = close
        at += 1
    return found


def _cleaned(text: str, kind: str) -> str:
    """Return a block's text: images, comments and the targets of links taken out; code as it is."""
    if kind == "code":
        return text.strip("\n")
    text = _IMAGE.sub("", _COMMENT.sub("", text))
    text = _LINK.sub(r"\1", text)
    if hit := _HEADING.match(text):
        text = hit[2]
    lines = [" ".join(line.split()) if kind != "list" else line.rstrip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line.strip()).strip("\n")


@lru_cache(maxsize=1)
def _notices() -> regex.Pattern[str]:
    return regex.compile("|".join(regex.escape(e) for e in entries("page_notices")), flags=regex.I)


def _judged(block: Block) -> Block:
    """Mark a block that is a notice, a row of links, or nothing but markup."""
    if block.kind in ("code", "table", "junk"):
        return block
    size = words_in(block.text)
    if size == 0 or not any(c.isalnum() for c in block.text):
        return replace(block, kind="junk")
    if block.kind != "heading" and size <= 40 and _notices().search(block.text):
        return replace(block, kind="junk")
    parts = [p for p in _PARTED.split(block.text) if p.strip()]
    if block.kind == "paragraph" and len(parts) >= 3 and all(words_in(p) <= 5 for p in parts):
        return replace(block, kind="junk")
    return block


def _without_menus(found: list[Block]) -> list[Block]:
    """Mark runs of short lines that end nowhere: menus, lists of links, bylines. A heading with a text after it is none."""
    short = [
        b.kind in ("paragraph", "heading")
        and words_in(b.text) <= SHORT
        and not _ENDS.search(b.text)
        and not _FACT.search(b.text)
        for b in found
    ]
    out, at = list(found), 0
    while at < len(found):
        end = at
        while end < len(found) and (short[end] or (end > at and found[end].kind == "junk")):
            end += 1
        run = [i for i in range(at, end) if short[i]]
        # The last of them may be the title of what follows.
        if run and end < len(found) and found[end].kind != "junk":
            run = run[:-1]
        if len(run) >= MENU_LINES:
            for i in run:
                out[i] = replace(found[i], kind="junk")
        at = max(end, at + 1)
    return out
