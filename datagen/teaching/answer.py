"""Answers to prompts that exist: turn by turn for conversations, several at choice, the best of them first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from datagen.answers.final_answer import final_answer, is_worked, marked_answer, same_answer
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.judge import Judge
from datagen.data.rows import Row, conversation_turns, transcript, turn
from datagen.kinds.answer import Answer
from datagen.teacher import HIGH, LOW
from datagen.teaching.desk import Desk, asked_messages, has_tools, shown, with_answer, with_reference

LOCAL_TOKENS = 384  # of an answer; a small model that goes on has lost its thread
JUDGE_TOKENS = 512
SHORT = 80  # characters of an answer that is nothing but one


class Answering:
    """Replaces a row's answer; the one that it had stays in `extra` as `reference`."""

    adds: ClassVar[bool] = False

    def __init__(self, step: str, chat: Chat, options: Answer) -> None:
        """Take the options."""
        self._desk = Desk(step, chat, options, LOCAL_TOKENS)
        self._options = options
        self.told: dict[str, dict[str, int]] = {}
        sampling = {**options.sampled(JUDGE_TOKENS), "temperature": None if options.temperature is None else 0.0}
        self._judge = Judge(chat, sampling, LOW, HIGH)

    async def taught(self, row: Row) -> list[Row]:
        """Return the row with new answers, or why there are none."""
        if has_tools(row):
            return [self._desk.lost(row, "needs_tools", "a plain answer cannot stand for a tool call")]
        if not any(m["role"] == "user" and m["content"].strip() for m in asked_messages(row)):
            return [self._desk.lost(row, "empty_task")]
        whole, before = await self._replayed(row)
        if "reason" in whole:
            return [whole]
        answers = await asyncio.gather(*(self._desk.ask(self._asked(whole), draw) for draw in range(self._options.samples)))
        usable = [a for a in answers if not self._desk.refused(row, a)]
        if not usable:
            return [next(lost for a in answers if (lost := self._desk.refused(row, a)))]
        return [await self._best(row, whole, usable, [*before, *answers])]

    def _asked(self, row: Row) -> list[dict[str, str]]:
        messages = asked_messages(row)
        if self._options.system and messages[0]["role"] != "system":
            return [{"role": "system", "content": self._options.system}, *messages]
        return messages

    async def _replayed(self, row: Row) -> tuple[Row, list[Completion]]:
        """Answer every turn of the user but the last anew, each with the new answers before it; return the row so far."""
        turns = [t for t in row["messages"] or () if t["content"]]
        users = [i for i, t in enumerate(turns) if t["role"] == "user"]
        if len(users) < 2:
            return row, []
        said: list[dict[str, Any]] = []
        answers: list[Completion] = []
        for one in turns[: users[-1]]:
            if one["role"] == "assistant":
                continue
            said.append(dict(one))
            if one["role"] == "user":
                so_far = {**row, "messages": [*said, turn("assistant", "")]}
                answer = await self._desk.ask(self._asked(so_far))
                if lost := self._desk.refused(row, answer):
                    return lost, answers
                answers.append(answer)
                said.append(turn("assistant", (answer.text or "").strip()))
        last = conversation_turns(row)[-1]
        ending = [last] if last["role"] == "assistant" else [turn("assistant", "")]
        return {**row, "messages": [*said, dict(turns[users[-1]]), *ending]}, answers

    async def _best(self, row: Row, whole: Row, usable: Sequence[Completion], spent: Sequence[Completion]) -> Row:
        """Return the row with its answers, the best first."""
        texts = [(a.text or "").strip() for a in usable]
        how = self._how(row, texts)
        scores, judged = await self._scores(how, whole, texts)
        known = [-1.0 if s is None else s for s in scores]
        order = sorted(range(len(texts)), key=lambda i: (-known[i], i))
        best = order[0]
        candidates = None
        if self._options.samples > 1:
            candidates = [{"text": texts[i], "score": scores[i], "source": self._desk.chat.name} for i in order]
        self._tell(how, scores, len(spent))
        least = self._options.min_score
        if least is not None and (scores[best] is None or (scores[best] or 0.0) < least):
            said = f"the best of {len(texts)}: {shown(texts[best])}"
            reason = "no_score" if scores[best] is None else "low_score"
            return self._desk.lost(row, reason, said, score=scores[best], threshold=least)
        own = with_answer(whole, texts[best])
        if "messages" in own and usable[best].reasoning:
            own["messages"][-1]["reasoning"] = usable[best].reasoning
        thought = usable[best].reasoning if "messages" not in own else None
        extra = with_reference(row, reasoning=thought)
        return self._desk.made(row, [*spent, *judged], (), **own, candidates=candidates, extra=extra)

    def _how(self, row: Row, texts: Sequence[str]) -> str:
        """What says which answer is best."""
        if self._options.best != "auto":
            return self._options.best
        alone = len(texts) == 1 and self._options.min_score is None
        return "first" if alone else "rule" if is_worked(row["output"]) else "agreement"

    def _tell(self, how: str, scores: Sequence[float | None], asked: int) -> None:
        """Count rows, answers asked for and those that could be used, by what ranked them; of a rule those that are right."""
        counts = self.told.setdefault(how, {"rows": 0, "asked": 0, "answers": 0, "unknown": 0})
        counts["rows"] += 1
        counts["asked"] += asked
        counts["answers"] += len(scores)
        counts["unknown"] += all(s is None for s in scores)
        if how == "rule":
            counts["right"] = counts.get("right", 0) + sum(s == 1 for s in scores)
            counts["rows_with_a_right_one"] = counts.get("rows_with_a_right_one", 0) + any(s == 1 for s in scores)

    async def _scores(
        self, how: str, row: Row, texts: Sequence[str]
    ) -> tuple[list[float | None], list[Completion]]:  # fmt: skip
        """Return what each answer is worth, and the answers of a judge."""
        if how == "judge":
            return await self._judged(row, texts)
        if how == "rule":
            # The last number of a long text is no final answer.
            short = len(row["output"]) <= SHORT and final_answer(row["output"]) is not None
            known = short or is_worked(row["output"])
            return [float(same_answer(text, row["output"])) if known else None for text in texts], []
        return ([None] * len(texts) if how == "first" else agreement(texts, self._options.samples)), []

    async def _judged(self, row: Row, texts: Sequence[str]) -> tuple[list[float | None], list[Completion]]:
        prompt = self._desk.prompt("judge", self._desk.spoken(row))
        task = transcript(asked_messages(row))
        judged = await asyncio.gather(
            *(self._judge.judged(prompt.messages(task=task, answer=text, rubric=None, low=LOW, high=HIGH)) for text in texts)
        )
        return [j.score for j in judged], [a for j in judged for a in j.answers]


def agreement(texts: Sequence[str], drawn: int | None = None) -> list[float | None]:
    """Return the share of the other answers that each agrees with, 0..1; of an answer alone nothing is known.

    Where at least half of them mark a final answer, agreement is to have the same (self-consistency, Wang et al. 2023); else
    it is the mean ROUGE-L F1 with the others (minimum Bayes risk).

    Args:
        texts: the answers that can be used.
        drawn: how many were asked for; those that cannot be used agree with none.
    """
    if len(texts) < 2:
        return [None] * len(texts)
    others = max(len(texts), drawn or 0) - 1
    finals = [marked_answer(t) for t in texts]
    if sum(f is not None for f in finals) * 2 >= len(texts):
        return [0.0 if f is None else (finals.count(f) - 1) / others for f in finals]
    from datagen.similarity.consensus import mean_f1

    return [score * (len(texts) - 1) / others for score in mean_f1(texts)]
