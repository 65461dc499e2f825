"""Better answers grounded in those that rows have: rewritten, explained step by step, or no longer repeating themselves.

Sources: Nguyen et al. 2024 (rewritten responses of back-translated instructions), Wei et al. 2022 (chain of thought), Zheng et
al. 2023 (step-back).
"""

from __future__ import annotations

from typing import Any, ClassVar

import regex

from datagen.answers.final_answer import final_answer, is_worked, same_answer
from datagen.answers.numbers import changed
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.data.rows import Row, transcript
from datagen.kinds.rewrite import PROMPTS, Rewrite
from datagen.teaching.desk import Desk, asked_messages, has_tools, shown, with_answer, with_reference

LOCAL_TOKENS = 384
_ITEM = regex.compile(r"^[ \t]*\d{1,2}[.)、][ \t]", flags=regex.M)  # the number of a list's item is no fact
REPEATS = 0.8  # ROUGE-L F1 of an answer with an earlier one of the same conversation, from which it repeats it


class Rewriting:
    """Replaces a row's answer by a better one; its first one stays in `extra` as `reference`, but for `turns`."""

    adds: ClassVar[bool] = False

    def __init__(self, step: str, chat: Chat, options: Rewrite) -> None:
        """Take the options."""
        self._desk, self._how = Desk(step, chat, options, LOCAL_TOKENS), options.how

    async def taught(self, row: Row) -> list[Row]:
        """Return the row with its new answer, or why there is none."""
        desk = self._desk
        if self._how == "turns":
            return [await self._turns(row)]
        if has_tools(row):
            return [desk.lost(row, "needs_tools", "an answer that calls a tool is not rewritten")]
        if not row["output"].strip():
            return [desk.lost(row, "empty_answer")]
        prompt = desk.prompt(PROMPTS[self._how], desk.spoken(row))
        task = transcript(asked_messages(row))
        answer = await desk.ask(prompt.messages(task=task, answer=row["output"]))
        if lost := desk.refused(row, answer) or self._unfaithful(row, (answer.text or "").strip(), task):
            return [lost]
        text = (answer.text or "").strip()
        own = with_answer(row, text)
        return [desk.made(row, [answer], [prompt.hash], **own, candidates=None, extra=with_reference(row))]

    def _unfaithful(self, row: Row, text: str, task: str) -> Row | None:
        """Return the ledger row of an answer that says something else than the one that it was made from."""
        old = row["output"]
        if self._how in ("chain_of_thought", "step_back") and (is_worked(old) or len(old) <= 80):
            wanted = final_answer(old)
            if wanted is not None and not same_answer(text, old):
                return self._desk.lost(row, "other_answer", f"{final_answer(text)} in place of {wanted}: {shown(text)}")
        if self._how == "grounded":
            new = changed(f"{task}\n{old}", _ITEM.sub("", text))[1]
            if new:
                return self._desk.lost(row, "not_grounded", f"new numbers {', '.join(new[:5])}: {shown(text)}")
        return None

    async def _turns(self, row: Row) -> Row:
        """Return a conversation whose answers that repeat an earlier one were written anew, each in its place."""
        desk = self._desk
        turns = [dict(t) for t in row["messages"] or ()]
        answers: list[Completion] = []
        prompt = desk.prompt(PROMPTS["turns"], desk.spoken(row))
        earlier: list[str] = []
        for at, one in enumerate(turns):
            if one["role"] != "assistant" or not one["content"]:
                continue
            if any(_repeats(one["content"], text) for text in earlier):
                if has_tools(row):
                    return desk.lost(row, "needs_tools", "an answer that calls a tool is not rewritten")
                context = transcript(turns[:at])
                answer = await desk.ask(prompt.messages(conversation=context, answer=one["content"]))
                if lost := desk.refused(row, answer):
                    return lost
                text = (answer.text or "").strip()
                if any(_repeats(text, before) for before in earlier):
                    return desk.lost(row, "repeats_itself", shown(text))
                answers.append(answer)
                turns[at] = {**one, "content": text}
            earlier.append(str(turns[at]["content"]))
        if not answers:
            return row
        changes: dict[str, Any] = {
            "messages": turns,
            "output": earlier[-1] if turns[-1]["role"] == "assistant" else "",
            "candidates": None,
            "extra": with_reference(row),
        }
        return desk.made(row, answers, [prompt.hash], **changes)


def _repeats(text: str, other: str) -> bool:
    from datagen.similarity.consensus import mean_f1

    return mean_f1([text, other])[0] >= REPEATS
