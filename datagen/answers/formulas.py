r"""Formulas and boxes in a text: `$...$`, `\(...\)`, `\boxed{...}` with braces of any depth. Pure."""

from __future__ import annotations

import regex

FORMULA = regex.compile(
    r"\$\$(?P<a>[^$]{1,300})\$\$|(?<!\\)\$(?P<b>[^$\n]{1,300})(?<!\\)\$|\\\((?P<c>.{1,300}?)\\\)|\\\[(?P<d>.{1,300}?)\\\]",
    flags=regex.S,
)
_BOX = regex.compile(r"\\(?:boxed|fbox)\s*\{")
_BETWEEN_BOXES = regex.compile(
    r"(?:[\s,;.$]|\\[()\[\],;!]|\\quad|\\text|[{}]|\b(?:and|or)\b|和|或|และ|หรือ){0,30}", flags=regex.I
)
_BETWEEN = regex.compile(
    r"(?:[\s,;]|\\[,;!]|\\q{1,2}uad|\\text|[{}]|\b(?:and|or)\b|和|或|และ|หรือ){0,30}", flags=regex.I
)  # no dollar
_LONGEST_BOX = 2_000  # characters; more is no answer


def boxed(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{}` of a text, its braces of any depth; None where none is closed.

    Boxes with only commas and "and" between them are one answer, joined by commas.
    """
    found: list[tuple[int, int, str]] = []
    for hit in _BOX.finditer(text):
        if (end := _closed(text, hit.end())) is not None:
            if found and (hit.start() < found[-1][1] or not _BETWEEN_BOXES.fullmatch(text, found[-1][1], hit.start())):
                found.clear()
            found.append((hit.start(), end, text[hit.end() : end - 1]))
    return ",".join(inside for _, _, inside in found) or None


def _closed(text: str, start: int) -> int | None:
    """Where the brace that is open before `start` has been closed."""
    depth = 1
    for at in range(start, min(len(text), start + _LONGEST_BOX)):
        if text[at] in "{}" and text[at - 1] != "\\":
            depth += 1 if text[at] == "{" else -1
            if not depth:
                return at + 1
    return None


def inside(formula: regex.Match[str]) -> str:
    """What stands between its delimiters."""
    return next(group for group in formula.groups() if group is not None)


def formulas_at(text: str, at: int) -> tuple[str, int]:
    """The formulas that begin here, with no more than "and" between them, joined by commas; and where they end."""
    found: list[str] = []
    end = at
    while (hit := FORMULA.match(text, at)) and any(map(str.isalnum, hit[0])):
        found.append(inside(hit).strip())
        end = hit.end()
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end
    return ",".join(found), end
