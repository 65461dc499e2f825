"""What the local endpoint's model says to the prompts of a teacher and of a judge, known by the words of their last lines."""

from __future__ import annotations

import re

from invented_words import Draw, language_of

NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
MARKS = re.compile(r"⟦\d+⟧")
LABELS = {"Score: N": "Score: ", "评分：N": "评分：", "คะแนน: N": "คะแนน: "}
PAIRS = {"Better: A": "Better: ", "更好：A": "更好：", "ดีกว่า: A": "ดีกว่า: "}
EQUAL = {
    "Not equal": ("Equal", "Not equal"), "不相同": ("相同", "不相同"), "ไม่เหมือนกัน": ("เหมือนกัน", "ไม่เหมือนกัน"),
}  # fmt: skip
# Part of a translation's first line -> a text in the language that it is to be in.
INTO = {
    "into Chinese": "中文", "into Thai": "ภาษาไทย", "into English": "English",
    "成中文": "中文", "成泰文": "ภาษาไทย", "成英文": "English",
    "เป็นภาษาจีน": "中文", "เป็นภาษาไทย": "ภาษาไทย", "เป็นภาษาอังกฤษ": "English",
}  # fmt: skip
NO_SCORE, LOST_NUMBER, COPIED, SAME = 0.1, 0.2, 0.1, 0.25  # shares of answers that are of no use


def taught(prompt: str, last: str, draw: Draw) -> str | None:
    """Return the answer to a teacher's or a judge's prompt, or None where it is another one."""
    words = language_of(prompt)
    for mark, label in LABELS.items():
        if mark in last:
            said = words.text(draw, 1)
            return said if draw.random() < NO_SCORE else f"{said}\n{label}{draw.randint(1, 5)}"
    for mark, label in PAIRS.items():
        if mark in last:
            return f"{words.text(draw, 1)}\n{label}{draw.choice('AB')}"
    for mark, (yes, no) in EQUAL.items():
        if mark in last:
            return yes if draw.random() < SAME else no
    if any(mark in last for mark in ("new task only", "只写新的任务", "เขียนเฉพาะโจทย์ใหม่")):
        task = words.instruction(draw)
        return f"#Rewritten Prompt#: {task}" if draw.random() < COPIED else f"{task} {words.text(draw, 1)}"
    if any(mark in last for mark in ("translation only", "只写译文", "เขียนเฉพาะคำแปล")) and "<<<" in prompt:
        return _translated(prompt, draw)
    if any(mark in last for mark in ("instruction only", "只写指令", "เขียนเฉพาะคำสั่ง")):
        return words.instruction(draw)
    return None


def _translated(prompt: str, draw: Draw) -> str:
    text = prompt.split("<<<\n", 1)[1].rsplit("\n>>>", 1)[0]
    head = prompt.split("<<<", 1)[0]
    target = next((name for mark, name in INTO.items() if mark in head), "English")
    numbers = NUMBERS.findall(MARKS.sub("", text))
    if numbers and draw.random() < LOST_NUMBER:
        numbers.pop()
    parts = [language_of(target).text(draw, 2), *numbers, *MARKS.findall(text)]
    return " ".join(parts)
