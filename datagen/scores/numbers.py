"""The numbers in a text, in any digits, and whether another text keeps them. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter

import regex

_NUMBER = regex.compile(r"\d+(?:[,，]\d{3})*(?:\.\d+)?")
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


def numbers(text: str) -> Counter[str]:
    """Return the numbers that a text writes in digits, of any script, without the commas of thousands; how often each."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(str(unicodedata.digit(c, 0)) if c.isdigit() else c for c in plain)
    return Counter(_shortest(hit.group()) for hit in _NUMBER.finditer(plain))


def changed(text: str, other: str) -> tuple[list[str], list[str]]:
    """Return the numbers of a text that another lacks, and those that the other has more; both empty where it keeps them.

    A number that one writes in words and the other in digits is no difference.
    """
    mine, theirs = numbers(text), numbers(other)
    lost = [n for n in (mine - theirs) if n not in spelt(other)]
    new = [n for n in (theirs - mine) if n not in mine and n not in spelt(text)]
    return sorted(lost), sorted(new)


def spelt(text: str) -> set[str]:
    """Return the values of the number words of a text in English, Chinese and Thai."""
    folded = text.casefold()
    found = {_SPELT[w] for w in regex.findall(r"[a-z]+", folded) if w in _SPELT}
    found |= {_HAN[c] for c in folded if c in _HAN}
    return found | {value for word, value in _THAI.items() if word in folded}


def _shortest(number: str) -> str:
    plain = number.replace(",", "").replace("，", "")
    whole, dot, part = plain.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if dot and part else "")
