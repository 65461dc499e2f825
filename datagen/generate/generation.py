"""From options to a loop that is ready to run: the method, the topics, the pool of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datagen.chat import usage
from datagen.chat.client import Chat
from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.generate.draft import Draft, failed
from datagen.generate.loop import Aim, Loop
from datagen.generate.pool import Pool
from datagen.generate.rules import Refusal
from datagen.generate.topics import Cell, Topics, read, subtopics
from datagen.generator import Generator

SUBTOPIC_TOKENS = 1024  # of the list of a topic's sub-topics


def prompts(generator: Generator) -> list[str]:
    """Return the text of every prompt that a run uses; its rows depend on them."""
    from datagen import assets

    names = [*generator.prompt_names, *(["subtopics"] if generator.subtopics else [])]
    return [assets.prompt(name, generator.language, generator.prompts) for name in names]


def loop(generator: Generator, seeds: Sequence[Row], chat: Chat, requests: int | None = None) -> Loop:
    """Return the loop of a generator.

    Args:
        generator: the generator with its options.
        seeds: seed tasks as rows; they never count as rows of the result.
        chat: the model.
        requests: stop after so many requests, however few rows were kept.

    Raises:
        UsageError: seeds, topics or a template that are needed and not there.
    """
    generator.check_seeds(seeds)
    steering = Steering(chat, generator)
    aim = Aim(
        n=generator.n, stage=generator.name, model=chat.name, language=generator.language, window=generator.window,
        ahead=generator.ahead, stall=generator.stall, expected=generator.expected,
        refuse=Refusal(generator.language, generator.item_rules).of_draft, steering=steering, requests=requests,
    )  # fmt: skip
    return Loop(generator.maker(seeds, chat, steering.of), chat, Pool(seeds, generator.threshold), aim)


class Steering:
    """What each request is about: the topics of a file, those without sub-topics divided by the model if asked for."""

    def __init__(self, chat: Chat, options: Generator) -> None:
        """Read the file; raises DataError or UsageError."""
        self._chat, self._options = chat, options
        self._cells = read(options.topics, options.language) if options.topics else []
        self._topics = Topics(self._cells) if self._cells else None

    def of(self, index: int) -> str | None:
        """Return the topic of a request, or None."""
        return self._topics.of(index).name if self._topics else None

    async def prepare(self) -> list[Draft]:
        """Ask the model for sub-topics, before the first request for tasks; return the requests that failed."""
        failures: list[Draft] = []
        if self._options.subtopics:
            # One after the other: they are few, and a refused key then costs one request.
            self._topics = Topics([sub for cell in self._cells for sub in await self._divided(cell, failures)])
        return failures

    async def _divided(self, cell: Cell, failures: list[Draft]) -> list[Cell]:
        """Return a topic divided into sub-topics that share its weight; as it is where it has one, or the model names none."""
        if cell.subtopic:
            return [cell]
        prompt = Prompt("subtopics", self._options.language, self._options.prompts)
        messages = prompt.messages(domain=cell.domain, count=self._options.subtopics)
        body = {"messages": messages, **self._options.sampling(), "max_tokens": SUBTOPIC_TOKENS}
        answer = await self._chat.complete("chat/completions", body, 0)
        if answer.text is None:
            failures.append(replace(failed(answer, prompt.hash), evidence=f"sub-topics of {cell.domain}: {answer.error}"))
        names = subtopics(answer.text or "")
        names = (names[:-1] if answer.cut else names)[: self._options.subtopics]  # the last of a cut list is a piece
        return [Cell(cell.domain, name, cell.weight / len(names)) for name in names] or [cell]


def account(made: Loop) -> dict[str, Any]:
    """Return what run.json says of a generation: its requests, what they used and cost, its topics, why it stopped early."""
    funnel = made.funnel
    told = usage.account(made.chat, funnel.kept)
    stopped = None
    if funnel.stopped is not None:
        stopped = {"exit_code": funnel.stopped.exit_code, "message": str(funnel.stopped)}
    return {
        **told,
        "requests": {"judged": funnel.judged, **told["requests"]},
        "topics": [{"topic": name, "requests": r, "items": i, "kept": k} for name, (r, i, k) in funnel.cells.items()],
        "stopped": stopped,
    }
