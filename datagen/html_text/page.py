"""What a text with HTML says, a block a line."""

from __future__ import annotations

import html
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import regex

from datagen.html_text.markup import BLOCKS, CELLS, FORMULA, OPEN_ENDED, VOID, Mark, Span, markup

_ENTITY = regex.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANKS = regex.compile(r"[ \t\r\f\xa0]++")
_LINE_END = regex.compile(r"(?<![ \t\r\f])[ \t\r\f]*+\n[ \t\r\f]*+")
_BLANK_LINE = regex.compile(r"\n[ \t\r\f]*+\n")
_AFTER_BREAK = regex.compile(r"[ \t\r\f]*+\n?")
_RAISED = str.maketrans("0123456789+-=()ni−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ⁻")
_LOWERED = str.maketrans("0123456789+-=()−", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎₋")


def text_of_html(text: str, kept: Iterable[Span] = ()) -> str:
    r"""Return what a text with HTML says, a block a line; one without markup as it is. Example: `<p>a<br>b` → `a\nb`.

    Outside of blocks, and beside what is kept, blanks and line ends stay. Raised and lowered digits stay so (10⁶, H₂O).

    Args:
        text: any text, Markdown too.
        kept: start and end of pieces that stay as they are, such as code; in order.
    """
    if "<" not in text:
        return text
    pieces = list(kept)
    found = markup(text, pieces)
    if not found:
        return text
    page = _Page()
    at = 0
    for place, mark in enumerate(found):
        page.say(text, at, mark.start, pieces)
        if mark.name == FORMULA:
            page.keep(text[mark.start : mark.end])
        elif mark.name in ("sup", "sub"):
            page.shift(mark, found[place + 1 : place + 2])
        else:
            page.mark(mark)
        at = mark.end
    page.say(text, at, len(text), pieces)
    return page.text()


@dataclass
class _Page:
    """What a text with HTML says, as far as it was read."""

    parts: list[tuple[str, bool]] = field(default_factory=list)  # texts, and whether they stay as they are
    run: list[str] = field(default_factory=list)  # prose since the last part
    after: str = ""  # what the last part is: a `block`, a `break`, a `cell`, `kept`, or prose
    depth: int = 0  # open blocks
    pre: int = 0
    cell: bool = False
    moved: str = ""  # `sup` or `sub` while the text in it is read
    fresh: bool = True  # nothing was said yet
    gone: bool = False  # a comment or the like stood here

    def say(self, text: str, start: int, end: int, kept: Sequence[Span]) -> None:
        """Say a stretch of the text, the kept pieces in it as they stand."""
        for a, b in _within(kept, start, end):
            self._prose(text[start:a])
            self.keep(text[a:b])
            start = b
        self._prose(text[start:end])

    def keep(self, piece: str) -> None:
        """Say something as it stands."""
        self._flush("kept")
        self._line()
        self._put(piece, kept=True)
        self.after = "kept"

    def _prose(self, text: str) -> None:
        if not text:
            return
        if self.gone and (self.run[-1][-1:].isspace() if self.run else self.fresh or self.after == "block"):
            text = text[match.end() :] if (match := _AFTER_BREAK.match(text)) else text
        self.gone = False
        text = _ENTITY.sub(lambda hit: html.unescape(hit.group()), text) if "&" in text else text
        self.run.append(_moved(text, self.moved, "".join(self.run[-1:])) if self.moved else text)

    def shift(self, mark: Mark, following: Sequence[Mark]) -> None:
        """Begin or end a raised or lowered text; one with more markup inside is said as it is."""
        plain = not mark.closes and following and following[0].closes and following[0].name == mark.name
        self.moved = mark.name if plain else ""

    def mark(self, mark: Mark) -> None:
        """Take in a tag, a comment or a doctype."""
        name = mark.name
        if not name or name in VOID:
            self.gone = True
        elif name in CELLS:
            self._flush("cell" if self.cell else "block")
            if self.cell:
                self._bar()
            self.cell = not mark.closes
        elif name in BLOCKS and self.cell and name not in ("tr", "table", "tbody", "thead", "tfoot"):
            self._prose(" ")  # the blocks of a cell are on its line
        elif name == "br":
            self._break()
        elif name in BLOCKS:
            self._flush("block")
            self.cell = False
            if self.parts and self.parts[-1][0] == " | ":
                self.parts.pop()
            self.after = "block"
            if name != "hr" and name not in OPEN_ENDED:
                self.depth = max(0, self.depth + (-1 if mark.closes else 1))
            if name == "pre":
                self.pre = max(0, self.pre + (-1 if mark.closes else 1))

    def text(self) -> str:
        """Return all that was said."""
        self._flush("")
        if self.parts and self.parts[-1][0] == " | ":
            self.parts.pop()
        said = "".join(part for part, _ in self.parts)
        return said.rstrip() if self.after in ("block", "break", "cell") else said

    def _break(self) -> None:
        if self.cell:
            self._prose(" ")
            return
        self._flush("break")
        if not self.fresh:
            self._line()
            self._put("\n")
        self.after = "break"

    def _bar(self) -> None:
        self._line()
        self._put(" | ")
        self.after = "cell"

    def _put(self, text: str, *, kept: bool = False) -> None:
        if text:
            self.parts.append((text, kept))
            self.fresh = False

    def _at_line_start(self) -> bool:
        return not self.parts or self.parts[-1][0].endswith("\n")

    def _line(self) -> None:
        """Begin a line where a block ended."""
        if self.after == "block" and not self.fresh and not self._at_line_start():
            self._put("\n")
        self.after = ""

    def _flush(self, then: str) -> None:
        """Say the prose that was gathered; `then` is what comes after it."""
        text = "".join(self.run)
        self.run.clear()
        if not text:
            return
        if self.pre:
            self._line()
            self._put(text.rstrip() if then == "block" else text)
            return
        core = text.strip()
        if not core and (self.after in ("block", "cell") or self.fresh) and then in ("block", "cell", ""):
            return
        lead = text[: len(text) - len(text.lstrip())] if core else text
        trail = text[len(text.rstrip()) :] if core else ""
        loose = not self.depth or _BLANK_LINE.search(text) is not None  # Markdown, or prose without any blocks
        core = core if loose else _BLANKS.sub(" ", _LINE_END.sub("\n", core))
        self._lead(lead, loose)
        self._put(core)
        if then in ("block", "break", "cell"):
            trail = trail[: trail.rfind("\n") + 1] if loose and then == "block" else ""
        elif then != "kept" and not loose:
            trail = "\n" if "\n" in trail else trail[:1]
        self._put(trail)

    def _lead(self, lead: str, loose: bool) -> None:
        """Say the blanks before a text: those of Markdown, at most one blank or line end where HTML lays it out."""
        if self.after == "block":
            if "\n" in lead and loose and not self.fresh:
                lead = lead[lead.index("\n") :]
                self._put(lead.removeprefix("\n") if self._at_line_start() else lead)
                self.after = ""
            self._line()
        elif self.after == "break":
            self._put(lead[match.end() :] if loose and (match := _AFTER_BREAK.match(lead)) else "")
        elif self.after != "cell" and (self.after == "kept" or loose or not lead):
            self._put(lead)
        elif self.after != "cell":
            self._put("\n" if "\n" in lead else " ")
        self.after = ""


def _within(kept: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Yield the parts of the kept pieces that lie in a stretch."""
    for a, b in kept[bisect_right(kept, start, key=lambda piece: piece[1]) :]:
        if a >= end:
            return
        yield max(a, start), min(b, end)


def _moved(text: str, where: str, before: str) -> str:
    """Return a raised or lowered text as it is written in one line: 10⁶, xⁿ, e^x, a_i; ordinals and notes are said plainly."""
    signs = _RAISED if where == "sup" else _LOWERED
    shifted = text.translate(signs)
    if text and all(ord(sign) in signs for sign in text) and text[0] != "(":
        return shifted
    if not before[-1:].isalnum() and before[-1:] not in (")", "]", "}"):
        return text
    if text.isalpha() and len(text) == 1:
        return ("^" if where == "sup" else "_") + text
    if text.isalpha() or text[:1] in "[(*†‡®™":
        return text
    return f"{'^' if where == 'sup' else '_'}({text})"
