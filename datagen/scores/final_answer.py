r"""The final answer of a worked solution, and whether two are the same: the rule judge of mathematics. Pure.

Source: GSM8K's `#### 72` (Cobbe et al. 2021), `\boxed{}` of MATH, and what models write in English, Chinese and Thai.
"""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import regex

from datagen.scores.same_formula import same_formula

_NUMBER = r"[-−–]?(?:\d{1,3}(?:[,，]\d{3})++|\d++)?(?:\.\d++)?(?<=\d)(?:\s?/\s?\d++(?!/))?"
_FOUND = regex.compile(
    rf"(?<![\w.])(?:(?=[-−–] )(?<=^[ \t]*)[-−–] )?(?P<value>{_NUMBER})", flags=regex.M
)  # a bullet is no minus
_MARKED = (
    # `#### 72`, `#### 72 apples`, or some words at the very end; `#### 3. The third reason` is a heading.
    regex.compile(
        rf"(?<=^|\s)####[ \t]*+((?:[^\w\s#]{{1,4}}[ \t]*+)?{_NUMBER}"
        r"(?:[ \t]*+[^\s\d.)、:：][^\s:：]{0,20}){0,2}[.。]?)[ \t]*+$"
        r"|(?<=^|\n)[ \t]*####[ \t]*+([^\s#][^\n#]{0,39})\s*+\Z",
        flags=regex.M,
    ),
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
_SIZED = rf"(?<![\d.])(?P<value>{_NUMBER})(?P<part>\s\d+\s?/\s?\d+)?(?P<size>\s?(?:{'|'.join(_SIZES)}))?"
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
_FRACTION = regex.compile(
    r"(?P<mixed>(?<=\d)\s*)?\\[cdt]?frac\s*(?:\{\s*(?P<above>-?\d+)\s*\}|(?P<a>\d))\s*(?:\{\s*(?P<below>\d+)\s*\}|(?P<b>\d))"
)
_FORMULA = regex.compile(r"\$[^$\n]{1,300}\$|\\\([^\n]{1,300}\\\)|\\\[[^\n]{1,300}\\\]")  # a text of nothing else
_BOX = regex.compile(r"\\(?:boxed|fbox)\s*\{")
_BETWEEN_BOXES = regex.compile(
    r"(?:[\s,;.$]|\\[()\[\],;!]|\\quad|\\text|[{}]|\b(?:and|or)\b|和|或|และ|หรือ){0,30}", flags=regex.I
)
_SIZE_OF_BRACKET = regex.compile(r"\\(?:left|right|[bB]ig{1,2}[lr]?)(?=\s*[()\[\]|.\\])\.?")
_NAME = regex.compile(
    r"\s*\(?[A-Za-z](?:_?\{?\w{1,3}\}?)?(?:\s*\(\s*-?\w{1,4}\s*\)|(?:\s*,\s*[A-Za-z]){1,3})?\)?\s*"
)  # x, y_1, f(2), (x, y)
_DEGREES = regex.compile(r"\^\s*+\{?\s*+\\circ\s*+\}?")
_PLAIN = regex.compile(r"-?\d+(?:/\d+)?|[-\d]+")  # a number, or a date
_LONGEST_BOX = 2_000  # characters; more is no answer


def final_answer(text: str) -> str | None:
    """Return the final answer of a solution: what is marked as one, else its last number; None where there is neither.

    A number comes back in one form: `1,200.50 dollars` is 2401/2 and `๑๒` is 12. An answer in words comes back folded.
    """
    plain = _plain(text)
    if (marked := _marked(plain)) is not None:
        return marked
    if _FORMULA.fullmatch(text.strip()):
        return _whole(plain.strip())
    numbers = _numbers(plain)
    return numbers[-1] if numbers else None


def marked_answer(text: str) -> str | None:
    """Return the final answer that a solution marks as one; None where it marks none."""
    return _marked(_plain(text))


def _marked(plain: str) -> str | None:
    for mark, read in zip(_MARKED, (_whole, _said), strict=True):
        if hits := list(mark.finditer(plain)):
            return read(next(group for group in hits[-1].groups() if group is not None))
        if read is _whole and (box := boxed(plain)) is not None:
            return _whole(box)
    return None


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


def _whole(said: str) -> str | None:
    """The answer that is all of a marked text: a number, with or without a unit, else its words (`3:30 PM`, `(1,2)`)."""
    head, _, tail = said.rpartition("=")
    tail = tail.strip()
    if head and not _NAME.fullmatch(head.rpartition("=")[0] or head) and not (_SUM.fullmatch(head) and _ONE.fullmatch(tail)):
        tail = said.strip()  # an equation is no value
    if braced := regex.fullmatch(r"\{([^{}]*)\}", tail):
        tail = braced[1].strip()
    if hit := _ONE.fullmatch(tail):
        return _valued(hit)
    return _folded(regex.sub(r"(?<!\s)\s++(?=[^\w\s])|(?<=[^\w\s])\s++", "", tail))


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
    """Whether a solution comes to the final answer of another; never where one of them has none.

    Formulas that are written in other ways are compared by `math-verify`, which may take seconds.
    """
    found, wanted = final_answer(text), final_answer(reference)
    if found is None or wanted is None or found == wanted:
        return found is not None and found == wanted
    if _PLAIN.fullmatch(found) and _PLAIN.fullmatch(wanted):
        return False
    return same_formula(_formula(text, found), _formula(reference, wanted))


def _formula(text: str, found: str) -> str:
    """The answer as it was written, where it was boxed or is all of a text; else as it was found."""
    if (box := boxed(text)) is not None:
        return box
    return text.strip().strip("$") if _FORMULA.fullmatch(text.strip()) else found


def is_worked(text: str) -> bool:
    """Whether a text marks its final answer as solutions of mathematics do."""
    plain = _plain(text)
    return _MARKED[0].search(plain) is not None or boxed(plain) is not None


def _plain(text: str) -> str:
    """The text with every digit as 0-9 and LaTeX's fractions and signs as plain ones."""
    text = _RAISED.sub(lambda hit: f"^{hit.group()}", text)  # 10² is no 102
    text = _VULGAR.sub(lambda hit: f" {unicodedata.normalize('NFKC', hit.group())}", text)  # nor is 3½ 31/2
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    text = "".join(str(unicodedata.digit(c, c)) if c.isdigit() and not c.isascii() else c for c in text)
    text = _SIZE_OF_BRACKET.sub("", _DEGREES.sub("", text)).replace("{,}", ",").replace("°", "")
    text = regex.sub(r"\\sqrt\s*(\w)", r"\\sqrt{\1}", _FRACTION.sub(_plain_fraction, text))
    return regex.sub(r"\\[,!;:]\s?|[$*_`€£¥฿%]|\\(?:text|mathrm|%|\$)", "", text)


def _plain_fraction(hit: regex.Match[str]) -> str:
    mixed = " " if hit["mixed"] is not None else ""
    return f"{mixed}{hit['above'] or hit['a']}/{hit['below'] or hit['b']}"


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
