"""Evol-Instruct: tasks made harder, or turned into others of their field, in rounds; what fails is eliminated with a reason.

Source: Xu et al. 2023 (WizardLM, arXiv 2304.12244): five ways in depth and one in breadth, elimination by four rules; a task
whose evolution failed goes back into the pool, so that its next round starts from it again.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import ClassVar

import regex

from datagen.answers.instruction import plain, unquoted
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.data.rows import Row, transcript
from datagen.kinds.evolve import Evolve
from datagen.teaching.desk import Desk, asked_messages, has_tools, shown, with_extra
from datagen.text.names import called
from datagen.text.tokens import tokens
from datagen.text.wordlists import entries

LOCAL_TOKENS = 256
EQUAL_TOKENS = 16
SAYS = frozenset({"no", "not", "是", "有", "在", "มี", "เป็น", "ได้"})  # stop words that answer a question by themselves
SORRY_WORDS = 80  # an answer shorter than that which says sorry is none
# Words of WizardLM's prompts and of ours that a new task must not show.
_COPIED = regex.compile(
    r"given prompt|rewritten prompt|created prompt|#\s?(?:the )?(?:given|rewritten|created|new) prompt|given task"
    r"|rewritten task|\b(?:the|an?) old (?:task|one)\b|原任务|改写后的?任务|โจทย์เดิม|โจทย์ที่เขียนใหม่",
    flags=regex.I,
)
_SORRY = regex.compile(r"\bsorry\b|\bas an ai\b|抱歉|对不起|ขออภัย|ขอโทษ", flags=regex.I)
_SAME = r"(?:equal|the\ssame|same|identical|相同|一样|一致|เท่ากัน|เหมือนกัน)"
# What an answer begins with says it: `Equal. There is no difference.`, `They are not quite equal`; another one says nothing.
_EQUAL = regex.compile(
    r"\W*+(?:(?:the|these|they|two|both|first|second|and|tasks?|are|is|it|yes|这|那|两|二|者|个|任务|是|ทั้งสอง|โจทย์|สอง|ข้อ|นี้|ใช่)\W*+){0,10}?"
    rf"(?:(?P<not>no\b|(?:not|aren['’]t|isn['’]t)(?:\s\w+){{0,2}}?\s{_SAME}|un(?=equal)|differ|不|没|ไม่|ต่าง)|{_SAME})",
    flags=regex.I,
)


class Evolving:
    """Adds to each row what became of its task, round by round."""

    adds: ClassVar[bool] = True

    def __init__(self, step: str, chat: Chat, options: Evolve) -> None:
        """Take the options."""
        self._desk, self._options = Desk(step, chat, options, LOCAL_TOKENS), options

    async def taught(self, row: Row) -> list[Row]:
        """Return the new rows and the eliminated ones."""
        if has_tools(row):
            return [self._desk.no_child(row, "needs_tools", "a task that asks for a tool is not evolved", "evolve")]
        if not any(m["role"] == "user" and m["content"].strip() for m in asked_messages(row)):
            return [self._desk.no_child(row, "empty_task", "nothing is asked", "evolve")]
        found: list[Row] = []
        parent = row
        for turn in range(self._options.rounds):
            child = await self._evolved(parent, row["id"], turn)
            found.append(child)
            parent = parent if "reason" in child else child
        return found

    def _operation(self, row_id: str, turn: int) -> str:
        draw = hashlib.blake2b(f"{self._options.seed}:{row_id}:{turn}".encode(), digest_size=8).digest()
        return self._options.operations[int.from_bytes(draw) % len(self._options.operations)]

    async def _evolved(self, parent: Row, root: str, turn: int) -> Row:
        """Return the row that one operation makes of a task, or the ledger row that says why it was eliminated."""
        desk, operation = self._desk, self._operation(root, turn)
        language = desk.spoken(parent)
        prompt = desk.prompt("evolve", language)
        task = transcript(m for m in asked_messages(parent) if m["role"] != "system")
        answer = await desk.ask(
            prompt.messages(task=task, operation=operation, language=called(parent["language"], language)), turn
        )
        extra = with_extra(parent, ("reference",), operation=operation, round=turn + 1, root=root)
        text = unquoted(plain(answer.text or ""))
        common = {"input": "", "messages": None, "candidates": None, "parents": [parent["id"]], "extra": extra}
        source = f"{desk.step}:{desk.chat.name}"
        child = desk.made(parent, [answer], [prompt.hash], instruction=text, output="", source=source, **common)
        if lost := desk.refused(child, answer):
            return lost
        answers = [answer]
        if lost := await self._eliminated(child, parent, task, text, answers):
            return lost
        said = await desk.ask(
            [*_system(parent), {"role": "user", "content": text}], temperature=self._options.answer_temperature
        )
        answers.append(said)
        child = desk.made(
            parent, answers, [prompt.hash], instruction=text, output=(said.text or "").strip(), source=source, **common
        )
        return desk.refused(child, said) or self._unanswered(child, said) or child

    async def _eliminated(
        self, child: Row, parent: Row, task: str, text: str, answers: list[Completion]
    ) -> Row | None:  # fmt: skip
        """Return the ledger row of a task that is none, repeats the prompt, or asks for nothing more; note what was asked."""
        desk = self._desk
        if not any(c.isalnum() for c in text):
            return desk.lost(child, "empty_task")
        if hit := _COPIED.search(text):
            return desk.lost(child, "copies_prompt", hit.group())
        if " ".join(text.split()).casefold() == " ".join(task.split()).casefold():
            return desk.lost(child, "no_information_gain", "the same words", witness_id=parent["id"])
        if not self._options.check_gain:
            return None
        prompt = desk.prompt("evolve_equal", desk.spoken(parent))
        limit = EQUAL_TOKENS if self._options.loadable else None  # elsewhere a model may think before it answers
        judged = await desk.ask(prompt.messages(first=task, second=text), temperature=0.0, tokens=limit)
        answers.append(judged)
        # It is said in the first words; an answer that ends at its limit after them has said it.
        if judged.text is None or judged.cut_by in ("filtered", "endpoint_error") or not judged.text.strip():
            return desk.refused(child, judged)
        if (said := _EQUAL.match(judged.text)) and said["not"] is None:
            return desk.lost(child, "no_information_gain", shown(judged.text), witness_id=parent["id"])
        return None

    def _unanswered(self, child: Row, said: Completion) -> Row | None:
        text = child["output"]
        words = tokens(text)
        if _SORRY.search(text) and len(words) < SORRY_WORDS:
            return self._desk.lost(child, "cannot_answer", shown(text))
        if not _says(text):
            return self._desk.lost(child, "only_stop_words", shown(text))
        return None


def _system(row: Row) -> list[dict[str, str]]:
    return [{"role": "system", "content": row["system"]}] if row["system"] else []


def _says(text: str) -> bool:
    """Whether an answer says something: more than stop words, which scripts without spaces write one after the other."""
    words = regex.findall(r"[\p{L}\p{M}\p{N}]+", text.casefold())
    stops, run = _stop_words()
    return any(word in SAYS or not (word in stops or run.fullmatch(word)) for word in words)


@lru_cache(maxsize=1)
def _stop_words() -> tuple[frozenset[str], regex.Pattern[str]]:
    """The stop words, and a pattern of runs of those that are written without spaces."""
    words = frozenset(entries("stop_words"))
    unspaced = sorted((w for w in words if not w.isascii()), key=len, reverse=True)
    return words, regex.compile(f"(?:{'|'.join(map(regex.escape, unspaced))})++")
