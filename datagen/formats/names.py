"""The names under which files hold tasks, answers and turns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

PROMPTS = ("instruction", "prompt", "question", "query")
# One answer, the surest name first. Before all goes what the shape calls it: `answers.answer_field` chooses, nobody else.
ANSWERS = ("response", "completion", "answer", "output", "generation")
LISTS = ("completions", "generations", "responses", "outputs", "answers")  # several answers of one task
SIDES = ("chosen", "rejected")
CONVERSATIONS = ("messages", "conversations", "conversation", "contents", "dialogue", "dialog")
MATERIAL = ("context", "passage", "paragraph", "article", "input")  # what a task is about, in the order of reading
CHOICES = ("choices", "options", "answer_choices", "answer_options", "选项", "選項", "選択肢", "ตัวเลือก")
OTHERS = ("input", "context", "system", "history", "tools", "functions", "candidates", "instances", "chat_history")
KNOWN = frozenset({*PROMPTS, *ANSWERS, *LISTS, *SIDES, *CONVERSATIONS, *OTHERS})
_REASONING = frozenset({
    *("reasoning", "reasoningcontent", "reasoningtext", "reasoningtrace", "reasoningprocess", "rationale", "rationales"),
    *("thought", "thoughts", "thinking", "thinkingcontent", "thinkingprocess", "cot", "complexcot", "chainofthought"),
    *("思维链", "思維鏈", "思考", "思考过程", "思考過程", "推理", "推理过程", "推理過程", "เหตุผล", "การให้เหตุผล", "กระบวนการคิด"),
})  # fmt: skip
# Names that an answer is likely to have, the likeliest first, and words in the names of what is none.
_LIKELY = (
    *("canonicalsolution", "solution", "target", "completion", "response", "finalanswer", "correctanswer", "bestanswer"),
    *("goldanswer", "reply", "answertext", "modelanswer", "code", "summary", "highlights", "translation"),
)
# Words in names of fields that are no answer: anywhere, and as the last word (`image_path`, but `model_output` may be one).
_NEVER = frozenset({
    *("id", "ids", "idx", "index", "uid", "uuid", "guid", "url", "uri", "test", "tests", "entry", "meta", "metadata"),
})  # fmt: skip
_BESIDE = frozenset({
    *("hash", "key", "number", "no", "num", "link", "href", "path", "file", "filename", "image", "label", "labels", "lang"),
    *("language", "locale", "task", "source", "sources", "date", "time", "timestamp", "created", "updated", "author", "user"),
    *("username", "name", "title", "tag", "tags", "category", "categories", "topic", "subject", "domain", "type", "kind"),
    *("split", "score", "scores", "rating", "votes", "difficulty", "level", "license", "licence", "model", "version"),
    *("config", "dataset", "status", "count", "length", "tokens", "seed", "hint", "hints", "template", "prefix"),
    *(*MATERIAL, *CHOICES, "premise", "hypothesis", "support", "document", "background", "ctx", "endings"),
})  # fmt: skip
# Names that say a task and its answer only where both stand, and no surer name does.
PAIRS = (
    *(("human", "assistant"), ("human", "gpt"), ("human", "bot"), ("human", "ai"), ("user", "assistant"), ("user", "bot")),
    *(("user", "model"), ("inputs", "targets"), ("input", "output"), ("input", "target"), ("input", "response")),
    *(("input", "answer"), ("input", "completion"), ("q", "a"), ("问", "答"), ("問", "答"), ("ถาม", "ตอบ")),
)
# Other spellings of known names, and their words in other languages.
_SPELLINGS = {
    "instruction": ("指令", "指示", "คำสั่ง"),
    "question": ("问题", "問題", "提问", "提問", "คำถาม", "question_stem"),
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
def bare_name(key: str) -> str:
    """Return a plain name without what parts its words: `Complex_CoT`, `complex-cot` and `complexCot` are one."""
    return re.sub(r"[ _-]", "", plain_name(key))


@lru_cache(4096)
def is_reasoning(key: str) -> bool:
    """Whether a field of this name beside a task and its answer holds how one comes to the answer."""
    return bare_name(key) in _REASONING


def answer_among(fields: Mapping[str, int]) -> str | None:
    """Return the field, of {name: characters of text in it}, that is likely the answer; None where none is plausible.

    An id, an address, a label or a test is never taken for one, however much text it holds.
    """
    others = [name for name in fields if known_name(name) not in KNOWN and not is_reasoning(name) and not is_beside(name)]
    return likely_answer(fields) or max(others, key=lambda name: fields[name], default=None)


def likely_answer(names: Collection[str]) -> str | None:
    """Return the one of some names that an answer is likeliest to have; None where none is such a name."""
    likely = {name: _LIKELY.index(bare_name(name)) for name in names if bare_name(name) in _LIKELY}
    return min(likely, key=lambda name: likely[name], default=None)


def is_beside(key: str) -> bool:
    """Whether the name of a field says that it is about the record, and no answer: `task_id`, `testList`, `Source URL`."""
    words = re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key.strip()).casefold())
    return words[-1] in _BESIDE or not _NEVER.isdisjoint(words)


@lru_cache(4096)
def known_name(key: str) -> str:
    """Return the known name that a name stands for: blanks around it and capitals, and its language, do not matter.

    Any other name is returned as it is.
    """
    if key in KNOWN:
        return key
    plain = plain_name(key)
    return plain if plain in KNOWN else _KNOWN_AS.get(plain, key)


def in_their_names(problem: str, ours: Mapping[str, str]) -> str:
    """Return what is wrong with a record with the file's names in quotes for ours, of {the file's name: our name}."""
    theirs = {our: name for name, our in ours.items()}
    return re.sub(r"'([^'\n]*+)'", lambda found: f"'{theirs.get(found[1], found[1])}'", problem) if theirs else problem


def pair_in(names: Collection[str]) -> tuple[str, str] | None:
    """Return the two of some names that are a task and its answer together; None where no two are."""
    plain = {plain_name(name): name for name in names}
    return next(((plain[asked], plain[said]) for asked, said in PAIRS if asked in plain and said in plain), None)
