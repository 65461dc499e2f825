"""Instruction backtranslation: the instruction that a text answers, written by a model.

Source: Li et al. 2023 (Humpback, arXiv 2308.06259): a backward model writes the instruction of each text; a judge keeps the
pairs that are worth it (stage `judge`). The model is any that follows a prompt, or one tuned on the exchanged rows of a set
(`datagen train --direction backward`), which has learned the same prompt.
"""

from __future__ import annotations

from typing import ClassVar

from datagen.answers.instruction import instruction_of
from datagen.chat.client import Chat
from datagen.data.rows import Row, extra_of
from datagen.kinds.backtranslate import Backtranslate
from datagen.teaching.desk import Desk, shown
from datagen.text.language import identify, is_in
from datagen.text.names import called
from datagen.text.tokens import tokens, words_in

PROMPT = "backtranslate"
LOCAL_TOKENS = 96  # of an instruction
COPIED = 12  # words in a row from the text that make an instruction a copy of it


class Backtranslating:
    """Gives each text the instruction that it answers."""

    adds: ClassVar[bool] = False

    def __init__(self, step: str, chat: Chat, options: Backtranslate) -> None:
        """Take the options."""
        self._desk, self._options = Desk(step, chat, options, LOCAL_TOKENS), options

    async def taught(self, row: Row) -> list[Row]:
        """Return the text with its instruction, or why it has none."""
        desk, text = self._desk, row["output"]
        if not text.strip():
            return [desk.lost(row, "empty_answer")]
        language = desk.spoken(row)
        prompt = desk.prompt(PROMPT, language)
        answer = await desk.ask(prompt.messages(text=text, title=title_of(row), language=called(row["language"], language)))
        if lost := desk.refused(row, answer):
            return [lost]
        task = instruction_of(answer.text or "")
        if not any(c.isalnum() for c in task):
            return [desk.lost(row, "empty_task", shown(answer.text or ""))]
        if words_in(" ".join(longest_shared_run(task, text))) >= COPIED:
            return [desk.lost(row, "copies_text", shown(task))]
        if row["language"] and not is_in(task, row["language"]):
            return [desk.lost(row, "wrong_language", f"{identify(task)[0]}: {shown(task)}")]
        return [desk.made(row, [answer], [prompt.hash], instruction=task, source=self._options.source)]


def title_of(row: Row) -> str:
    """The headings that a passage stood under, as one line."""
    headings = extra_of(row).get("headings")
    return " > ".join(map(str, headings)) if isinstance(headings, list) else ""


def longest_shared_run(text: str, other: str) -> list[str]:
    """Return the tokens of the longest run that stands in both texts (longest common substring of tokens).

    Quadratic in the tokens of the shorter times those of the longer; meant for an instruction and its text.
    """
    mine, theirs = tokens(text), tokens(other)
    best, end, before = 0, 0, [0] * (len(mine) + 1)
    for token in theirs:
        now = [0] * (len(mine) + 1)
        for i, own in enumerate(mine, start=1):
            if own == token:
                now[i] = before[i - 1] + 1
                if now[i] > best:
                    best, end = now[i], i
        before = now
    return mine[end - best : end]
