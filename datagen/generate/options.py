"""The options that every generator shares, beside those of the model."""

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
