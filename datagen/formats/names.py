"""The names under which files hold tasks, answers and turns."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

PROMPTS = ("instruction", "prompt", "question", "query")
ANSWERS = ("output", "completion", "response", "answer", "generation")  # one answer, the surest name first
LISTS = ("completions", "generations", "responses", "outputs", "answers")  # several answers of one task
SIDES = ("chosen", "rejected")
CONVERSATIONS = ("messages", "conversations", "conversation", "contents", "dialogue", "dialog")
MATERIAL = ("input", "context", "passage", "paragraph")  # what a task is about
OTHERS = ("input", "context", "system", "history", "tools", "functions", "candidates", "instances", "chat_history")
KNOWN = frozenset({*PROMPTS, *ANSWERS, *LISTS, *SIDES, *CONVERSATIONS, *OTHERS})
# Names that say a task and its answer only where both stand, and no surer name does.
PAIRS = (
    *(("human", "assistant"), ("human", "gpt"), ("human", "bot"), ("human", "ai"), ("user", "assistant"), ("user", "bot")),
    *(("user", "model"), ("inputs", "targets"), ("input", "output"), ("input", "target"), ("input", "response")),
    *(("input", "answer"), ("input", "completion"), ("q", "a"), ("问", "答"), ("問", "答"), ("ถาม", "ตอบ")),
)
# Other spellings of known names, and their words in other languages.
_SPELLINGS = {
    "instruction": ("指令", "指示", "คำสั่ง"),
    "question": ("问题", "問題", "提问", "提問", "คำถาม"),
    "answer": ("回答", "答案", "回复", "回覆", "答复", "答覆", "คำตอบ"),
    "input": ("输入", "輸入", "อินพุต"),
    "output": ("输出", "輸出", "เอาต์พุต"),
    "context": ("上下文", "บริบท"),
    "system": (
        "system_prompt",
        "system prompt",
        "systemprompt",
        "system_message",
        "系统",
        "系統",
        "系统提示",
        "系統提示",
        "ระบบ",
    ),
    "conversation": ("对话", "對話", "บทสนทนา"),
}
_KNOWN_AS = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
TURN_NAMES = {"角色": "role", "内容": "content", "內容": "content", "บทบาท": "role", "เนื้อหา": "content"}  # of a turn's fields


@lru_cache(4096)
def plain_name(key: str) -> str:
    """Return a name without blanks around it and capitals."""
    return key.strip(" \t\r\n\ufeff\u00a0\u200b").casefold()


@lru_cache(4096)
def known_name(key: str) -> str:
    """Return the known name that a name stands for: blanks around it and capitals, and its language, do not matter.

    Any other name is returned as it is.
    """
    if key in KNOWN:
        return key
    plain = plain_name(key)
    return plain if plain in KNOWN else _KNOWN_AS.get(plain, key)


def pair_in(names: Collection[str]) -> tuple[str, str] | None:
    """Return the two of some names that are a task and its answer together; None where no two are."""
    plain = {plain_name(name): name for name in names}
    return next(((plain[asked], plain[said]) for asked, said in PAIRS if asked in plain and said in plain), None)
