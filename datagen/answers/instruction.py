"""What a teacher's answer holds: an instruction, a rewritten task, a text in another language. Pure."""

from __future__ import annotations

import regex

_FENCE = regex.compile(r"\A```[\w-]*\n(.*?)\n?```\s*\Z", flags=regex.S)
_LABEL = regex.compile(
    r"\A[\s*_#>]*(?:(?:the\s)?(?:user(?:'s)?\s)?(?:instruction|question|prompt|request|task|query)"
    r"|(?:rewritten|new|evolved)\s(?:prompt|task|instruction)|指令|问题|問題|任务|任務|改写后的任务|新任务|คำสั่ง|คำถาม|โจทย์(?:ใหม่)?)"
    r"[\s*_]*[:：][\s*_]*",
    flags=regex.I,
)
_PREAMBLE = regex.compile(
    r"\A(?:(?:sure|certainly|of course|okay|好的|当然|ได้เลย|แน่นอน)(?:[!,.，。！]|\s)[^\n:：]{0,100}[:：]\s*\n+"
    r"|(?:sure|certainly|of course|okay|好的|当然|ได้เลย|แน่นอน)[!.。！]?\s*\n+"
    r"|(?:here(?:'s| is)|以下是|นี่คือ)[^\n:：]{0,60}(?:instruction|task|prompt|question|translation"
    r"|指令|任务|问题|译文|翻译|คำสั่ง|โจทย์|คำถาม|คำแปล)"
    r"[^\n:：]{0,20}[:：]\s*\n+)",
    flags=regex.I,
)
# Tried at the first line's end of a stretch of blanks and marks only.
_AFTER = regex.compile(
    r"(?<!\n(?:[^\S\n]|[*_#>])*+)\n++[\s*_#>]*+(?:answer|response|回答|答案|คำตอบ)\s*+[*_]*+[:：].*", flags=regex.I | regex.S
)
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "'": "'", "‘": "’", "«": "»"}


def instruction_of(answer: str) -> str:
    """Return the instruction in an answer, without its label, quotes, preamble, or what follows it."""
    text = plain(answer)
    text = _AFTER.sub("", text).strip()
    return unquoted(text)


def plain(answer: str) -> str:
    """Return an answer without a fence around all of it, a polite beginning, or a label."""
    text = answer.strip()
    if hit := _FENCE.match(text):
        text = hit[1].strip()
    text = _PREAMBLE.sub("", text)
    return _LABEL.sub("", text).strip()


def unquoted(text: str) -> str:
    """Return a text without quotation marks around all of it."""
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1] and text[-1] not in text[1:-1]:
        return text[1:-1].strip()
    return text
