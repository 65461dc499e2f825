"""What of a text is no prose: fenced and inline code, Markdown tables, formulas. Found in one walk, whatever is left open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import regex

# A table's line is found line by line: what stands between two tables is prose.
_OPENING = regex.compile(
    r"^[ \t]*+(?P<table>\|)|(?P<fence>```|~~~)|(?P<inline>`)|(?P<display>\$\$)|(?P<dollar>\$)|\\(?P<bracket>[(\[])"
    r"|(?P<begin>\\begin)\{(?P<name>\w+\*?)\}",
    flags=regex.M,
)
_SIGNS = ("`", "~~~", "$", "\\", "|")  # one of which each of them has
_INLINE = regex.compile(r"`[^`\n]+`")
_DOLLARS = regex.compile(r"\$(?=\S)[^$\n]+(?<=\S)\$(?!\d)")
_END = regex.compile(r"\\end\{(\w+\*?)\}")
_CLOSING = {"(": "\\)", "[": "\\]"}


def untouched(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each piece of a text that is no prose, in order.

    The time is linear in the text: where a closing mark was looked for in vain it is not looked for again.
    """
    if not any(sign in text for sign in _SIGNS):
        return
    ends = _Ends(text)
    at = 0
    while found := _OPENING.search(text, at):
        end = _end(text, found, ends)
        if end is None:
            at = found.end()
        else:
            yield found.start(), end
            at = end


class _Ends:
    """Where things close in a text; each kind is looked for in vain once at most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._absent: set[str] = set()
        self._environments: dict[str, list[int]] | None = None

    def after(self, mark: str, at: int) -> int | None:
        """The end of the next mark from a place on."""
        if mark in self._absent:
            return None
        found = self._text.find(mark, at)
        if found < 0:
            self._absent.add(mark)
            return None
        return found + len(mark)

    def of_environment(self, name: str, at: int) -> int | None:
        r"""The end of the next `\end{name}` from a place on."""
        if self._environments is None:
            self._environments = {}
            for found in _END.finditer(self._text):
                self._environments.setdefault(found[1], []).append(found.end())
        ends = self._environments.get(name, [])
        place = bisect_right(ends, at)
        return ends[place] if place < len(ends) else None


def _end(text: str, found: regex.Match[str], ends: _Ends) -> int | None:
    """Where what opens here ends; None where it is only a sign."""
    if found["table"]:
        line = text.find("\n", found.start("table"))
        line = len(text) if line < 0 else line
        row = text[found.start("table") : line].rstrip()
        return line if len(row) > 1 and row.endswith("|") else None
    if fence := found["fence"]:
        return ends.after(fence, found.end()) or len(text)
    if found["inline"] or found["dollar"]:
        whole = (_INLINE if found["inline"] else _DOLLARS).match(text, found.start())
        return whole.end() if whole else None
    if found["display"]:
        return ends.after("$$", found.end() + 1)
    if bracket := found["bracket"]:
        return ends.after(_CLOSING[bracket], found.end() + 1)
    return ends.of_environment(found["name"], found.end())
