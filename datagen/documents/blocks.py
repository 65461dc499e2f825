"""A document as blocks: headings, paragraphs, lists, code and tables, each with its span; navigation is marked as such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise

import regex

from datagen.documents.document import Document
from datagen.text.tokens import words_in
from datagen.text.wordlists import entries

_FENCE = regex.compile(r"^[ \t]*(```|~~~)")
_HEADING = regex.compile(r"^[ \t]{0,3}(#{1,6})[ \t]++(\S.*)$")
_RULE = regex.compile(r"^[ \t]*+(?:[-=_*]{3,}+|[-*_](?:[ \t]*+[-*_]){2,}+)[ \t]*+$")
_LIST = regex.compile(
    r"^[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+|[•·][ \t]*|(?:\d{1,3}、|[（(]?[一二三四五六七八九十]{1,3}[）)、])[ \t]*)\S"
)
_FRONT = regex.compile(r"\A---\n.*?\n---\n", flags=regex.S)
_COMMENT = regex.compile(r"<!--(?:(?!-->|<!--).){0,5000}+-->", flags=regex.S)  # bounded: pages are not ours
_IMAGE = regex.compile(r"\[?!\[[^\]\[]{0,500}+\]\([^()]{0,2000}+\)(?:\]\([^()]{0,2000}+\))?")
_LINK = regex.compile(r"\[([^\]\n]{1,300})\]\((?:[^()\s]|\([^()]*\)){1,500}(?:\s+\"[^\"]*\")?\)")
_TARGET = regex.compile(r"^[ \t]*\[[^\]]+\]:\s+\S+.*$")
_ENDS = regex.compile(r"[.!?。！？…:：;；\"”’』」)）\]]\s*$")
_FACT = regex.compile(r"\n|[:：]\s*\S")  # several lines, or a name with its value
_PARTED = regex.compile(r"\s[|›»>•·/]\s|\s{3,}")
MENU_LINES = 3  # so many short lines without an end in a row are a menu
WRAPPED = (45, 110)  # characters of a line of wrapped text
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
    lines = _lines(text, at)
    # Lines of plain text are paragraphs of their own, as pages and articles have no blank lines between them; or a paragraph
    # was wrapped to a width, and is one line again.
    wrapped = document.markup == "text" and _is_wrapped([line for _, line in lines])
    own_lines = document.markup == "text" and not wrapped
    kind_of = [_kind(line, own_lines) for _, line in lines]
    kinds = _fenced([line for _, line in lines], kind_of)
    for (kind, _), group in groupby(zip(kinds, lines, strict=True), key=lambda pair: (pair[0], pair[0] in ("heading", "line"))):
        members = [line for _, line in group]
        pieces = [[m] for m in members] if kind in ("heading", "line") else [members]
        for piece in pieces if kind != "blank" else []:
            start, end = piece[0][0], piece[-1][0] + len(piece[-1][1])
            level = len(hit[1]) if (hit := _HEADING.match(piece[0][1])) else 0
            name = "paragraph" if kind == "line" else kind
            said = unmarked(text[start:end])[0] if document.markup == "markdown" and name != "code" else text[start:end]
            said = _cleaned(said, name)
            found.append(
                Block(start, end, name, " ".join(said.split("\n")) if wrapped and name == "paragraph" else said, level)
            )
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
    if len(bare := line.strip(" \t")) > 1 and bare[0] == bare[-1] == "|":
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


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether the lines of a text were broken at a width: most that another one follows are about as long, and end nowhere."""
    inner = [one.strip() for one, after in pairwise(lines) if one.strip() and after.strip()]
    blank = any(not line.strip() for line in lines[:-1])
    as_long = sum(WRAPPED[0] <= len(one) <= WRAPPED[1] for one in inner)
    open_ends = sum(not _ENDS.search(one) for one in inner)
    return blank and len(inner) >= 3 and as_long >= 0.8 * len(inner) and open_ends >= 0.5 * len(inner)


def unmarked(text: str) -> tuple[str, list[int]]:
    """Return Markdown without images, comments and the targets of links, and the offset in it of each character that stays."""
    places = list(range(len(text)))
    for pattern in (_COMMENT, _IMAGE, _LINK):
        kept: list[tuple[int, int]] = []
        at = 0
        for hit in pattern.finditer(text):
            kept += [(at, hit.start()), *([hit.span(1)] if pattern is _LINK else [])]
            at = hit.end()
        if at:
            kept.append((at, len(text)))
            text, places = "".join(text[a:b] for a, b in kept), [p for a, b in kept for p in places[a:b]]
    return text, places


def _cleaned(text: str, kind: str) -> str:
    """Return a block's text without the marks of a heading and blanks of no use; code as it is."""
    if kind == "code":
        return text.strip("\n")
    if hit := _HEADING.match(text):
        text = hit[2].rstrip()
        closed = text.rstrip("#")
        text = closed if closed[-1:] in (" ", "\t") else text  # `# Title #`, but not `# C#`
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
