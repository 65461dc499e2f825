"""From options to a loop that is ready to run: the method, the topics, the pool of seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from datagen.errors import UsageError
from datagen.generate import magpie, self_instruct
from datagen.generate.loop import Aim, Loop
from datagen.generate.options import GeneratorOptions
from datagen.generate.pool import Pool
from datagen.generate.prompt import Prompt
from datagen.generate.topics import Cell, Topics, read, subtopics
from datagen.models.chat import Chat
from datagen.rows import Row

METHODS: dict[str, ModuleType] = {"self_instruct": self_instruct, "magpie": magpie}
OPTIONS: dict[str, type[GeneratorOptions]] = {
    "self_instruct": self_instruct.SelfInstructOptions, "magpie": magpie.MagpieOptions,
}  # fmt: skip
SUBTOPIC_TOKENS = 1024  # of the list of a topic's sub-topics


def prompts(kind: str, options: GeneratorOptions) -> list[str]:
    """Return the text of every prompt that a run uses; its rows depend on them."""
    from datagen import assets

    names: list[str] = METHODS[kind].prompts(options)
    return [assets.prompt(name, options.language) for name in [*names, *(["subtopics"] if options.subtopics else [])]]


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
    steering = Steering(chat, options)
    make: Callable[..., Any] = METHODS[kind].maker
    aim = Aim(
        n=options.n, stage=kind, model=Path(chat.name).name, language=options.language, window=options.window,
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

    async def prepare(self) -> None:
        """Ask the model for sub-topics; before the first request for tasks."""
        if self._options.subtopics:
            # One after the other: they are few, and a refused key then costs one request.
            self._topics = Topics([sub for cell in self._cells for sub in await self._divided(cell)])

    async def _divided(self, cell: Cell) -> list[Cell]:
        """Return a topic divided into sub-topics that share its weight; as it is where it has one, or the model names none."""
        if cell.subtopic:
            return [cell]
        messages = Prompt("subtopics", self._options.language).messages(domain=cell.domain, count=self._options.subtopics)
        body = {"messages": messages, **self._options.sampling(), "max_tokens": SUBTOPIC_TOKENS}
        answer = await self._chat.complete("chat/completions", body, 0)
        names = subtopics(answer.text or "")[: self._options.subtopics]
        return [Cell(cell.domain, name, cell.weight / len(names)) for name in names] or [cell]


def account(made: Loop) -> dict[str, Any]:
    """Return what run.json says of a generation: its requests, what they used and cost, its topics, why it stopped early."""
    chat, funnel, budget = made.chat, made.funnel, made.chat.budget
    counts = chat.journal.counts()
    kept = max(1, funnel.kept)
    tokens = budget.used.input + budget.used.output
    price = budget.price
    cost = None if price is None else {
        "usd": round(budget.spent, 9), "held_usd": round(budget.held, 9), "usd_per_kept_row": round(budget.spent / kept, 9),
        "price": {"input": price.input, "output": price.output, "source": price.source},
    }  # fmt: skip
    stopped = None
    if funnel.stopped is not None:
        stopped = {"exit_code": funnel.stopped.exit_code, "message": str(funnel.stopped)}
    return {
        "requests": {"judged": funnel.judged, "sent": chat.sent, **counts},
        "usage": {
            "input_tokens": budget.used.input, "output_tokens": budget.used.output,
            "tokens_per_kept_row": round(tokens / kept, 1), "without_usage": budget.without_usage,
        },
        "cost": cost,
        "topics": [{"topic": name, "requests": r, "items": i, "kept": k} for name, (r, i, k) in funnel.cells.items()],
        "stopped": stopped,
    }  # fmt: skip
