"""Self-Instruct as Stanford Alpaca did it: several tasks with their answers per completion.

Source: Taori et al. 2023, `generate_instruction.py`: seed tasks are shown, the model goes on with the list. No stop sequence
and no count of tokens ends a completion in the middle of an answer, and its items are read by their numbers (`parse`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from datagen.answers.tasks import items
from datagen.chat.client import Chat
from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.generate.draft import Draft, drafts, failed
from datagen.generate.pool import Seen

if TYPE_CHECKING:
    from datagen.kinds.self_instruct import SelfInstruct


class Examples:
    """The tasks that a prompt shows: some of the seeds, and some that the run has made where that is asked for."""

    def __init__(self, seeds: Sequence[Row], options: SelfInstruct, human: int, machine: int) -> None:
        """Take the numbers of human and of machine tasks per prompt."""
        self._seeds, self._options, self._human, self._machine = seeds, options, human, machine

    def drawn(self, index: int, seen: Seen) -> tuple[list[Row], tuple[str, ...]]:
        """Return the examples of a request and their ids; what is missing of machine tasks is drawn from the seeds."""
        draw = random.Random(f"{self._options.seed}:{index}")
        machine = draw.sample(range(seen.kept), min(self._machine, seen.kept))
        human = draw.sample(self._seeds, min(self._human + self._machine - len(machine), len(self._seeds)))
        shown = [*human, *map(seen.row, machine)]
        draw.shuffle(shown)
        return shown, tuple(str(s["id"]) for s in shown)


class Alpaca:
    """Several tasks with their answers per request."""

    def __init__(self, seeds: Sequence[Row], chat: Chat, options: SelfInstruct, topic: Callable[[int], str | None]) -> None:
        """Read the prompt."""
        self._chat, self._options, self._topic = chat, options, topic
        self._examples = Examples(seeds, options, options.shown, options.machine)
        self._prompt = Prompt("self_instruct", options.language, options.prompts)

    async def make(self, index: int, seen: Seen) -> list[list[Draft]]:
        """Return the tasks of one completion."""
        shown, parents = self._examples.drawn(index, seen)
        messages = self._prompt.messages(examples=shown, count=self._options.asked, topic=self._topic(index))
        answer = await self._chat.complete("chat/completions", {"messages": messages, **self._options.sampling()}, index)
        if answer.text is None:
            return [[failed(answer, self._prompt.hash, parents)]]
        found = items(answer.text, cut=answer.cut)
        return [[draft] for draft in drafts(found, answer, self._prompt.hash, parents)]
