"""Which of two answers a judge prefers, read from what it wrote in English, Chinese or Thai. Pure."""

from __future__ import annotations

import unicodedata

import regex

from datagen.marks import without_thoughts

_SIGN = r"[\s*_`\"'“”‘’「」『』【】\[\](){}:：=→>-]{0,12}+"
_NAME = r"(?:answer|response|assistant|回答|答案|助手|คำตอบ|ผู้ช่วย)?\s?"
_TIE = r"tie|equal(?:ly\s\w+)?|neither|both|same|平局|相同|一样|一樣|不分|เสมอ(?:กัน)?|เท่ากัน|พอกัน"
_AB = r"(?-i:[AB])(?![\p{Latin}\p{N}])"  # a small one is an article
_VALUE = rf"(?:an?\s)?(?P<value>\[\[[ABC]\]\]|{_NAME}{_AB}|{_TIE})"
_LABELLED = regex.compile(
    rf"(?:better|winner|verdict|preferred|preference|choice|更好|较好|較好|更优|更優|胜者|勝者|结论|結論|ดีกว่า|ผู้ชนะ|ผลการตัดสิน)"
    rf"(?:\s(?:answer|one|option))*(?:的)?(?:回答|答案)?(?:[\s*_]{{0,6}}[:：=→]|\sis\b|是|为|คือ){_SIGN}{_VALUE}"
    rf"(?P<other>\s?(?:/|or|and|或|和|与|หรือ|และ)\s?{_NAME}{_AB}[^\n]*)?",
    flags=regex.I,
)
# `A比B更好`, `A ดีกว่า B`: the first of them.
_THAN = regex.compile(
    rf"(?P<value>{_NAME}{_AB})\s?(?:比\s?{_NAME}{_AB}\s?(?:明显|稍微|要|更|略)*(?:好|优|優|佳)|(?:\S{{0,6}}\s?)?ดีกว่า(?!\s?[:：]))",
    flags=regex.I,
)
_TIED = regex.compile(
    rf"\bneither\b[^.\n]{{0,30}}\bnor\b|\bboth\s(?:\w+\s)?are\s(?:equal|the\ssame)|{_AB}\s?(?:和|与)\s?{_NAME}{_AB}\s?一样",
    flags=regex.I,
)
_MARKED = regex.compile(r"\[\[(?P<value>[ABC])\]\]")
_SAID = regex.compile(
    rf"(?P<value>{_NAME}{_AB})\s*(?:is|seems|更|比较|ดี)\s?(?:clearly\s|much\s|slightly\s|the\s)?(?:better|好|优|優|กว่า)",
    flags=regex.I,
)
_ALONE = regex.compile(rf"{_SIGN}{_VALUE}{_SIGN}[.。!！]?", flags=regex.I)


def better_of(answer: str) -> float | None:
    """Return 1.0 where A is preferred, 0.0 where B is, 0.5 for a tie, None where the answer says none of these.

    What is labelled (`Better: A`, `[[B]]`, `更好：A`, `ดีกว่า: B`) counts before what is said in passing; the last of several.
    """
    text = unicodedata.normalize("NFKC", answer)
    text = without_thoughts(text)
    for pattern in (_MARKED, _LABELLED, _THAN, _SAID):
        if hits := list(pattern.finditer(text)):
            last = hits[-1]
            if "other" in pattern.groupindex and last["other"]:  # `A or B`: none of them, unless they are said to be equal
                return 0.5 if regex.search(_TIE, last["other"], flags=regex.I) else None
            return _of(last["value"])
    if _TIED.search(text):
        return 0.5
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        if hit := _ALONE.fullmatch(line):
            return _of(hit["value"])
    return None


def _of(value: str) -> float:
    said = value.strip().strip("[]")
    last = said[-1:]
    if last in ("A", "a") and not regex.fullmatch(_TIE, said, flags=regex.I):
        return 1.0
    return 0.0 if last in ("B", "b") else 0.5
