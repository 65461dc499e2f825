"""From options to a loop that is ready to run: the method, the topics, the pool of seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from datagen.errors import UsageError
from datagen.generate import magpie, self_instruct
from datagen.generate.draft import Draft, failed
from datagen.generate.loop import Aim, Loop
from datagen.generate.options import GeneratorOptions
from datagen.generate.pool import Pool
from datagen.generate.topics import Cell, Topics, read, subtopics
from datagen.models import usage
from datagen.models.chat import Chat
from datagen.models.prompt import Prompt
from datagen.rows import Row

METHODS: dict[str, ModuleType] = {"self_instruct": self_instruct, "magpie": magpie}
SUBTOPIC_TOKENS = 1024  # of the list of a topic's sub-topics


def prompts(kind: str, options: GeneratorOptions) -> list[str]:
    """Return the text of every prompt that a run uses; its rows depend on them."""
    from datagen import assets

    names: list[str] = METHODS[kind].prompts(options)
    return [
        assets.prompt(name, options.language, options.prompts)
        for name in [*names, *(["subtopics"] if options.subtopics else [])]
    ]


def loop(
    kind: str, seeds: Sequence[Row], chat: Chat, options: GeneratorOptions, requests: int | None = None
) -> Loop:  # fmt: skip
    """Return the loop of a generator.

    Args:
        kind: `self_instruct` or `magpie`.
        seeds: seed tasks as rows; they never count as rows of the result.
        chat: the model.
        options: the options.
        requests: stop after so many requests, however few rows were kept.

    Raises:
        UsageError: seeds, topics or a template that are needed and not there.
    """
    if kind == "self_instruct" and not seeds:
        raise UsageError("self_instruct needs at least one seed task; check --seeds")
    shown = getattr(options, "examples", None)
    if shown and shown > len(seeds):
        raise UsageError(
            f"examples is {shown}, but there are {len(seeds)} seed tasks; give --seeds with more, or fewer examples"
        )
    steering = Steering(chat, options)
    make: Callable[..., Any] = METHODS[kind].maker
    aim = Aim(
        n=options.n, stage=kind, model=chat.name, language=options.language, window=options.window,
        ahead=options.ahead, stall=options.stall, expected=options.expected, refuse=options.refusal.of_draft,
        steering=steering, requests=requests,
    )  # fmt: skip
    return Loop(make(options, seeds, chat, steering.of), chat, Pool(seeds, options.threshold), aim)


class Steering:
    """What each request is about: the topics of a file, those without sub-topics divided by the model if asked for."""

    def __init__(self, chat: Chat, options: GeneratorOptions) -> None:
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
