r"""The final answer of a worked solution, and whether two are the same: the rule judge of mathematics. Pure.

Source: GSM8K's `#### 72` (Cobbe et al. 2021), `\boxed{}` of MATH, and what models write in English, Chinese and Thai.
"""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from typing import NamedTuple

import regex

from datagen.answers.answer_list import is_name, items, named
from datagen.answers.formulas import FORMULA, boxed, formulas_at, inside
from datagen.answers.numbers import with_powers
from datagen.answers.same_formula import LIMIT_S, is_formula, same_formula

_NUMBER = r"[-−–]?(?:\d{1,3}(?:[,，]\d{3})++|\d++)?(?:\.\d++)?(?<=\d)(?:\s?/\s?\d++(?!/))?"
# One of several, where a comma may be a mark of thousands or part two of them.
_EACH = r"[-−–]?(?:\d{1,3}(?:[,，]\d{3}){1,4}|\d{1,30})?(?:\.\d{1,30})?(?<=\d)(?:\s?/\s?\d{1,30}(?![\d/]))?"
# A bullet is no minus, and what is raised or stands below is no value. (1, 2) is one answer; 1,5 is 1.5 or 1 and 5, and stays.
_FOUND = regex.compile(
    rf"(?P<several>[(\[]\s?{_EACH}(?:\s?,\s?{_EACH}){{1,9}}\s?[)\]])"
    r"|(?<![\w.,])(?P<listed>(?!\d{1,3}(?:[,，]\d{3})+(?![,，]?\d))\d{1,30}(?:[,，]\d{1,30}){1,9})(?![,，.]?\d)"
    rf"|(?<![\w.^]|[\^_]\{{)(?:(?=[-−–] )(?<=^[ \t]*)[-−–] )?(?P<value>{_NUMBER})",
    flags=regex.M,
)
_LABELS = (
    r"(?:final answer|answer|result)\s*(?:is|are|was|:|=)+[ \t]*",
    r"(?:最终答案|最後答案|最后答案|答案|答)\s*(?:是|为|為|：|:)+\s*",
    r"(?:คำตอบสุดท้าย|คำตอบ|ตอบ)\s*(?:คือ|เป็น|:)+\s*",
)
_MARKED = (
    # `#### 72`, `#### 72 apples`, or some words at the very end; `#### 3. The third reason` is a heading.
    regex.compile(
        rf"(?<=^|\s)####[ \t]*+((?:[^\w\s#]{{1,4}}[ \t]*+)?{_NUMBER}"
        r"(?:[ \t]*+[^\s\d.)、:：][^\s:：]{0,20}){0,2}[.。]?)[ \t]*+$"
        r"|(?<=^|\n)[ \t]*####[ \t]*+([^\s#][^\n#]{0,39})\s*+\Z",
        flags=regex.M,
    ),
    regex.compile("|".join(rf"{label}([^\n]{{1,200}})" for label in _LABELS), flags=regex.I),
)
_SIZES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4,
    "亿": 10**8, "億": 10**8, "ร้อย": 100, "พัน": 1000, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6,
}  # fmt: skip
_SIZED = rf"(?<![\d.])(?P<value>{_NUMBER})(?P<part>\s\d+\s?/\s?\d+)?(?P<size>\s?(?:{'|'.join(_SIZES)}))?"
_BEGINS = regex.compile(rf"[^\w\n\\−–-]{{0,6}}(?:about |approximately |约|大约|ประมาณ)?{_SIZED}", flags=regex.I)
_ONE = regex.compile(
    rf"[^\w\n\\(\[−–-]{{0,4}}{_SIZED}(?:\s?[%°]|\s[^\W\d_]|(?=[\p{{Han}}\p{{Thai}}]))?[^\d\n=^*/\\+]{{0,40}}?[.。!]?\s*",
    flags=regex.I,
)
_GOES_ON = regex.compile(r"[:^*/×\\√_({\w--[\p{Han}\p{Thai}]]|\s?[+*×^]|[,，]\d", flags=regex.V1)  # it is not the whole answer
_SEVERAL = regex.compile(
    rf"[^\w\n\\−–-]{{0,6}}+(?:(?:either|between|from|从|在|ระหว่าง|ตั้งแต่)\s?)?{_NUMBER}"
    rf"(?:\s?(?:,|、|，)?\s?(?:or|and|to|through|或者?|和|至|到|หรือ|และ|ถึง|[–—~～]|-(?=\s?\d))\s?{_NUMBER})++(?:\s?[^\W\d]{{1,20}}){{0,3}}\W{{0,6}}",
    flags=regex.I,
)
_SENTENCE_END = regex.compile(r"[.!?](?=\s|$)|[。！？]")
_VULGAR = regex.compile(r"[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]")
_SUM = regex.compile(  # what may stand before the result of a sum
    r"(?:[\d\s.,+*/()×÷=−–-]|(?<=\d\s?)x(?=\s?\d)|\\(?:times|cdot|div)(?![a-z])|\{[^{}\d\\]{0,30}\})++"
)
_FRACTION = regex.compile(
    r"(?P<mixed>(?<=\d)\s*)?\\[cdt]?frac\s*(?:\{\s*(?P<above>-?\d+)\s*\}|(?P<a>\d))\s*(?:\{\s*(?P<below>\d+)\s*\}|(?P<b>\d))"
)
_SIZE_OF_BRACKET = regex.compile(r"\\(?:left|right|[bB]ig{1,2}[lr]?)(?=\s*[()\[\]|.\\])\.?")
_DOUBLED = regex.compile(  # \\frac where a text went through JSON once too often
    r"(?<!\\)\\\\(?=(?:boxed|[cdt]?frac|sqrt|text|left|right|leq?|geq?|neq?|cdot|times|pi|infty|in|cup|begin|end)(?![a-zA-Z]))"
)
_LAST_ROW = regex.compile(r"\\\\\s*(?=\\end\b)")  # a matrix may end its last row too
_SPACED = regex.compile(r"\d{1,3}(?: \d{3})++(?:\.\d++)?")
_THIN = regex.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_DEGREES = regex.compile(r"\^\s*+\{?\s*+\\circ\s*+\}?")
_PLAIN = regex.compile(r"-?\d+(?:/\d+)?|[-\d]+")  # a number, or a date


