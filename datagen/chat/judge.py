"""A judge: a model that is asked for a score by a rubric, and how its answer becomes one.

The score is the expected one under the probabilities of the token in which the judge says it, where the endpoint gives them
(G-Eval, Liu et al. 2023); else the mean of k answers. An answer without a score is asked again, never counted as a low one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from datagen.answers.better import better_of
from datagen.answers.expected import expected_score
from datagen.answers.score import score_of
from datagen.chat import events
from datagen.chat.client import Chat
from datagen.chat.completion import Completion

Read = Literal["auto", "logprobs", "samples"]
ALTERNATIVES = 10  # tokens whose probabilities are asked for
AGAIN = 2  # more answers, where one has no score
AGAIN_TEMPERATURE = 0.7  # of these: at 0 the same answer would come
NO_LOGPROBS = ("logprob", "top_logprobs", "not supported", "unsupported", "unexpected")


@dataclass(frozen=True)
class Judgement:
    """A score and the judge's words for it, or why there is none."""

    score: float | None
    reason: str = ""  # what the judge said beside the score
    error: str | None = None
    answers: tuple[Completion, ...] = ()


class Judge:
    """Asks a chat for scores between `low` and `high`."""

    def __init__(
        self, chat: Chat, sampling: Mapping[str, Any], low: float, high: float, *, samples: int = 1, read: Read = "auto"
    ) -> None:  # fmt: skip
        """Take how to ask; `read=auto` finds out with the first request whether the endpoint gives probabilities.

        Where an answer may take a day (a batch) none waits for a first one: each asks with probabilities, and without where
        that one was refused or has none.
        """
        self._chat, self._sampling, self._low, self._high = chat, dict(sampling), low, high
        self._samples, self._read = samples, read
        self._asking = asyncio.Lock()

    async def judged(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        """Return the judgement on what the messages show."""
        if self._read == "auto" and self._chat.waits:
            return await self._each(messages)
        if self._read == "auto":
            async with self._asking:
                if self._read == "auto":
                    return await self._first(messages)
        return await self._by_probability(messages) if self._read == "logprobs" else await self._by_samples(messages)

    async def _first(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        """Judge with probabilities if that can be; what comes of it holds for all other requests."""
        answer = await self._chat.complete("chat/completions", self._body(messages, logprobs=True), 0)
        if _refuses_logprobs(answer) or self._several(answer):
            self._read = "samples"
            return await self._by_samples(messages)
        if answer.text is not None:
            self._read = "logprobs"
        return await self._by_probability(messages)

    async def _each(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        """Judge with probabilities if that can be; what comes of it holds for this request alone."""
        answer = await self._chat.complete("chat/completions", self._body(messages, logprobs=True), 0)
        if _refuses_logprobs(answer) or self._several(answer):
            return await self._by_samples(messages)
        return await self._by_probability(messages)

    def _several(self, answer: Completion) -> bool:
        """Whether an answer is to be followed by others: several are wanted, and it has no probabilities."""
        return self._samples > 1 and answer.text is not None and not self._tokens(answer)

    def _body(self, messages: Sequence[Mapping[str, Any]], *, logprobs: bool) -> dict[str, Any]:
        more = {"logprobs": True, "top_logprobs": ALTERNATIVES} if logprobs else {}
        return {"messages": list(messages), **self._sampling, **more}

    def _tokens(self, answer: Completion) -> list[Mapping[str, Any]]:
        """The tokens of an answer with their alternatives, empty where it has none."""
        raw = self._chat.journal.answer(answer.key)
        try:
            found = events.parsed(raw or "")["choices"][0]["logprobs"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            return []
        return found if isinstance(found, list) and any(isinstance(t, dict) and t.get("top_logprobs") for t in found) else []

    async def _by_probability(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        return await _until_read(self._chat, self._body(messages, logprobs=True), self._expected)

    def _expected(self, answer: Completion) -> float | None:
        """The expected score of an answer, or the one that it says where it has no probabilities; of a cut one none."""
        if answer.cut:
            return None
        tokens = self._tokens(answer)
        score = expected_score(tokens, self._low, self._high) if tokens else None
        return score if score is not None else score_of(answer.text or "", self._low, self._high)

    async def _by_samples(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        """Ask k times, and again where an answer has no score; their mean."""
        body = self._body(messages, logprobs=False)
        answers: list[Completion] = []
        scores: list[float] = []
        reason = ""
        while len(scores) < self._samples and len(answers) < self._samples + AGAIN:
            more = min(self._samples - len(scores), self._samples + AGAIN - len(answers))
            draws = range(len(answers), len(answers) + more)
            bodies = [again(body, draw) if self._samples == 1 else body for draw in draws]
            asked = [self._chat.complete("chat/completions", b, draw) for b, draw in zip(bodies, draws, strict=True)]
            for answer in await asyncio.gather(*asked):
                answers.append(answer)
                score = None if answer.text is None or answer.cut else score_of(answer.text, self._low, self._high)
                if score is not None:
                    reason = reason or (answer.text or "").strip()
                    scores.append(score)
        if not scores:
            return _without(answers)
        return Judgement(sum(scores) / len(scores), reason, None, tuple(answers))


def _refuses_logprobs(answer: Completion) -> bool:
    return answer.text is None and any(mark in (answer.error or "").lower() for mark in NO_LOGPROBS)


def _without(answers: Sequence[Completion]) -> Judgement:
    """The judgement where no answer has a score."""
    if cut := next((a for a in reversed(answers) if a.cut), None):
        return Judgement(None, error=cut.cut_words, answers=tuple(answers))
    said = next((a.text for a in reversed(answers) if a.text), None)
    why = f"no score in: {' '.join(said.split())[:200]}" if said else next((a.error for a in answers if a.error), "no answer")
    return Judgement(None, error=why, answers=tuple(answers))


class Verdicts:
    """Asks a chat which of two answers is better."""

    def __init__(self, chat: Chat, sampling: Mapping[str, Any]) -> None:
        """Take how to ask."""
        self._chat, self._sampling = chat, dict(sampling)

    async def judged(self, messages: Sequence[Mapping[str, Any]]) -> Judgement:
        """Return 1 where the answer shown as A is better, 0 where B is, 0.5 for a tie; asked again where none is said."""
        body = {"messages": list(messages), **self._sampling}
        return await _until_read(self._chat, body, lambda answer: None if answer.cut else better_of(answer.text or ""))


def again(body: Mapping[str, Any], draw: int) -> Mapping[str, Any]:
    """Return a request to be asked once more: at a temperature that can give another answer."""
    cold = draw and body.get("temperature") is not None and body["temperature"] < AGAIN_TEMPERATURE
    return {**body, "temperature": AGAIN_TEMPERATURE} if cold else body


async def _until_read(chat: Chat, body: Mapping[str, Any], read: Callable[[Completion], float | None]) -> Judgement:
    """Ask until an answer can be read, a few times; a request that failed ends it."""
    answers: list[Completion] = []
    for draw in range(1 + AGAIN):
        answer = await chat.complete("chat/completions", again(body, draw), draw)
        answers.append(answer)
        if answer.text is None:
            return Judgement(None, error=answer.error, answers=tuple(answers))
        if (found := read(answer)) is not None:
            return Judgement(found, answer.text.strip(), None, tuple(answers))
    return _without(answers)
