"""The options of every generator: a recipe is read and checked with these alone, no generator is loaded for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from datagen.generate.rules import RULES, Refusal
from datagen.models.options import ModelOptions
from datagen.options import between


@dataclass(frozen=True)
class GeneratorOptions(ModelOptions):
    """Options of a generator."""

    n: int = 100  # rows to keep
    language: Literal["en", "zh", "th"] = "en"  # of prompts, seed tasks and results
    seeds: str | None = None  # seed tasks; off = those that come with datagen
    threshold: float = 0.7  # ROUGE-L F1 with a seed or a kept task, above which a task is not new
    answer_temperature: float | None = 0.3  # where an answer is asked for by itself; off = the endpoint's default
    topics: str | None = None  # a file of topics that the requests go through, or default: those that come with datagen
    subtopics: int = 0  # sub-topics that the model names for each topic that has none
    rules: tuple[str, ...] = ("length", "punctuation")  # item rules of Alpaca: length, punctuation, keywords, program, ascii
    window: int = 16  # requests under way at most, and how far back a request sees the kept rows
    stall: int = 100  # requests in a row that keep nothing before the run stops
    seed: int = 17  # which examples a prompt shows

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        between("threshold", self.threshold, 0, 1, open_high=True)
        if self.answer_temperature is not None:
            between("answer_temperature", self.answer_temperature, 0, 2)
        for name, least in (("n", 1), ("window", 1), ("stall", 1), ("subtopics", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if self.subtopics and not self.topics:
            raise ValueError("subtopics needs topics: a file of them, or default")
        wrong = [r for r in self.rules if r not in (*RULES, "", "off", "alpaca")]
        if wrong:
            raise ValueError(f"there is no rule '{wrong[0]}'; rules are {', '.join(RULES)}, alpaca (all of them) or off")
        self.check_language(self.language)

    @property
    def refusal(self) -> Refusal:
        """The rules as they are asked for."""
        return Refusal(self.language, RULES if "alpaca" in self.rules else tuple(r for r in self.rules if r in RULES))

    @property
    def looks_back(self) -> bool:
        """Whether what is asked depends on the rows kept before."""
        return True

    @property
    def expected(self) -> float:
        """Rows that one request yields, as a first guess."""
        return 0.7

    @property
    def ahead(self) -> int:
        """Requests that may be under way: the window; where nothing looks back, enough that a slow one holds up no other."""
        if self.via == "batch" and not self.looks_back:
            return max(self.n, self.window)
        return self.window if self.looks_back else max(self.window, 2 * self.concurrency)

    def answer_sampling(self) -> dict[str, Any]:
        """The parameters of a request for an answer."""
        temperature = None if self.temperature is None else self.answer_temperature
        return {**self.sampling(), "temperature": temperature}


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


@dataclass(frozen=True)
class MagpieOptions(GeneratorOptions):
    """Options of `magpie`."""

    temperature: float | None = 1.0  # of the tasks
    template: str | None = None  # chatml, llama3, … or a model's folder or GGUF file; off = by the model's name
    system: Literal["auto", "on", "off"] = "auto"  # a message that sets language and topic; auto: where either needs it
    stop: tuple[str, ...] = ()  # more marks that end a task
    first_line: bool = False  # a task ends at its first line break
    max_task_tokens: int = 256  # of a task

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if self.max_task_tokens < 1:
            raise ValueError(f"max_task_tokens must be 1 or more, not {self.max_task_tokens}")
        if self.system == "off" and self.topics:
            raise ValueError("topics reach the model through the system message; leave system on")

    @property
    def steered(self) -> bool:
        """Whether a system message is sent."""
        return self.system == "on" or (self.system == "auto" and (self.language != "en" or self.topics is not None))


OPTIONS: dict[str, type[GeneratorOptions]] = {"self_instruct": SelfInstructOptions, "magpie": MagpieOptions}
