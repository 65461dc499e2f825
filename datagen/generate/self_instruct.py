"""Self-Instruct: a model makes new tasks from seed tasks; one is kept only when it is new by ROUGE-L.

Source: Wang et al. 2023 (Self-Instruct) and Stanford Alpaca: the novelty test against the seeds and all kept rows, F1 above
0.7 goes. Three methods: `alpaca` asks for several tasks with their answers per completion; `original` for tasks, their kind
and their instances; `one` for one task and then its answer, from the bare user turn where the model is local.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datagen.generate import original
from datagen.generate.alpaca import Alpaca
from datagen.generate.loop import Maker
from datagen.generate.one import BareTurn, FewShot, One
from datagen.generate.options import GeneratorOptions
from datagen.generate.original import Original
from datagen.generate.turns import UserTurn, system_message, turn_of_model
from datagen.models.chat import Chat
from datagen.rows import Row

# What a task made by itself may not be longer than; an embedded model that goes on has lost its thread.
LOCAL_TASK_TOKENS, LOCAL_ANSWER_TOKENS = 96, 192


@dataclass(frozen=True)
class SelfInstructOptions(GeneratorOptions):
    """Options of `self_instruct`."""

    method: Literal["auto", "one", "alpaca", "original"] = "auto"  # auto: one for a local model, alpaca for an endpoint
    examples: int | None = None  # human tasks shown per prompt; off = 3, or 6 of the method original
    machine_examples: int | None = None  # tasks of the run shown per prompt; off = none, or 2 of the method original
    tasks: int | None = None  # tasks asked for per prompt; off = 5, or 8 of the method original
    max_instances: int = 5  # rows that one task may become (original)

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        for name, least in (("examples", 1), ("machine_examples", 0), ("tasks", 1), ("max_instances", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, not {value}")

    @property
    def resolved_method(self) -> str:
        """The method that `auto` stands for."""
        if self.method != "auto":
            return self.method
        return "one" if self.local else "alpaca"

    @property
    def shown(self) -> int:
        """Human tasks per prompt."""
        return self.examples or (6 if self.resolved_method == "original" else 3)

    @property
    def machine(self) -> int:
        """Tasks of the run per prompt."""
        if self.machine_examples is not None:
            return self.machine_examples
        return 2 if self.resolved_method == "original" else 0

    @property
    def expected(self) -> float:
        """Rows that one request yields, as a first guess: some of its tasks will not be new."""
        per_task = {"one": 0.7, "alpaca": 0.6 * self.asked, "original": 1.2 * self.asked}  # original: several instances
        return per_task[self.resolved_method]

    @property
    def asked(self) -> int:
        """Tasks asked for per prompt."""
        return self.tasks or (8 if self.resolved_method == "original" else 5)

    @property
    def steered(self) -> bool:
        """Whether the bare turn of a local model comes after a system message, which sets language and topic."""
        return self.language != "en" or self.topics is not None

    @property
    def looks_back(self) -> bool:
        """Whether what is asked depends on the rows kept before."""
        return self.machine > 0 or self.resolved_method != "alpaca"


def prompts(options: SelfInstructOptions) -> list[str]:
    """Names of the prompt templates that a run uses; their text decides its rows."""
    if options.resolved_method == "original":
        return list(original.PROMPTS)
    if options.resolved_method == "alpaca":
        return ["self_instruct"]
    return ["answer", *(["magpie"] if options.steered else [])] if options.local else ["answer", "one_task"]


def maker(options: SelfInstructOptions, seeds: Sequence[Row], chat: Chat, topic: Callable[[int], str | None]) -> Maker:
    """Return the method of a run."""
    if options.resolved_method == "alpaca":
        return Alpaca(seeds, chat, options, topic)
    if options.resolved_method == "original":
        return Original(seeds, chat, options, topic, options.refusal)
    if not options.local:
        return One(FewShot(seeds, chat, options, topic), chat, options.answer_sampling(), options)
    model = Path(chat.model)

    def turn(said: str | None) -> UserTurn:
        return turn_of_model(model, system_message(options.language, said, options.prompts) if options.steered else None)

    sampling = _limited(options.sampling(), LOCAL_TASK_TOKENS, options)
    asks = BareTurn(chat, turn, sampling, topic, options.seed, first_line=False)
    answers = _limited(options.answer_sampling(), LOCAL_ANSWER_TOKENS, options)
    return One(asks, chat, answers, options)


def _limited(sampling: dict[str, Any], tokens: int, options: SelfInstructOptions) -> dict[str, Any]:
    """Return sampling with the limit of a small model, unless the user gave one or the model need not be small."""
    return sampling if options.max_output_tokens is not None or not options.loadable else {**sampling, "max_tokens": tokens}
