"""What of a text is markup: the tag of a known HTML element that is closed where its kind has to be, a comment, or a doctype.

No parser of browsers is used: to them `a<b and c>d` is an element, and what they take for one is gone. In doubt it is text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import regex

Span = tuple[int, int]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption"
    " figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol optgroup option"
    " p pre search section summary table tbody tfoot thead title tr ul"
)
CELLS = frozenset(("td", "th"))
ALWAYS = frozenset(("br", "hr", "wbr"))  # never closed, and no names that people write in angle brackets for a thing
VOID = _names("area base basefont bgsound col embed frame img input link meta param source track")
INLINE = _names(
    "a abbr acronym applet audio b bdi bdo big blink button canvas cite code colgroup data datalist del dfn em font"
    " i iframe ins kbd label map mark marquee meter nobr noembed noframes object output picture progress q rb rp rt"
    " rtc ruby s samp select small span strike strong sub sup textarea time tt u var video"
)
# Of which running text is made; a page's controls alone are code that someone asked for.
OF_TEXT = BLOCKS - _names("dialog fieldset form frameset html legend main optgroup option search title") | INLINE - _names(
    "applet audio button canvas data datalist iframe label map meter noembed noframes object output picture progress"
    " select textarea video"
)
OF_TEXT |= _names("br img td th script style")
AWAY = frozenset(("head", "noscript", "script", "style", "svg", "template"))  # what they hold is not read
FORMULA = "math"  # its elements say how it is written: without them it is another one
OPEN_ENDED = _names("dd dt li p tbody td tfoot th thead tr")  # closed by what follows them
HOLDERS = {
    **dict.fromkeys(("td", "th", "tr", "tbody", "thead", "tfoot"), ("table",)),
    "li": ("ul", "ol", "menu", "dir"), "dt": ("dl",), "dd": ("dl",),
}  # fmt: skip
ELEMENTS = BLOCKS | CELLS | ALWAYS | VOID | INLINE | AWAY | {FORMULA}

# A value holds no `<`, so that two tries never look at the same text: the time is linear.
_ATTRIBUTE = (
    r"""[A-Za-z_:@][\w:.@-]*+\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'|[^\s"'=<>`]++)"""
    r"|(?:data|aria)-[\w-]++"
    r"|(?i:allowfullscreen|async|autofocus|autoplay|checked|compact|controls|default|defer|disabled|download|hidden|inert|ismap"
    r"|itemscope|loop|multiple|muted|nomodule|noshade|novalidate|nowrap|open|playsinline|readonly|required|reversed|selected)"
    r"(?![\w=-])"
)
_MARKUP = regex.compile(
    rf"<(?:(?P<close>/)?(?P<name>[A-Za-z][A-Za-z0-9]*+)(?P<attributes>(?:(?:\s++|(?<=[\"']))(?:{_ATTRIBUTE}))*+)\s*+/?>"
    r"|(?P<comment>!--)|(?P<doctype>!(?i:doctype)\b[^<>]*+>))"
)
_CLOSING = regex.compile(r"</(head|math|noscript|script|style|svg|template)\s*+>", flags=regex.I)
_BEFORE_A_BLOCK = frozenset("\n.!?:;。！？：；…")


class Mark(NamedTuple):
    """A tag, comment or doctype of a text; `name` is "" for what only goes."""

    start: int
    end: int
    name: str
    closes: bool
    sure: bool  # markup whatever else there is


def markup(text: str, kept: Sequence[Span]) -> list[Mark]:
    """Return the markup of a text, in order; none begins inside a piece that is kept."""
    found = _paired(text, list(_marks(text, kept)))
    return found if any(mark.name in OF_TEXT or not mark.name for mark in found) else []


def _marks(text: str, kept: Sequence[Span]) -> Iterator[Mark]:
    """Yield what may be markup, in order; what begins inside a kept piece is none."""
    absent: set[str] = set()  # looked for in vain once
    at = piece = 0
    while hit := _MARKUP.search(text, at):
        while piece < len(kept) and kept[piece][1] <= hit.start():
            piece += 1
        if piece < len(kept) and kept[piece][0] <= hit.start():
            at = kept[piece][1]
            continue
        at = hit.end()
        name = (hit["name"] or "").lower()
        if hit["doctype"]:
            yield Mark(*hit.span(), "", closes=False, sure=True)
        elif hit["comment"] or ((name in AWAY or name == FORMULA) and not hit["close"]):
            end = _end(text, "-->" if hit["comment"] else f"</{name}", at, absent)
            if end is not None:
                yield Mark(hit.start(), end, name if name == FORMULA else "", closes=False, sure=True)
                at = end
        elif name in ELEMENTS:
            attributes = hit["attributes"]
            sure = name in ALWAYS or (name in VOID and bool(attributes)) or '="' in attributes or "='" in attributes
            yield Mark(*hit.span(), name, closes=bool(hit["close"]), sure=sure)


def _end(text: str, mark: str, at: int, absent: set[str]) -> int | None:
    """Where a comment, or an element whose inside is not read, ends; None where it does not."""
    if mark in absent:
        return None
    if mark == "-->":
        found = text.find(mark, at)
        end = found + len(mark) if found >= 0 else None
    else:
        closing = next((hit for hit in _CLOSING.finditer(text, at) if hit[1].lower() == mark[2:]), None)
        end = closing.end() if closing else None
    if end is None:
        absent.add(mark)
    return end


def _paired(text: str, marks: Sequence[Mark]) -> list[Mark]:
    """Return the marks that are markup: closed, or sure without that, or where only HTML has such a tag."""
    opened: dict[str, list[int]] = {}
    taken = [mark.sure for mark in marks]
    for place, mark in enumerate(marks):
        if mark.name in ALWAYS | VOID | {"", FORMULA}:
            continue
        if not mark.closes:
            opened.setdefault(mark.name, []).append(place)
        elif before := opened.get(mark.name):
            taken[place] = taken[before.pop()] = True
    _left_open(text, marks, taken)
    return [mark for mark, is_one in zip(marks, taken, strict=True) if is_one]


def _left_open(text: str, marks: Sequence[Mark], taken: list[bool]) -> None:
    """Take tags without their other half where only HTML has them: in a list or a table, at a line's start, beside another."""
    inside: Counter[str] = Counter()  # open elements
    loose: set[str] = set()  # names that are left open here
    some = any(taken)
    for place, mark in enumerate(marks):
        gap = text[marks[place - 1].end if place else 0 : mark.start]
        if not taken[place] and mark.name not in VOID | AWAY:
            taken[place] = (
                _is_beside(text, marks, place, taken)
                or (mark.closes and some and mark.name in BLOCKS | CELLS)
                or (
                    mark.name in OPEN_ENDED
                    and not mark.closes
                    and (
                        mark.name in loose
                        or any(inside[name] for name in HOLDERS.get(mark.name, ()))
                        or (gap.rstrip(" \t")[-1:] or "\n" * (not place)) in _BEFORE_A_BLOCK
                    )
                )
            )
            if taken[place] and not mark.closes:
                loose.add(mark.name)
        elif taken[place]:
            inside[mark.name] += -1 if mark.closes else 1


def _is_beside(text: str, marks: Sequence[Mark], place: int, taken: Sequence[bool]) -> bool:
    """Whether a tag of a block follows one that is taken, or two of blocks follow each other: as in a text that was cut."""
    mark = marks[place]
    if mark.name not in BLOCKS | CELLS:
        return False
    if (
        (after := marks[place + 1] if place + 1 < len(marks) else None)
        and after.start == mark.end
        and after.name in BLOCKS | CELLS
    ):
        return True
    before = marks[place - 1] if place else None
    follows = before is not None and before.name in BLOCKS | CELLS and not text[before.end : mark.start].strip()
    return follows and (taken[place - 1] or mark.closes)
