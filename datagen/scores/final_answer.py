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
_SIZES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4,
    "亿": 10**8, "億": 10**8, "ร้อย": 100, "พัน": 1000, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6,
}  # fmt: skip
_SIZED = rf"(?P<value>{_NUMBER})(?P<part>\s\d+\s?/\s?\d+)?(?P<size>\s?(?:{'|'.join(_SIZES)}))?"
_BEGINS = regex.compile(rf"[^\w\n\\−–-]{{0,6}}(?:about |approximately |约|大约|ประมาณ)?{_SIZED}", flags=regex.I)
_ONE = regex.compile(
    rf"[^\w\n\\(\[−–-]{{0,4}}{_SIZED}(?:\s?[%°]|\s[^\W\d_]|(?=[\p{{Han}}\p{{Thai}}]))?[^\d\n=^*/\\+]{{0,40}}?[.。!]?\s*",
    flags=regex.I,
)
_GOES_ON = regex.compile(r"[:^*/×\\√_({\w--[\p{Han}\p{Thai}]]|\s?[+*×^]", flags=regex.V1)  # it is not the whole answer
_SENTENCE_END = regex.compile(r"[.!?](?=\s|$)|[。！？]")
_RAISED = regex.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = regex.compile(r"[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]")
_SUM = regex.compile(r"[\d\s.,+*/()×÷x=−–-]+")  # what may stand before the result of a sum
_FRACTION = regex.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")


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
    for mark, read in zip(_MARKED, (_whole, _whole, _said), strict=True):
        if hits := list(mark.finditer(plain)):
            return read(next(group for group in hits[-1].groups() if group is not None))
    return None


def _whole(said: str) -> str | None:
    """The answer that is all of a marked text: a number, with or without a unit, else its words (`3:30 PM`, `(1,2)`)."""
    tail = said.rpartition("=")[2].strip()
    if braced := regex.fullmatch(r"\{([^{}]*)\}", tail):
        tail = braced[1].strip()
    if hit := _ONE.fullmatch(tail):
        return _valued(hit)
    return _folded(regex.sub(r"\s+(?=[^\w\s])|(?<=[^\w\s])\s+|\\\\(?:left|right)", "", tail))


def _said(said: str) -> str | None:
    """The answer in what follows its label: `5 + 3 = 8`, `8, since 4 = 8/2`, `she has 3 + 5 = 8 apples, of 9`."""
    head, equals, tail = said.rpartition("=")
    if equals and _SUM.fullmatch(head):
        said = tail
    sentence = _SENTENCE_END.split(said, maxsplit=1)[0]
    if hit := _BEGINS.match(said):
        return _valued(hit) if not _GOES_ON.match(said, hit.end()) else _whole(sentence)
    numbers = _numbers(sentence.rpartition("=")[2]) if "=" in sentence else _numbers(sentence)[-1:]  # its result, else its last
    return numbers[0] if numbers else _folded(said)


def _valued(hit: regex.Match[str]) -> str | None:
    """The value of a number that may be mixed (3 1/2) or have a word of its size (5 million, 3万)."""
    value = _value(hit["value"])
    if value is None:
        return None
    whole = Fraction(value)
    if hit["part"]:
        part = Fraction(hit["part"].replace(" ", ""))
        whole += part if whole >= 0 else -part
    return str(whole * _SIZES.get((hit["size"] or "").strip().casefold(), 1))


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
    text = _RAISED.sub(lambda hit: f"^{hit.group()}", text)  # 10² is no 102
    text = _VULGAR.sub(lambda hit: f" {unicodedata.normalize('NFKC', hit.group())}", text)  # nor is 3½ 31/2
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
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
