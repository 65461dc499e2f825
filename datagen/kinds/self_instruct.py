"""Make new tasks and answers from seed tasks with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from datagen import assets
from datagen.errors import UsageError
from datagen.generator import Generator
from datagen.options import option

ORIGINAL_PROMPTS = ("original_tasks", "original_classify", "original_input_first", "original_output_first")


@dataclass(frozen=True)
class SelfInstruct(Generator):
    """Make exactly N new rows from seed tasks with a model; a task is kept only when it is new by ROUGE-L.

    alpaca: several tasks with their answers per completion. original: tasks, then whether each is a classification, then its
    instances. one: a single task, then its answer. Every answer is on disk in OUT/journal.sqlite before it is read; the same
    command again buys none of them twice. A cap is passed only where the endpoint bills more than it was asked for: that ends
    the run with exit code 5, and what is in flight then is still paid.

    Source: Wang et al. 2023 (Self-Instruct) and Stanford Alpaca.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen self-instruct -n 20 -o runs/try-it",
        "datagen self-instruct -n 5000 -o runs/new --model gpt-4o-mini --estimate",
        "datagen self-instruct -n 5000 -o runs/new --model gpt-4o-mini --budget-usd 5",
    )
    method_at: ClassVar[str] = "datagen.generate.self_instruct:maker"

    method: Literal["auto", "one", "alpaca", "original"] = option("auto", "auto: one for a local model, alpaca for an endpoint")
    examples: int | None = option(None, "human tasks shown per prompt; off = 3, or 6 of the method original", group="Tasks")
    machine_examples: int | None = option(
        None, "tasks of the run shown per prompt; off = none, or 2 of the method original", group="Tasks"
    )
    tasks: int | None = option(None, "tasks asked for per prompt; off = 5, or 8 of the method original", group="Tasks")
    max_instances: int = option(5, "rows that one task may become (original)", group="Tasks")

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

    @property
    def seed_file(self) -> str | None:
        """The file of its seed tasks: those that come along where none is named."""
        return self.seeds or str(assets.seed_file(self.language))

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that a run uses."""
        if self.resolved_method == "original":
            return ORIGINAL_PROMPTS
        if self.resolved_method == "alpaca":
            return ("self_instruct",)
        return ("answer", *(("magpie",) if self.steered else ())) if self.local else ("answer", "one_task")

    def check_seeds(self, seeds: Sequence[Mapping[str, Any]]) -> None:
        """Raise UsageError where these seed tasks are not enough."""
        if not seeds:
            raise UsageError("self_instruct needs at least one seed task; check --seeds")
        if self.examples and self.examples > len(seeds):
            raise UsageError(
                f"examples is {self.examples}, but there are {len(seeds)} seed tasks; give --seeds with more, or fewer examples"
            )
