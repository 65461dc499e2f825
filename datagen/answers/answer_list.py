r"""An answer that is several values: `x = 1, y = 2`, `(5, 8) \text{ and } (8, 5)`, `AB = 4, CD = 5`. Pure."""

from __future__ import annotations

import regex

_BLANK = r"(?:\s|\\[ ,;!]|\\q{1,2}uad\b|~){0,9}"
_JOINT = regex.compile(
    rf"{_BLANK}(?:[,，、;]|\\text\s?\{{[\s,]{{0,3}}(?:and|or)\s?\}}|\{{\s?(?:and|or)\s?\}}"
    rf"|(?<![\\\w])(?:and|or)(?!\w)|和|或|และ|หรือ){_BLANK}"
)
_THOUSANDS = regex.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))")
_ONE = (  # of a name: x, y_1, f(2), AB, S_{ABC}, \angle ABC, {Area}, and between bars a length
    r"(?:\\(?:angle|triangle|overline|vec|text|mathrm)\s?)?"
    r"(?:\|[A-Z]{2}\||[A-Z]{1,4}|[A-Za-z]|\{[A-Za-z ]{1,30}\}|\\[a-zA-Z]{2,9})"
    r"'?(?:_?\{\w{1,6}\}|_?\d{1,2}|_\w)?(?:\(-?\w{1,4}\))?"
)
_NAME = regex.compile(
    rf"{_ONE}(?:\s?[:/]\s?{_ONE}){{0,3}}|\(\s?[A-Za-z](?:\s?,\s?[A-Za-z]){{1,3}}\s?\)|[A-Za-z](?:\s?,\s?[A-Za-z]){{1,3}}"
    rf"|\\[cdt]?frac\s?\{{{_ONE}\}}\s?\{{{_ONE}\}}"
)
_OPERATORS = regex.compile(r"\\(?:frac|sqrt|cdot|times|div|pm|mp|sin|cos|tan|log|ln|exp|infty|sum|int|lim)(?![a-zA-Z])")
_PAIR = regex.compile(r"(?P<name>[^=<>≤≥≠]++)=(?P<value>[^=<>≤≥≠]++)")


def is_name(text: str) -> bool:
    """Whether what stands before a sign of equality only names the value after it."""
    bare = text.strip()
    return len(bare) <= 80 and _NAME.fullmatch(bare) is not None and not (
        _OPERATORS.search(bare) and not bare.startswith(("\\frac", "\\dfrac", "\\tfrac", "\\cfrac"))
    )  # fmt: skip


def items(text: str) -> list[str]:
    """Return the values of a list: what commas and "and" outside brackets part; a mark of thousands parts nothing."""
    found, depth, start, at = list[str](), 0, 0, 0
    while at < len(text):
        if depth == 0 and (hit := _JOINT.match(text, at)) and not _THOUSANDS.fullmatch(text, hit.start(), hit.end()):
            found.append(text[start:at])
            at = start = hit.end()
            continue
        depth = max(0, depth + (text[at] in "([{") - (text[at] in ")]}"))
        at += 1
    return [item.strip() for item in [*found, text[start:]] if item.strip()]


def named(text: str) -> list[tuple[str, str]] | None:
    """Return the names and values of an answer of several, in order; None where it is not one that names any.

    Names are "" where all have the same one, or only the first has one: `x = 1 or 2` is the list `1, 2`.
    """
    if "=" not in text or len(parts := items(text)) < 2:
        return None
    pairs = [_PAIR.fullmatch(part) for part in parts]
    has = [pair is not None and is_name(pair["name"]) and not pair["value"].isspace() for pair in pairs]
    if not has[0] or any("=" in part and not yes for part, yes in zip(parts, has, strict=True)):
        return None
    found = [
        ("".join(pair["name"].split()) if pair and yes else "", pair["value"].strip() if pair and yes else part)
        for part, pair, yes in zip(parts, pairs, has, strict=True)
    ]
    names = {name for name, _ in found if name}
    if len(names) == 1:
        return [("", value) for _, value in found]
    return found if len(names) == len(found) else None
