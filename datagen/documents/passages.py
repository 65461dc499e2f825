"""Blocks to passages: texts that stand by themselves, neither too short to answer anything nor too long to be one answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import regex

from datagen.documents.blocks import Block, blocks, unmarked
from datagen.documents.document import Document
from datagen.documents.markup import markdown_of
from datagen.text.tokens import words_in

# A text that begins so leans on what stood before it.
_LEANS = regex.compile(
    r"(?:however|therefore|thus|hence|moreover|furthermore|besides|also|but|and|so|then|nevertheless|this|that|these|those|he|she"
    r"|they|it|his|her|their|its|such|another|finally|in addition|as a result|on the other hand)\b"
    r"|(?:然而|但是|但|因此|所以|此外|另外|而且|并且|同时|其次|最后|这|那|他|她|它|其)|(?:แต่|ดังนั้น|นอกจากนี้|อย่างไรก็ตาม|และ|ซึ่ง|เขา|เธอ|มัน|นี้|ทั้งนี้)",
    flags=regex.I,
)
_SENTENCE = regex.compile(r"(?<=[.!?。！？…][\"”’』」)）]?)(?:\s+|(?<=[。！？…][”』」]?))|(?<=\p{Thai})\s+(?=\p{Thai})")


LEEWAY = 1.25  # times the most words that a passage may have where its last piece would be too short alone


@dataclass(frozen=True)
class Passage:
    """A piece of a document, or what was left out of it with the reason.

    `text` is without markup; `span` are character offsets into the document's text, or of an HTML page into its text as
    Markdown. Where a paragraph was cut between sentences, the offsets of the cuts are to the nearest few characters.
    """

    text: str
    span: tuple[int, int]
    headings: tuple[str, ...] = ()
    reason: str | None = None  # boilerplate | too_short | too_long | unreadable | empty_document


def passages(document: Document, min_words: int, max_words: int) -> Iterator[Passage]:
    """Yield the passages of a document in order, and what was left out of it; their spans cover all that is not blank.

    A passage is a run of whole blocks under one heading, ended where the next would make it longer than `max_words`, or where
    a new section begins. It does not end before a block that leans on it ("However, …", 因此, ดังนั้น), as long as there is room.
    A paragraph that is too long by itself is cut between sentences.

    Args:
        document: the document.
        min_words: words; a shorter rest is `too_short`. A character of a script without spaces counts as half a word.
        max_words: words.
    """
    if document.problem:
        yield Passage(document.text, (0, len(document.text)), reason="unreadable")
        return
    if document.markup == "html":
        text, head, beside = markdown_of(document.text)
        if any(c.isalnum() for c in beside):
            yield Passage(beside, (0, 0), reason="boilerplate")
        document = replace(document, text=text, title=document.title or head)
    if not document.text.strip():
        yield Passage("", (0, 0), reason="empty_document")
        return
    yield from _of_blocks(document, min_words, max_words)


def _of_blocks(document: Document, min_words: int, max_words: int) -> Iterator[Passage]:
    """Yield the passages of a document that has text, section by section."""
    found: list[Passage] = []
    junk: list[Passage] = []
    headings: list[Block] = []
    body: list[Block] = []

    def ended() -> None:
        if body:
            found.extend(_packed(body, _names(document.title, headings), min_words, max_words, document))
            body.clear()

    for block in blocks(document):
        if block.kind == "junk":
            raw = document.text[block.start : block.end]
            if any(c.isalnum() for c in raw):
                ended()  # a notice parts what stands around it; a rule or a mark does not
            junk.append(Passage(raw, (block.start, block.end), reason="boilerplate"))
        elif block.kind == "heading":
            ended()
            headings = [h for h in headings if h.level < block.level or not block.level] + [block]
            body.append(block)
        else:
            body.append(block)
    ended()
    # A mark within a passage is covered by its span.
    starts = [p.span[0] for p in found]
    left = [j for j in junk if not (at := bisect_right(starts, j.span[0])) or found[at - 1].span[1] < j.span[1]]
    yield from _joined(sorted([*found, *left], key=lambda p: p.span), document.text)


def _joined(found: Sequence[Passage], text: str) -> Iterator[Passage]:
    """Yield passages, with what was left out side by side for being navigation as one: a menu is one loss, not thirty."""
    for reason, group in groupby(found, key=lambda p: p.reason):
        members = list(group)
        if reason == "boilerplate":
            span = members[0].span[0], members[-1].span[1]
            yield Passage(text[slice(*span)], span, reason=reason)
        else:
            yield from members


def _names(title: str, headings: Sequence[Block]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (title, *(h.text for h in headings)) if name))


def _packed(
    body: Sequence[Block], names: tuple[str, ...], least: int, most: int, document: Document
) -> Iterator[Passage]:  # fmt: skip
    """Yield the passages of one section."""
    pieces = [part for block in body for part in _parts(block, most, document.text, markdown=document.markup == "markdown")]
    groups: list[list[Block]] = []
    for piece in pieces:
        size = words_in(piece.text)
        room = most - (sum(words_in(b.text) for b in groups[-1]) if groups else 0)
        leans = bool(_LEANS.match(piece.text)) or piece.kind in ("list", "code", "table")
        fits = bool(groups) and size <= room
        full = bool(groups) and room < most / 3
        if groups and fits and (leans or not full or not _says(groups[-1])):
            groups[-1].append(piece)
        elif groups and leans and (before := _what_it_leans_on(groups[-1], least, most - size)):
            del groups[-1][-1]
            groups.append([before, piece])
        else:
            groups.append([piece])
    if len(groups) > 1 and _size(groups[-1]) < least and _size(groups[-2]) + _size(groups[-1]) <= most * LEEWAY:
        groups[-2:] = [[*groups[-2], *groups[-1]]]
    for group in groups:
        shown = [b for b in group if b.kind != "heading"]
        text = "\n\n".join(b.text for b in shown)
        size = _size(shown)
        # A list or a sentence that cannot be cut may be much longer than the rest.
        reason = "too_short" if size < least else "too_long" if size > most * LEEWAY else None
        yield Passage(text or group[0].text, (group[0].start, group[-1].end), names, reason)


def _what_it_leans_on(group: Sequence[Block], least: int, room: float) -> Block | None:
    """Return the last block of a passage where that can do without it, and a new one has room for it."""
    last = group[-1]
    able = last.kind == "paragraph" and not _LEANS.match(last.text) and words_in(last.text) <= room
    rest = [b for b in group[:-1] if b.kind != "heading"]
    return last if able and _size(rest) >= least else None


def _says(group: Sequence[Block]) -> bool:
    return any(b.kind != "heading" for b in group)


def _size(group: Sequence[Block]) -> float:
    return sum(words_in(b.text) for b in group)


def _parts(block: Block, most: int, raw: str, *, markdown: bool) -> Iterator[Block]:
    """Yield a block whole, or cut between its sentences or lines where it is longer than a passage may be."""
    if words_in(block.text) <= most or block.kind in ("heading", "code", "table"):
        yield block
        return
    cut = _sentences(block.text) if block.kind != "list" else block.text.splitlines(keepends=True)
    here = raw[block.start : block.end]
    clean, places = unmarked(here) if markdown else (here, range(len(here)))
    marks = [place for place, c in zip(places, clean, strict=True) if not c.isspace()]  # of the characters of block.text
    held, size, done = "", 0.0, 0
    for sentence in [*cut, None]:
        more = 0.0 if sentence is None else words_in(sentence)
        if sentence is not None and (not held or size + more <= most):
            held, size = held + sentence, size + more
            continue
        if held.strip():
            start = block.start + marks[done] if done else block.start
            done += sum(not c.isspace() for c in held)
            yield replace(
                block, start=start, end=block.end if sentence is None else block.start + marks[done - 1] + 1, text=held.strip()
            )
        held, size = sentence or "", more


def _sentences(text: str) -> list[str]:
    """Cut a text between its sentences; what parts them, blanks or nothing, stays at their ends."""
    ends = [hit.end() for hit in _SENTENCE.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]
