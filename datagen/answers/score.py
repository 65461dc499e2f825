"""A judge's answer to its score: pure, and never a guess.

Judges write `Score: 4`, `**4/5**`, `评分：四分`, `ให้ 4 คะแนน`, `{"score": 4}` or a bare `4`, before or after their reasons, and
repeat the scale they were given. A number counts as the score only where it is labelled as one, is out of a maximum, or
stands alone on a line; what is said last holds. An answer that names two scores at once, or none, has no score: that is a
reason to ask again, not a low mark.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from typing import Any

import regex

from datagen.marks import without_thoughts

_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "zero": 0,
    "〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
    "ศูนย์": 0, "หนึ่ง": 1, "สอง": 2, "สาม": 3, "สี่": 4, "ห้า": 5, "หก": 6, "เจ็ด": 7, "แปด": 8, "เก้า": 9, "สิบ": 10,
}  # fmt: skip
_SPELT = "|".join(sorted(_WORDS, key=len, reverse=True))
_VALUE = rf"(?:(?<![\d.,])-?\d+(?:[.,]\d+)?(?![\d]|[.,]\d)|(?<!\p{{Latin}})(?:{_SPELT})(?!\p{{Latin}}))"
_SIGN = r"[\s*_`|\"'“”‘’「」『』【】\[\](){}<>《》$\\]"  # what stands around a value
# Runs are bounded and possessive: what a judge says is not ours, and must not cost more than its length.
_WRAP = rf"{_SIGN}{{0,12}}+(?:(?:boxed|text){_SIGN}{{0,12}}+)?"
_UNIT = r"(?:points?|pts?\.?|stars?|marks?|分|星|点|คะแนน|แต้ม|ดาว)"
# After the value: out of what. 4/5, 4 out of 5, 4分（满分5分）, 4 จาก 5, 4 จากเต็ม 5.
_OUT_OF = (
    rf"{_WRAP}(?:{_UNIT})?{_WRAP}[,，、;；]?\s?"
    r"(?:/|／|out\s+of|of|over|จากคะแนนเต็ม|จากเต็ม|จาก|เต็ม|(?:满分|滿分|总分|總分)\s?(?:为|是|:|：)?)"
    rf"{_WRAP}(?P<most>\d+|{_SPELT})"
)
_LABEL = (
    r"\[result\]|(?:overall|总体|總體|โดยรวม)(?=\s?[:：])|(?:(?:final|overall|total|quality|my|the)\s){0,3}(?:scores?|scored|rating|grade|mark|verdict|rated?|rates)(?!\p{Latin})"
    r"|(?:最终|最後|最后|综合|总体|總體|质量|我的){0,3}(?:评分|評分|得分|分数|分數|打分|总分|總分|评级|等级|评为|评价|给分)"
    r"|(?:คะแนนรวม|คะแนนสุดท้าย|คะแนนที่ได้|คะแนนคุณภาพ|คะแนน|เรตติ้ง|ผลการประเมิน|ระดับคุณภาพ)"
)
_FILLER = (
    rf"(?:{_SIGN}{{1,12}}+|boxed|text|(?:this|it|that|given|is|are|was|of|as|at|be|an?|to|i\sgive|would\sbe)\b"
    r"|the\s(?:answer|response|pair|instruction|text)\b|[=:：→–—]|-(?=\s|>)|(?<=[\p{L}*])-(?=\d)"
    r"|为|是|給|给|打|定为|คือ|เป็น|เท่ากับ|ที่|ให้|อยู่ที่|ได้)"
)
_LABELLED = rf"(?<!\p{{Latin}})(?:{_LABEL})(?:{_FILLER}){{0,14}}?(?P<value>{_VALUE})(?:{_OUT_OF})?"
_GIVEN = (
    rf"(?:give|giving|assign|award|rate|deserves?|earns?|gets?|worth|给(?:予|出)?|打|评|得|应得|ให้|ได้|ควรได้)"
    rf"(?:\s(?:it|this|the\s\w{{1,20}}|them|a|an|only|at|as)){{0,4}}{_WRAP}(?P<value>{_VALUE}){_WRAP}(?:{_OUT_OF}|{_UNIT})"
    r"(?!\p{Latin}|\s(?:wrong|right|across|lower|higher|less|more|off|deducted|below|above))"
)
_FRACTION = rf"(?P<value>{_VALUE})(?:{_OUT_OF})"
_ALONE = (
    rf"\s*(?:#+|[-–—>→•]\s|:)?{_WRAP}(?P<value>{_VALUE}){_WRAP}{_UNIT}?{_WRAP}"
    rf"(?:{_OUT_OF}{_WRAP}{_UNIT}?{_WRAP})?[.。!！]?\s*"
)
# `on a scale of 1 to 5`, `(1-5)`, `1 到 5 分`, `ตั้งแต่ 1 ถึง 5`: the question, not the answer.
_SCALE = (
    r"(?:(?:on|in|using|from|within)\s++)?(?:an?\s++)?(?:\w{1,12}[- ]point\s++)?(?:scale|range)\s*+(?:(?:of|from|:|is)\s*+)?"
    rf"{_VALUE}\s*(?:-|–|—|~|to|through|/)\s*{_VALUE}"
    rf"|[(（\[]\s*{_VALUE}\s*(?:-|–|—|~|to|至|到|ถึง)\s*{_VALUE}\s*+(?:(?:分|points?|คะแนน)\s*+)?[)）\]]"
    rf"|(?:从|在|按|以)\s*{_VALUE}\s*+(?:分\s*+)?(?:-|–|—|~|到|至)\s*{_VALUE}\s*(?:分)?(?:的?(?:范围|量表|标准|分制)?)?(?:内|中|之间)?"
    rf"|(?:ตั้งแต่|ระหว่าง|ระดับ|สเกล|ช่วง)\s*{_VALUE}\s*(?:-|–|—|~|ถึง|และ)\s*{_VALUE}"
    rf"|(?:between|from)\s+{_VALUE}\s+(?:and|to)\s+{_VALUE}|{_VALUE}\s*(?:分制|-point\s+scale)"
)
# `It does not deserve a 5`, `the rubric says score 1: wrong`: no score is given so.
_DENIED = (
    r"(?:\b(?:not|never|cannot)\b|n['’]t\b|不|没|ไม่)[^.,;:!?，。；：！？\n]{0,40}\Z"
    r"|\b(?:rubric|criteria|scale|instructions?)\s(?:says?|states?|defines?|describes?|means?)[^.!?\n]{0,40}\Z"
)
_RANGE = rf"\s*(?:-|–|—|~|～|to|or|and|或|到|至|และ|หรือ|ถึง)\s*{_VALUE}"
_PART = rf"\s?点\s?(?P<tenth>\d|{_SPELT})|\sand\s(?:a\s|one\s)?half\b|\s?(?:分)?半"
_STARS = regex.compile(r"[★⭐🌟]+️?☆*")
_OBJECT = regex.compile(r"\{[^{}]*\}")
_KEYS = {"score", "rating", "grade", "评分", "得分", "分数", "คะแนน", "final_score", "overall"}


@cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    """A pattern, compiled when it is first needed: all of them take 0.25 s on a slow machine, and most runs ask no judge."""
    return regex.compile(pattern, flags=regex.I)


def score_of(answer: str, low: float = 1.0, high: float = 5.0) -> float | None:
    """Return the score that a judge's answer gives, or None where it gives none, several at once, or one off the scale.

    Args:
        answer: all that the judge said.
        low: the lowest score of the rubric.
        high: the highest; a score out of another maximum (8/10) is carried over to it.
    """
    text = unicodedata.normalize("NFKC", answer).replace("\u200b", "")
    text = without_thoughts(text)
    text = "\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))
    found = _in_object(text, low, high)
    if found is not None:
        return found
    plain = _compiled(_SCALE).sub(" ", text)
    for pattern in (_LABELLED, _GIVEN, _FRACTION):
        hits = [
            hit for hit in _compiled(pattern).finditer(plain)
            if not _compiled(_DENIED).search(plain[max(0, hit.start() - 60) : hit.start("value")])
        ]  # fmt: skip
        if hits:
            return _value(plain, hits[-1], low, high)
    lines = [line for line in plain.split("\n") if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        if hit := _compiled(_ALONE).fullmatch(line):
            return _value(line, hit, low, high)
    stars = _STARS.findall(text)
    return _within(float(sum(c in "★⭐🌟" for c in stars[0])), low, high) if len(stars) == 1 else None


def _in_object(text: str, low: float, high: float) -> float | None:
    """The score of the last JSON object that has one."""
    for hit in reversed(list(_OBJECT.finditer(text))):
        try:
            value: Any = json.loads(hit.group())
        except ValueError:
            continue
        for given in (v for k, v in value.items() if str(k).casefold() in _KEYS):
            if isinstance(given, str):
                return score_of(given, low, high)
            if isinstance(given, (int, float)) and not isinstance(given, bool):
                return _within(float(given), low, high)
    return None


def _value(text: str, hit: regex.Match[str], low: float, high: float) -> float | None:
    if _compiled(_RANGE).match(text, hit.end("value")):  # `3-4`, `3 or 4`: two at once
        return None
    value = _number(hit["value"]) + _part(text, hit)
    most = hit["most"] if "most" in hit.re.groupindex else None
    if most is not None and (out_of := _number(most)) not in (0.0, high):
        value = value * high / out_of
    return _within(value, low, high)


def _part(text: str, hit: regex.Match[str]) -> float:
    """What is added after a number in words: 三点五, four and a half."""
    if after := _compiled(_PART).match(text, hit.end("value")):
        return _number(after["tenth"]) / 10 if after["tenth"] else 0.5
    return 0.0


def _number(text: str) -> float:
    word = _WORDS.get(text.casefold())
    return float(word) if word is not None else float(text.replace(",", "."))


def _within(value: float, low: float, high: float) -> float | None:
    return value if low <= value <= high else None
