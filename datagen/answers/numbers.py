"""The numbers in a text, in any digits, and whether another text keeps them. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter

import regex

_NUMBER = regex.compile(
    r"(?P<sign>(?<![\w.)%])[-−–]|[负負]|\b(?:minus|negative)\s|ลบ\s?)?(?P<value>\d+(?:[,，]\d{3})*(?:\.\d+)?)", flags=regex.I
)
_COMMA = regex.compile(
    r"(?<![\d.,])\d{1,3}(?:[.\u00a0\u202f ]\d{3})+(?:,\d+)?(?![\d,])|(?<![\d.,])\d+,\d+(?![\d,.])"
)  # 1.200,5
# Words of one that say more often something else: they are no numbers in the place of digits that are gone.
_LOOSE = frozenset({"a", "an", "once", "single", "first", "second", "pair", "both", "third", "half", "quarter"})
_SPELT = {
    "zero": "0", "one": "1", "a": "1", "an": "1", "once": "1", "single": "1", "first": "1", "two": "2", "twice": "2",
    "second": "2", "pair": "2", "both": "2",
    "three": "3", "third": "3", "thrice": "3", "four": "4", "fourth": "4", "five": "5", "fifth": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "dozen": "12",
    "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
    "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80",
    "ninety": "90", "hundred": "100", "thousand": "1000", "half": "2", "quarter": "4", "million": "1000000",
}  # fmt: skip
_HAN = dict(zip("〇零一二两三四五六七八九十百千万", ("0", "0", *"12234567890", "100", "1000", "10000"), strict=False)) | {
    "十": "10"
}
_THAI = {
    "ศูนย์": "0", "หนึ่ง": "1", "สอง": "2", "สาม": "3", "สี่": "4", "ห้า": "5", "หก": "6", "เจ็ด": "7", "แปด": "8", "เก้า": "9",
    "สิบ": "10", "ร้อย": "100", "พัน": "1000", "หมื่น": "10000", "แสน": "100000", "ล้าน": "1000000", "ครึ่ง": "2",
}  # fmt: skip

# Words in which a numeral is none.
_NO_NUMBER = regex.compile(
    "一些|一起|一样|一般|一直|一定|一下|一切|一旦|一边|一共|一致|一点|统一|唯一|同一|万一|进一步|十分|千万|三角|百科|四周"
    "|สามารถ|สามี|สามัญ|สามัคคี|ห้าม|ห้าง|เก้าอี้|ศูนย์กลาง|ศูนย์การ|สี่เหลี่ยม|สัมพันธ์|พันธุ์|พันธ์|หกล้ม|แปดเปื้อน|ร้อยละ|ล้านนา"
)

_RAISED = regex.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def with_powers(text: str) -> str:
    """Return a text with a caret before its raised digits: folded to plain ones, 10² is no 102."""
    return _RAISED.sub(lambda hit: f"^{hit.group()}", text)


def numbers(text: str, *, decimal_comma: bool = False) -> Counter[str]:
    """Return the numbers that a text writes in digits, of any script, without the marks of thousands; how often each.

    A minus counts, and so do 负, ลบ and the word; `decimal_comma`: 1.200,5 is 1200.5.
    """
    plain = unicodedata.normalize("NFKC", with_powers(text))
    plain = "".join(str(unicodedata.digit(c, 0)) if c.isdigit() else c for c in plain)
    if decimal_comma:
        plain = _COMMA.sub(lambda hit: regex.sub(r"[.\s]", "", hit.group()).replace(",", "."), plain)
    found = _NUMBER.finditer(plain)
    return Counter(("-" if hit["sign"] else "") + _shortest(hit["value"]) for hit in found)


def changed(text: str, other: str, *, decimal_comma: bool = False) -> tuple[list[str], list[str]]:
    """Return the numbers of a text that another lacks, and those that only the other has; both empty where it keeps them.

    A number that one writes in words and the other in digits is no difference. Where the language of the other has a
    `decimal_comma`, its numbers may be written so or as the text's are.
    """
    mine = numbers(text)
    found = None
    for comma in (False, True) if decimal_comma else (False,):
        theirs = numbers(other, decimal_comma=comma)
        said = spelt(other, strict=True)
        lost = sorted(n for n in (mine - theirs) if n not in said)
        new = sorted(n for n in (theirs - mine) if n not in mine and n not in spelt(text))
        if found is None or not (lost or new):
            found = lost, new
    assert found is not None
    return found


def spelt(text: str, *, strict: bool = False) -> set[str]:
    """Return the values of the number words of a text in English, Chinese and Thai.

    Args:
        text: in any language.
        strict: leave out words that say a number only now and then: "a", "second", 一起, สามารถ.
    """
    folded = text.casefold()
    words = regex.findall(r"[a-z]+", folded)
    found = {_SPELT[w] for w in words if w in _SPELT and not (strict and w in _LOOSE)}
    if strict:
        folded = _NO_NUMBER.sub(" ", folded)
    found |= {_HAN[c] for c in folded if c in _HAN}
    return found | {value for word, value in _THAI.items() if word in folded}


def _shortest(number: str) -> str:
    plain = number.replace(",", "").replace("，", "")
    whole, dot, part = plain.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if dot and part else "")
