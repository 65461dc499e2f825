"""What stands on a text and says nothing: bullets, emoji at the edges of lines and sentences, the marks of Markdown.

Sixty copies of one answer, each with another emoji under it, are one answer. But an operator between two numbers or names is a
fact (`x+y`, `a < b`), so is what belongs to one (`C++`, `C#`, `50 %`, `℃`), a picture inside a sentence, and every line without
a letter or a digit: it is drawn. So a symbol is a decoration where it stands

- before a line or a sentence, or after one, and is a picture (an emoji, ★, →, ™) or, at the end, `~`; after a colon it is
  what is said (`Rating: ★★★`);
- before a line, apart from it, and is a bullet or the sign of a heading, a quotation or a table, or an enclosed number (①);
- before or after the whole text, apart from it and from any number;
- around words of one line as Markdown has it: `**so**`, `*so*`, `~~so~~`, `__so too__`, and any backtick.

Pure, and in time linear in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import regex

from datagen.similarity.tokenised import Tokenised

_SIGNS = r"+<=>|~^`$*/%#@&\\"
_OF_UNITS = "\u00b0\u2100\u2103\u2109\u2116\u3300-\u33ff\u266d-\u266f"  # degrees, numero, squared units, flat to sharp
_PICTURES = rf"[\p{{So}}\u2190-\u21ff\u2122]--[{_OF_UNITS}]"
_JOINERS = "\ufe0f\u200d\U0001f3fb-\U0001f3ff"
_PICTURE = rf"[{_PICTURES}][{_JOINERS}]*+"
_ENCLOSED = "[\u2460-\u24ff\u2776-\u2793\u3200-\u32ff\U0001f100-\U0001f10c]|[0-9*#]\ufe0f?+\u20e3"
_BLANK, _ENDERS = r"[^\S\n]", "[.!?。！？…]"
_BULLET = rf"(?:[*#|~-]++|>++(?!{_BLANK}*+\d)|{_ENCLOSED})(?=\s)"
_DECORATIONS = regex.compile(
    rf"^(?:{_BLANK}*+(?:{_PICTURE}|{_BULLET}))++(?=[^\n]*?[\p{{L}}\p{{N}}])"
    rf"|(?:(?<![\s{_JOINERS}~*#|:：=])(?<![{_PICTURES}])|(?<=\w[*#|]))(?:{_BLANK}|{_PICTURE}|~|(?<=\s)[*#|])++(?={_ENDERS}|$)"
    rf"|(?<={_ENDERS}){_BLANK}*+(?:{_PICTURE}{_BLANK}*+)++",
    flags=regex.VERSION1 | regex.MULTILINE,
)
# Nothing stands on the other side of these, so that they are no operators.
_EDGES = regex.compile(
    rf"\A\s*+[{_SIGNS}\p{{So}}\p{{Sc}}]++(?=\s)(?!\s*+[\d(])(?=[^\n]*?[\p{{L}}\p{{N}}])"
    rf"|(?<=[^\s\d:：\p{{S}}{_SIGNS}])\s++[{_SIGNS}\p{{So}}\p{{Sc}}]++\s*+\Z",
    flags=regex.VERSION1,
)
_LAST_LINE = regex.compile(rf"(?<=\S){_BLANK}*+\n\s*+(?:{_PICTURE}{_BLANK}*+){{1,3}}+\s*+\Z", flags=regex.VERSION1)
_ONLY_PICTURES = regex.compile(rf"^(?:{_BLANK}*+{_PICTURE})++{_BLANK}*+$", flags=regex.VERSION1 | regex.MULTILINE)
_MARKS = re.compile(r"\n|\*{1,3}|~~|__")
_BESIDE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_*~")
_MEANT = regex.compile(r"[\p{L}\p{Nd}\p{Nl}]")


@lru_cache(maxsize=1 << 16)
def is_symbol(token: str) -> bool:
    """Say whether a token has neither letter nor digit; what only numbers a line (①, 1️⃣) has none."""
    return _MEANT.search(token) is None or "\u20e3" in token


def may_be_decorated(found: Tokenised) -> npt.NDArray[np.bool_]:
    """Return which texts hold a symbol, or two underscores beside a word; others have no decoration: bool[n]."""
    return found.holding(lambda token: is_symbol(token) or token[:2] == "__" or token[-2:] == "__")


def without_decoration(text: str, *, pictures_alone: bool = False) -> str:
    """Return a text without its decoration.

    Args:
        text: any text; one without letters and digits stays as it is.
        pictures_alone: a text of which a line is nothing but pictures stays as it is: it asks about them.
    """
    if not _MEANT.search(text) or (pictures_alone and _ONLY_PICTURES.search(text)):
        return text
    if text.rstrip().endswith("#") and not text.lstrip().startswith("#"):
        return text  # it closes no heading, but is the beginning of a comment
    plain = _DECORATIONS.sub(" ", _LAST_LINE.sub("", without_marks(text)))
    return _EDGES.sub(" ", plain)


def without_marks(text: str) -> str:
    """Return a text without backticks and without the marks of bold, italic and deleted words.

    A mark opens after no letter, digit, bracket or sign and before no blank, and closes the other way round, in one line. Both
    underscores of `__init__` belong to a name: they are marks only where there is a blank between. A text of nothing else stays
    as it is.
    """
    plain = text.replace("`", " ")
    if "*" in text or "~~" in text or "__" in text:
        plain = _without_pairs(plain)
    return plain if plain.strip() else text


def _without_pairs(text: str) -> str:
    taken: list[tuple[int, int]] = []
    opened: dict[str, tuple[int, int]] = {}
    for hit in _MARKS.finditer(text):
        mark, (start, end) = hit.group(), hit.span()
        if mark == "\n":
            opened.clear()
            continue
        before, after = text[start - 1 : start], text[end : end + 1]
        closes = before.strip() and before not in "*~_" and after not in _BESIDE and after != "("
        if closes and mark in opened and (mark != "__" or any(map(str.isspace, text[opened[mark][1] : start]))):
            taken += [opened.pop(mark), (start, end)]
        elif after.strip() and after not in "*~_" and before not in _BESIDE and before not in (")", "]"):
            opened[mark] = start, end
    if not taken:
        return text
    taken.sort()
    begins, ends = [0, *(end for _, end in taken)], [*(start for start, _ in taken), len(text)]
    return "".join(text[a:b] for a, b in zip(begins, ends, strict=True))
