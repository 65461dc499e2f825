r"""The final answer of a worked solution, and whether two are the same: the rule judge of mathematics. Pure.

Source: GSM8K's `#### 72` (Cobbe et al. 2021), `\boxed{}` of MATH, and what models write in English, Chinese and Thai.
"""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import regex

_NUMBER = r"[-−–]?(?:\d{1,3}(?:[,，]\d{3})+|\d+)?(?:\.\d+)?(?<=\d)(?:\s?/\s?\d+(?![\d/]))?"
_FOUND = regex.compile(rf"(?<![\w.])(?:(?<=^[ \t]*)[-−–] )?(?P<value>{_NUMBER})", flags=regex.M)  # a bullet is no minus
_MARKED = (
    # `#### 72`, `#### 72 apples`, or some words at the very end; `#### 3. The third reason` is a heading.
    regex.compile(
        rf"(?<=^|\s)####[ \t]*((?:[^\w\s#]{{1,4}}[ \t]*)?{_NUMBER}(?:[ \t]*[^\s\d.)、:：][^\s:：]{{0,20}}){{0,2}}[.。]?)[ \t]*$"
        r"|(?<=^|\n)[ \t]*####[ \t]*([^\n#]{1,40})\s*\Z",
        flags=regex.M,
    ),
    regex.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\}){1,200})\}"),
    regex.compile(
        r"(?:final answer|answer|result)\s*(?:is|are|was|:|=)+[ \t]*([^\n]{1,200})"
        r"|(?:最终答案|最後答案|最后答案|答案|答)\s*(?:是|为|為|：|:)+\s*([^\n]{1,200})"
        r"|(?:คำตอบสุดท้าย|คำตอบ|ตอบ)\s*(?:คือ|เป็น|:)+\s*([^\n]{1,200})",
        flags=regex.I,
    ),
)
_BEGINS = regex.compile(rf"[^\w\n]{{0,6}}(?:about |approximately |约|大约|ประมาณ)?{_NUMBER}")
_SENTENCE_END = regex.compile(r"[.!?](?=\s|$)|[。！？]")
_SUM = regex.compile(r"[\d\s.,+*/()×÷x=−–-]+")  # what may stand before the result of a sum
_FRACTION = regex.compile(r"\\d?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")


def final_answer(text: str) -> str | None:
    """Return the final answer of a solution: what is marked as one, else its last number; None where there is neither.

    A number comes back in one form: `1,200.50 dollars` is 2401/2 and `๑๒` is 12. An answer in words comes back folded.
    """
    plain = _plain(text)
    if (marked := _marked(plain)) is not None:
        return marked
    numbers = _numbers(plain)
    return numbers[-1] if numbers else None


def marked_answer(text: str) -> str | None:
    """Return the final answer that a solution marks as one; None where it marks none."""
    return _marked(_plain(text))


def _marked(plain: str) -> str | None:
    for mark in _MARKED:
        if hits := list(mark.finditer(plain)):
            said = next(group for group in hits[-1].groups() if group is not None)
            return _said(said)
    return None


def _said(said: str) -> str | None:
    """The answer in what follows its label: `5 + 3 = 8`, `8, since 4 = 8/2`, `she has 3 + 5 = 8 apples, of 9`."""
    head, equals, tail = said.rpartition("=")
    if equals and _SUM.fullmatch(head):
        said = tail
    elif not _BEGINS.match(said):  # a sentence: its result, else its last number
        sentence = _SENTENCE_END.split(said, maxsplit=1)[0]
        numbers = _numbers(sentence.rpartition("=")[2]) if "=" in sentence else _numbers(sentence)[-1:]
        return numbers[0] if numbers else _folded(said)
    numbers = _numbers(said)
    return numbers[0] if numbers else _folded(said)


def same_answer(text: str, reference: str) -> bool:
    """Whether a solution comes to the final answer of another; never where one of them has none."""
    found, wanted = final_answer(text), final_answer(reference)
    return found is not None and found == wanted


def is_worked(text: str) -> bool:
    """Whether a text marks its final answer as solutions of mathematics do."""
    plain = _plain(text)
    return any(mark.search(plain) for mark in _MARKED[:2])


def _plain(text: str) -> str:
    """The text with every digit as 0-9 and LaTeX's fractions and signs as plain ones."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(str(unicodedata.digit(c, c)) if c.isdigit() and not c.isascii() else c for c in text)
    text = _FRACTION.sub(r"\1/\2", text)
    return regex.sub(r"\\[,!;]|[$*_`€£¥฿%]|\\(?:text|mathrm|%|\$)", "", text)


def _numbers(text: str) -> list[str]:
    return [value for hit in _FOUND.finditer(text) if (value := _value(hit["value"])) is not None]


def _value(text: str) -> str | None:
    text = regex.sub(r"[\s,，]", "", text).replace("−", "-").replace("–", "-")
    above, _, below = text.partition("/")
    try:
        return str(Fraction(above) / Fraction(below or "1"))
    except (ValueError, ZeroDivisionError):
        return None


def _folded(text: str) -> str | None:
    return " ".join(text.casefold().strip(" .。!！\"'").split()) or None
