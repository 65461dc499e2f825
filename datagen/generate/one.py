"""One task per request, then its answer: from the bare user turn of a model, or from a prompt that asks for a single task.

The bare user turn is Magpie's (Xu et al. 2024): a model that was tuned on conversations, given only what its template writes
before a user's words, writes a user's words. That needs raw completions. A task that the pool already has, as the request may
see it, or that breaks a rule, is dropped before its answer is bought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from datagen.answers.tasks import Item, items
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.prompt import Prompt, prompt_hash
from datagen.data.rows import Row
from datagen.generate.alpaca import Examples
from datagen.generate.draft import Draft, failed, named, spent, told
from datagen.generate.pool import Seen
from datagen.generate.rules import Refusal
from datagen.generate.turns import UserTurn

if TYPE_CHECKING:
    from datagen.generator import Generator
    from datagen.kinds.self_instruct import SelfInstruct


class Asks(Protocol):
    """How one task is asked for."""

    hash: str

    async def task(self, index: int, seen: Seen) -> tuple[Completion, Item, tuple[str, ...]]:
        """Return the completion, the task in it (its reason set where there is none), and the ids of what was shown."""


class BareTurn:
    """Asks by the bare user turn."""

    def __init__(
        self, chat: Chat, turn: Callable[[str | None], UserTurn], sampling: dict[str, Any],
        topic: Callable[[int], str | None], seed: int, first_line: bool,
    ) -> None:  # fmt: skip
        """Take the turn for each topic; `first_line` ends a task at its first line break."""
        self._chat, self._turn, self._sampling, self._topic = chat, turn, sampling, topic
        self._seed, self._first_line = seed, first_line
        self.hash = prompt_hash(turn(None).head, *turn(None).stop)

    async def task(self, index: int, seen: Seen) -> tuple[Completion, Item, tuple[str, ...]]:
        """Return what the model writes as the user."""
        turn = self._turn(self._topic(index))
        # Every draw sends the same prompt: where the endpoint knows seeds, each has its own.
        seed = int.from_bytes(hashlib.blake2b(f"{self._seed}:{index}".encode(), digest_size=4).digest()) >> 1
        body = {"prompt": turn.head, **self._sampling, "stop": list(turn.stop), "seed": seed}
        answer = await self._chat.complete("completions", body, index)
        text, cut = answer.text or "", answer.cut
        # Not every server obeys a stop sequence, and what follows one is no part of the task.
        for stop in turn.stop:
            if stop in text:
                text, cut = text[: text.index(stop)], False
        text = text.strip()
        if self._first_line and "\n" in text:
            text, cut = text.split("\n", 1)[0].strip(), False
        return answer, Item(text, reason="cut_off" if cut else None if text else "empty_task"), ()


class FewShot:
    """Asks by a prompt that shows some tasks and wants one more."""

    def __init__(self, seeds: Sequence[Row], chat: Chat, options: SelfInstruct, topic: Callable[[int], str | None]) -> None:
        """Read the prompt."""
        self._chat, self._options, self._topic = chat, options, topic
        self._examples = Examples(seeds, options, options.shown, options.machine)
        self._prompt = Prompt("one_task", options.language, options.prompts)
        self.hash = self._prompt.hash

    async def task(self, index: int, seen: Seen) -> tuple[Completion, Item, tuple[str, ...]]:
        """Return the one task of a completion."""
        shown, parents = self._examples.drawn(index, seen)
        body = {"messages": self._prompt.messages(examples=shown, topic=self._topic(index)), **self._options.sampling()}
        answer = await self._chat.complete("chat/completions", body, index)
        return answer, _task_of(answer.text or "", cut=answer.cut), parents


def _task_of(text: str, *, cut: bool) -> Item:
    """Return the task of a completion that holds no answer, which the parser of tasks looks for."""
    item = items(f"{text}\nOutput:", cut=False)[0]
    if item.reason:  # JSON, which the heading does not belong to
        alone = items(text, cut=False)[0]
        if alone.instruction and alone.instruction != text.strip():
            item = Item(alone.instruction, alone.input)
    return Item(item.instruction, item.input, "", "cut_off" if cut else item.reason)


class One:
    """A task, then its answer."""

    def __init__(self, asks: Asks, chat: Chat, answer: dict[str, Any], options: Generator) -> None:
        """Take how to ask, and the sampling of answers."""
        self._asks, self._chat, self._sampling = asks, chat, answer
        self._refusal = Refusal(options.language, options.item_rules)
        self._system = Prompt("answer", options.language, options.prompts)
        self.hash = prompt_hash(asks.hash, self._system.hash)

    async def make(self, index: int, seen: Seen) -> list[list[Draft]]:
        """Return one task, with its answer where it is worth one."""
        asked, item, parents = await self._asks.task(index, seen)
        if asked.text is None:
            return [[failed(asked, self.hash, parents)]]
        draft = Draft(named(item, asked), asked.key, spent(asked), self.hash, parents, told(item, asked))
        if item.reason or self._refusal.of_task(item.instruction):
            return [[draft]]
        if repeats := seen.repeats(item.instruction):
            return [[Draft(item, asked.key, spent(asked), self.hash, parents, repeats=repeats)]]
        question = f"{item.instruction}\n\n{item.input}" if item.input else item.instruction
        messages = [{"role": "system", "content": self._system.text()}, {"role": "user", "content": question}]
        answer = await self._chat.complete("chat/completions", {"messages": messages, **self._sampling}, index)
        reason = "request_failed" if answer.text is None else "cut_off" if answer.cut else None
        whole = Item(item.instruction, item.input, (answer.text or "").strip(), reason)
        said = answer.error or told(whole, answer)
        return [[
            Draft(named(whole, answer), answer.key, spent(asked, answer), self.hash, parents, said, answer.reasoning)
        ]]  # fmt: skip
