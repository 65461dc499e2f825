"""Which of two answers a judge prefers, read from what it wrote in English, Chinese or Thai. Pure."""

from __future__ import annotations

import unicodedata

import regex

_SIGN = r"[\s*_`\"'“”‘’「」『』【】\[\](){}:：=→>-]{0,12}+"
_NAME = r"(?:answer|response|assistant|回答|答案|助手|คำตอบ|ผู้ช่วย)?\s?"
_TIE = r"tie|equal(?:ly\s\w+)?|neither|both|same|平局|相同|一样|一樣|不分|เสมอ(?:กัน)?|เท่ากัน|พอกัน"
_VALUE = rf"(?P<value>\[\[[ABC]\]\]|{_NAME}[AB](?![\p{{Latin}}\p{{N}}])|{_TIE})"
_LABELLED = regex.compile(
    rf"(?:better|winner|verdict|preferred|preference|choice|更好|较好|較好|更优|更優|胜者|勝者|结论|結論|ดีกว่า|ผู้ชนะ|ผลการตัดสิน)"
    rf"(?:\s(?:answer|one|is|option))*(?:的)?(?:回答|答案)?(?:是|为|คือ)?{_SIGN}{_VALUE}",
    flags=regex.I,
)
_MARKED = regex.compile(r"\[\[(?P<value>[ABC])\]\]")
_SAID = regex.compile(
    rf"(?P<value>{_NAME}[AB])(?![\p{{Latin}}\p{{N}}])\s*(?:is|seems|更|比较|ดี)\s?(?:clearly\s|much\s|slightly\s|the\s)?(?:better|好|优|優|กว่า)",
    flags=regex.I,
)
_ALONE = regex.compile(rf"{_SIGN}{_VALUE}{_SIGN}[.。!！]?", flags=regex.I)


def better_of(answer: str) -> float | None:
    """Return 1.0 where A is preferred, 0.0 where B is, 0.5 for a tie, None where the answer says none of these.

    What is labelled (`Better: A`, `[[B]]`, `更好：A`, `ดีกว่า: B`) counts before what is said in passing; the last of several.
    """
    text = unicodedata.normalize("NFKC", answer)
    text = regex.sub(r"<think>.*?(?:</think>|\Z)", " ", text, flags=regex.S)
    for pattern in (_MARKED, _LABELLED, _SAID):
        if hits := list(pattern.finditer(text)):
            return _of(hits[-1]["value"])
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