class Answer(NamedTuple):
    """A final answer in one form, and as it was written."""

    value: str
    written: str


def final_answer(text: str) -> str | None:
    """Return the final answer of a solution: what is marked as one, else its last number or formula; None where it has none.

    A number comes back in one form: `1,200.50 dollars` is 2401/2 and `๑๒` is 12. An answer in words comes back folded.
    """
    found = _answer(text)
    return found.value if found else None


def marked_answer(text: str) -> str | None:
    """Return the final answer that a solution marks as one; None where it marks none."""
    text = _DOUBLED.sub(r"\\", text)
    found = _marked(text, _plain(text))
    return found.value if found else None


def _answer(text: str) -> Answer | None:
    text = _LAST_ROW.sub("", _DOUBLED.sub(r"\\", text))
    plain = _plain(text)
    if (marked := _marked(text, plain)) is not None:
        return marked
    bare = text.strip().rstrip(".。").rstrip()
    formulas, end = formulas_at(bare, 0)
    if formulas and end == len(bare):
        return _read(formulas)
    if _SPACED.fullmatch(plain.strip()):
        return _read(plain.strip())
    # The last number is in a formula: that is the answer, not a part of it.
    last = next((hit for hit in reversed([*FORMULA.finditer(text)]) if inside(hit).strip()), None)
    if last and any(map(str.isdigit, last[0])) and not any(map(str.isdigit, text[last.end() :])) and is_formula(inside(last)):
        return _read(inside(last))
    numbers = _numbers(plain)
    return Answer(numbers[-1], numbers[-1]) if numbers else None


def _read(written: str) -> Answer | None:
    value = _whole(_plain(written))
    return Answer(value, written) if value else None


def _marked(text: str, plain: str) -> Answer | None:
    if hits := list(_MARKED[0].finditer(plain)):
        return _found(_whole(said := next(group for group in hits[-1].groups() if group is not None)), said)
    if (box := boxed(text)) is not None:
        return _read(box)
    if said := _labelled(text):
        formulas, _ = formulas_at(said, len(said) - len(said.lstrip(" *:：")))
        if is_formula(formulas) and not regex.fullmatch(r"[A-Za-z]?", formulas):  # in "n, where n = 5" the name is no answer
            return _read(formulas)
    if said := _labelled(plain):
        return _found(_said(said), said)
    return None


def _labelled(text: str) -> str | None:
    """What follows the last label of a text, on its line; in "Final answer: the answer is 5" the last one too."""
    said = None
    if hits := list(_MARKED[1].finditer(text)):
        said = next(group for group in hits[-1].groups() if group is not None)
        while hit := _MARKED[1].search(said):
            said = next(group for group in hit.groups() if group is not None)
    return said


def _found(value: str | None, written: str) -> Answer | None:
    return Answer(value, written) if value else None


def _whole(said: str) -> str | None:
    """The answer that is all of a marked text: a number, with or without a unit, else its words (`3:30 PM`, `(1,2)`)."""
    if (pairs := named(said)) is not None:
        return ",".join(
            f"{name}={value}" if name else f"{value}" for name, value in ((n.casefold(), _whole(v)) for n, v in pairs)
        )
    head, _, tail = said.rpartition("=")
    tail = tail.strip()
    if head and not is_name(head.rpartition("=")[0] or head) and not (_SUM.fullmatch(head) and _ONE.fullmatch(tail)):
        tail = said.strip()  # an equation is no value
    if braced := regex.fullmatch(r"\{([^{}]*)\}", tail):
        tail = braced[1].strip()
    if _SPACED.fullmatch(tail):
        tail = tail.replace(" ", "")
    if hit := _ONE.fullmatch(tail):
        return _valued(hit)
    return _folded(regex.sub(r"(?<!\s)\s++(?=[^\w\s])|(?<=[^\w\s])\s++", "", tail))


