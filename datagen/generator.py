"""What every generator is: a step that makes rows by asking a model, until it has as many as were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from datagen.chat.options import ModelOptions
from datagen.options import between, option
from datagen.step import Kind, loaded

ItemRule = Literal["length", "punctuation", "keywords", "program", "ascii"]
ITEM_RULES: tuple[str, ...] = get_args(ItemRule)


@dataclass(frozen=True)
class Generator(ModelOptions, Kind):
    """What every generator is: its options, and the method that it makes rows by."""

    doer: ClassVar[str] = "datagen.steps.generating:generate"
    place: ClassVar[Literal["first", "between", "last"]] = "first"
    command: ClassVar[bool] = True
    lead: ClassVar[str] = ""
    goes_on: ClassVar[bool] = True  # a larger n, or another cap, goes on from the answers in the journal
    method_at: ClassVar[str] = ""  # `module:function` of its method, for `maker`

    n: int = option(100, "rows to keep")
    language: Literal["en", "zh", "th"] = option("en", "of prompts, seed tasks and results")
    seeds: str | None = option(None, "seed tasks; off = those that come with datagen")
    threshold: float = option(0.7, "ROUGE-L F1 with a seed or a kept task, above which a task is not new", group="Tasks")
    answer_temperature: float | None = option(
        0.3, "where an answer is asked for by itself; off = the endpoint's default", group="Sampling"
    )
    topics: str | None = option(None, "a file of topics that the requests go through, or default: those that come with datagen")
    subtopics: int = option(0, "sub-topics that the model names for each topic that has none", group="Tasks")
    rules: tuple[str, ...] = option(
        ("length", "punctuation"), "item rules of Alpaca: length, punctuation, keywords, program, ascii", group="Tasks"
    )
    window: int = option(16, "requests under way at most, and how far back a request sees the kept rows", group="Tasks")
    stall: int = option(100, "requests in a row that keep nothing before the run stops", group="Tasks")
    seed: int = option(17, "which examples a prompt shows", group="Tasks")

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
        wrong = [r for r in self.rules if r not in (*ITEM_RULES, "", "off", "alpaca")]
        if wrong:
            raise ValueError(f"there is no rule '{wrong[0]}'; rules are {', '.join(ITEM_RULES)}, alpaca (all of them) or off")
        self.check_language(self.language)

    @property
    def item_rules(self) -> tuple[str, ...]:
        """The item rules that are asked for."""
        return ITEM_RULES if "alpaca" in self.rules else tuple(r for r in self.rules if r in ITEM_RULES)

    @property
    def row_files(self) -> tuple[str, ...]:
        """The seed tasks that are named."""
        return (self.seeds,) if self.seeds else ()

    @property
    def seed_file(self) -> str | None:
        """The file of its seed tasks; None where it takes none."""
        return self.seeds

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that a run uses; their text decides its rows."""
        return ()

    def check_seeds(self, seeds: Sequence[Mapping[str, Any]]) -> None:
        """Raise UsageError where these seed tasks are not enough."""

    def maker(self, seeds: Sequence[Mapping[str, Any]], chat: Any, topic: Callable[[int], str | None]) -> Any:
        """Return its method at work, a `generate.loop.Maker`.

        Args:
            seeds: seed tasks as rows.
            chat: the model, a `chat.client.Chat`.
            topic: what a request by its index is to be about, or None.
        """
        return loaded(self.method_at or self.lacks("maker", "method_at"))(self, seeds, chat, topic)

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
