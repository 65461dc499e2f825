"""Texts that say the same thing again and again: a word, a phrase or a line one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import regex

from datagen.text.tokens import is_unspaced, tokens

TIMES, LINES = 20, 4  # a word so often, a line so often
_LETTER = regex.compile(r"[\p{L}\p{M}]")
_CODE = regex.compile(r"```[^`]*+(?:`{1,2}(?!`)[^`]*+)*+```")
_LAUGHTER = frozenset(
    [
        "ha",
        "haha",
        "hahaha",
        "he",
        "hehe",
        "ho",
        "hoho",
        "hee",
        "la",
        "na",
        "ah",
        "oh",
        *"哈嘿呵嘻啦笑ㅋฮ",
        "ฮา",
        "ฮ่",
        "555",
        "www",
    ]
)
# A line of a table, of code or of a form comes again as it likes.
_FORMAL = regex.compile(r"[ \t]*+[|+{}<>#/*=_\-•\[\]();$]|[ \t]{2,}+\S")
_ASKED = regex.compile(
    r"repeat|\btimes\b|lyric|\bsong|chant|mantra|chorus|refrain|rhyme|nursery|poem|over and over|again and again"
    r"|stutter|echo|tongue.twister"
    r"|重复|重複|歌|[0-9一二三四五六七八九十百千两]\s?[遍次]|童谣|诗|口号|เพลง|ซ้ำ|กลอน|ครั้ง|รอบ|บทสวด|繰り返",
    flags=regex.I,
)


def asked_for(prompt: str) -> bool:
    """Whether a task asks for what repeats itself: a song, a chant, `write it 20 times`."""
    return _ASKED.search(prompt) is not None


def repeated(text: str) -> str | None:
    """Return what a text says so often one after the other that it is stuck, with how often, or None.

    A word or a short phrase 20 times (in Chinese, Japanese and Thai longer phrases fewer times), a line 4 times. Code, lines of
    tables, numbers and laughter are not counted.
    """
    lines = prose_lines(text)
    for line, same in groupby(lines):
        count = sum(1 for _ in same)
        if count >= LINES and len(line) > 3:
            found = tokens(line)
            if len(found) >= 3 and says_a_word(found):
                return f"{count} times: {line[:80]}"
    return _run(tokens("\n".join(lines)))


def prose_lines(text: str) -> list[str]:
    """Return the lines of a text that say something, without code, tables and forms."""
    text = _CODE.sub("\n", text) if "```" in text else text
    parts = [(part, part.strip()) for part in text.split("\n")]
    return [
        line for whole, line in parts if line and not _FORMAL.match(whole) and not line.endswith((";", "{", "}", "|", "___"))
    ]


def says_a_word(unit: Sequence[str]) -> bool:
    """Whether tokens have a word that is neither a number nor laughter."""
    return any(token not in _LAUGHTER and _LETTER.search(token) for token in unit)


def _run(found: Sequence[str]) -> str | None:
    """The first unit of tokens that follows itself too often, in one walk: how far back the last three stood before."""
    last: dict[tuple[str, ...], int] = {}
    distance = length = 0
    for at in range(2, len(found) + 1):
        now = 0
        if at < len(found):
            three = tuple(found[at - 2 : at + 1])
            now = at - last.get(three, at)
            last[three] = at
        if now and now == distance:
            length += 1
            continue
        if distance and (said := _too_often(found, at, distance, length)):
            return said
        distance, length = now, 1
    return None


def _too_often(found: Sequence[str], end: int, period: int, length: int) -> str | None:
    """What was said over and over in the tokens before `end`, None where it was not often enough."""
    whole = length + period + 2
    times, unit = whole // period, found[end - period : end]
    if times < LINES or whole < TIMES or not says_a_word(unit):
        return None
    # A cluster of an unspaced script is less than a word.
    if is_unspaced(unit[0]) and not (times >= TIMES or (times >= TIMES // 2 and period > 1) or period >= TIMES // 3):
        return None
    said = ("" if is_unspaced(unit[0]) else " ").join(unit)
    return f"{times} times: {said[:80]}"