def _said(said: str) -> str | None:
    """The answer in what follows its label: `5 + 3 = 8`, `8, since 4 = 8/2`, `she has 3 + 5 = 8 apples, of 9`."""
    head, equals, tail = said.rpartition("=")
    if equals and _SUM.fullmatch(head):
        said = tail
    sentence = _SENTENCE_END.split(said, maxsplit=1)[0]
    if _SEVERAL.fullmatch(sentence):  # `5 or 6`, `between 5 and 6` is neither of them
        return _folded(sentence)
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


def same_answer(text: str, reference: str, *, limit_s: float = LIMIT_S) -> bool:
    """Whether a solution comes to the final answer of another; never where one of them has none.

    Formulas that are written in other ways are compared by `math-verify`, which may take seconds: `limit_s` of processor time
    at most.
    """
    found, wanted = _answer(text), _answer(reference)
    return found is not None and wanted is not None and _same(found, wanted, limit_s)


def _same(one: Answer, other: Answer, limit_s: float) -> bool:
    if one.value == other.value:
        return True
    mine, theirs = named(one.written), named(other.written)
    if any(name for name, _ in mine or ()) or any(name for name, _ in theirs or ()):
        return _same_named(
            mine or [("", v) for v in items(one.written)], theirs or [("", v) for v in items(other.written)], limit_s
        )
    if _PLAIN.fullmatch(one.value) and _PLAIN.fullmatch(other.value):
        return _rounded(one.value, other.value) or _rounded(other.value, one.value)
    written = (",".join(v for _, v in pairs) if pairs else a.written for a, pairs in ((one, mine), (other, theirs)))
    return same_formula(*written, limit_s=limit_s)


def _same_named(mine: list[tuple[str, str]], theirs: list[tuple[str, str]], limit_s: float) -> bool:
    """Whether two lists of values agree: by name where both have names, else by place."""
    if len(mine) != len(theirs):
        return False
    if all(name for name, _ in [*mine, *theirs]):
        mine, theirs = sorted(mine), sorted(theirs)
        if [name for name, _ in mine] != [name for name, _ in theirs]:
            return False
    read = [(_read(a), _read(b)) for (_, a), (_, b) in zip(mine, theirs, strict=True)]
    return all(a is not None and b is not None and _same(a, b, limit_s) for a, b in read)


def _rounded(decimal: str, exact: str) -> bool:
    """Whether a number with six or more decimals is another that has no end, rounded: 0.083333 is 1/12."""
    short, long = _fraction(decimal), _fraction(exact)
    if short is None or long is None or _decimals(long) is not None or (places := _decimals(short)) is None or places < 6:
        return False
    scale = Fraction(10**places)
    return round(long * scale) == short * scale


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:  # a date
        return None


def _decimals(value: Fraction) -> int | None:
    """How many decimals a number has; None where they have no end."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def is_worked(text: str) -> bool:
    """Whether a text marks its final answer as solutions of mathematics do."""
    plain = _plain(text)
    return _MARKED[0].search(plain) is not None or boxed(plain) is not None


def _plain(text: str) -> str:
    """The text with every digit as 0-9 and LaTeX's fractions and signs as plain ones."""
    text = with_powers(_THIN.sub("", text))
    text = _VULGAR.sub(lambda hit: f" {unicodedata.normalize('NFKC', hit.group())}", text)  # 3½ is no 31/2
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    text = "".join(str(unicodedata.digit(c, c)) if c.isdigit() and not c.isascii() else c for c in text)
    text = _SIZE_OF_BRACKET.sub("", _DEGREES.sub("", text)).replace("{,}", ",").replace("°", "")
    text = regex.sub(r"\\sqrt\s*(\w)", r"\\sqrt{\1}", _FRACTION.sub(_plain_fraction, text))
    return regex.sub(r"\\[,!;:]\s?|[$*_`€£¥฿%]|\\(?:text|mathrm|%|\$)", "", text)


def _plain_fraction(hit: regex.Match[str]) -> str:
    mixed = " " if hit["mixed"] is not None else ""
    return f"{mixed}{hit['above'] or hit['a']}/{hit['below'] or hit['b']}"


def _numbers(text: str) -> list[str]:
    found = [(hit, _value(hit["value"]) if hit["value"] else None) for hit in _FOUND.finditer(text)]
    return [value or "".join(hit[0].split()) for hit, value in found if value is not None or not hit["value"]]


def _value(text: str) -> str | None:
    text = regex.sub(r"[\s,，]", "", text).replace("−", "-").replace("–", "-")
    above, _, below = text.partition("/")
    try:
        return str(Fraction(above) / Fraction(below or "1"))
    except (ValueError, ZeroDivisionError):
        return None


def _folded(text: str) -> str | None:
    return " ".join(text.casefold().strip(" .。!！\"'").split()) or None
