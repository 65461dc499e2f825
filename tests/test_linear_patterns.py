"""Every regular expression takes time linear in its text: rows, answers and files are not ours, and some mean harm.

Each pattern gets the texts that are worst for it: what it may repeat, read from the pattern itself, after what leads there
and before something that it does not take; and what is hostile to many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import regex
from hostile_texts import pieces, sample
from patterns import Found, collected

SIZES = 16_000, 64_000  # characters; four times the text is four times the time where it is linear, 16 times where quadratic
MOST, LEAST_S = 8.0, 0.02
LOOK = 500, 2_000  # at these sizes most are found to be harmless
LOOK_S, LOOK_MOST = 0.0001, 5.5
OWN = 40  # repeats of a pattern that are tried; of a longer list of words some stand for all
STEPS = 28, 48, 96  # where the ways of a match double with each character these already take long
END = "\x01"  # nothing takes it
COMMON = [
    " ", "\n", "\t", "\r\n", " \n", "\n\n ", " a", "a ", "a\n", "|", "| |\n", "|-", "(", "[", "{", "<", ">", "<a", "\\(", "\\",
    '"', "'", "“", "`", "```", "$", "*", "#", "-", "_", ".", ",", ":", "@", "=", "/", "1", "1 ", "1.", "1,", "-1", "a", "A",
    "aA", "a.", "a-", "a@", "ก", "ก ", "中", "中。", "é", "http://",
]  # fmt: skip

Work = Callable[[Any], object]


def works(one: Found) -> Iterator[Work]:
    """Yield what is done with a pattern."""
    if one.uses - {"match", "fullmatch"} or not one.uses:
        yield lambda text: sum(1 for _ in one.pattern.finditer(text))
    for method in one.uses & {"match", "fullmatch"}:
        yield getattr(one.pattern, method)


def seconds(work: Work, text: Any, tries: int = 1) -> float:
    """Return the processor seconds of the fastest try."""
    found = []
    for _ in range(tries):
        started = time.process_time()
        work(text)
        found.append(time.process_time() - started)
        if found[-1] > 0.1:
            break
    return min(found)


def grows(work: Work, text_of: Callable[[int], Any]) -> str | None:
    """Say how the time grows where that is faster than the text; a first look at short texts finds most harmless."""
    if exploded := next((f"{size}: {s:.4f} s" for size in STEPS if (s := seconds(work, text_of(size))) > LEAST_S), None):
        return exploded
    if (long := seconds(work, text_of(LOOK[1]))) < LOOK_S:
        return None
    short = seconds(work, text_of(LOOK[0]), 2)
    if long < LOOK_MOST * short or (long := seconds(work, text_of(LOOK[1]), 2)) < LOOK_MOST * short:
        return None
    if long > LEAST_S and long > MOST * short:  # the sizes below would take minutes
        return f"{LOOK[0]}: {short:.4f} s, {LOOK[1]}: {long:.4f} s"
    if (short := seconds(work, text_of(SIZES[0]), 2)) > 0.1 and short > 30 * long:  # 8 times the text: 64 is quadratic
        return f"{LOOK[1]}: {long:.4f} s, {SIZES[0]}: {short:.4f} s"
    long = seconds(work, text_of(SIZES[1]), 2)
    return f"{SIZES[0]}: {short:.4f} s, {SIZES[1]}: {long:.4f} s" if long > LEAST_S and long > MOST * short else None


def worst(one: Found) -> str | None:
    """Return how and on what a pattern grows, or None."""
    # What the pattern wants stands behind it: an engine that misses a character of it would not even begin.
    wanted = END + sample(one.pattern)
    common = [("", part, end) for part in COMMON for end in (wanted, "")]
    own = pieces(one.pattern)
    own = own[:: -(-len(own) // OWN) or 1]
    for before, part, end in [*common, *((before, part, end) for before, part in own for end in (wanted, END))]:

        def text_of(size: int, before: str = before, part: str = part, end: str = end) -> Any:
            text = before + part * (size // len(part)) + end
            return text.encode("utf-8") if isinstance(one.pattern.pattern, bytes) else text

        for work in works(one):
            if told := grows(work, text_of):
                return f"{one.place} on {before!r} + {part!r} × n: {told}"
    return None


@pytest.mark.slow
def test_every_pattern_is_linear() -> None:
    found, unknown = collected()
    assert not unknown, "these make patterns in functions: give some to tests/support/patterns.py"
    assert len(found) > 200
    # Processor time too is longer where others use the caches: what grows grows when it is looked at again.
    assert [told for one in found if worst(one) and (told := worst(one))] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+\d", "search"), (r"(?:a|b|ab)*c", "match"), (r"<!--.*?-->", "finditer"), (r"x*x*y", "match"),
        (r"[^\S\n]*\n+:", "sub"), (r"(?m)^[ \t]*(?:\w+\s*)+:$", "match"), (r"“[^”]*”", "search"),
    ],
)  # fmt: skip
def test_what_grows_is_found(pattern: str, method: str) -> None:
    assert worst(Found("here", regex.compile(pattern, flags=regex.S), frozenset({method})))


def test_pieces_are_read_from_a_pattern() -> None:
    found = pieces(regex.compile(r"(?P<a>\\begin)\{(?:[^{}]|x{9,})+\}(?=[\p{Han}--[一]]+)", flags=regex.V1))
    assert ("\\begin{", "xxx") in found
    assert ("\\begin{a", "x") in found or ("\\begin{", "a") in found
    assert any(part == "中" for _, part in found)
