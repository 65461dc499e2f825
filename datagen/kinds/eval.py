"""Measure what models are worth on tasks: losses, choices, answers, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from datagen import folders
from datagen.chat.judge_options import JudgeOptions
from datagen.chat.options import TRAVEL, ModelOptions
from datagen.models.names import is_local
from datagen.options import between, option
from datagen.step import Kind


@dataclass(frozen=True)
class Eval(ModelOptions, Kind):
    r"""Measure models on the answered rows of TASKS: the first one, and how the others differ from it.

    Of a model that can be loaded here: the loss and the bits per byte of answers, and which of the choices of a question it
    finds likeliest. Of any model, by asking it: whether it comes to the right answer, where that is short or worked (####,
    \boxed), how long its answers are, and whether they end. A task is a source of rows. Each number has its 95 % interval, two
    models are compared item by item; items.parquet in OUT has every item.
    Rows without an answer are dropped: nothing says what would be right.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen eval runs/lora/adapter mmlu.jsonl -o runs/worth --base --items 200",
        "datagen eval gpt-4o-mini sonnet heldout.jsonl -o runs/duel --judge gpt-4o",
    )
    doer: ClassVar[str] = "datagen.steps.evaluating:evaluate"
    place: ClassVar[Literal["first", "between", "last"]] = "last"
    leaves: ClassVar[tuple[str, ...]] = (folders.ITEMS, folders.TASKS)
    goes_on: ClassVar[bool] = True

    beside: tuple[str, ...] = option((), "models that are compared with the first", repeat=True)
    base: bool = option(False, "the base of the first model, an adapter, is measured before it: what tuning gained, and cost")
    measures: tuple[Literal["loss", "choice", "answer", "overlap"], ...] = option(
        ("loss", "choice", "answer"),
        "loss and choice need the weights of a model; answer asks it; overlap asks about long answers too: BLEU, chrF, ROUGE-L",
    )
    items: int | None = option(None, "of each task, drawn by the seed; off = all")
    shots: int = option(0, "solved examples before each item, other rows of its task, which are not measured")
    choices: Literal["labels", "texts"] = option(
        "labels", "what is scored of a choice: its letter, or its text, without the list"
    )
    lm_eval: bool = option(
        False, "also write the questions with choices as tasks for lm-evaluation-harness, into OUT/lm-eval: the same texts"
    )
    prompt: Literal["plain", "chat"] = option("plain", "of choices: as a text that ends in `Answer:`, or as a chat")
    max_length: int = option(2048, "tokens; a longer item is not scored by its likelihood")
    judge: str | None = option(
        None, "a model that says whether another model answers better than the first, asked in both orders", group="Judge"
    )
    judge_base_url: str | None = option(None, "its endpoint; off = that of the models", group="Judge")
    judge_price_in: float | None = option(None, "dollars per million input tokens; off = the list", group="Judge")
    judge_price_out: float | None = option(None, "dollars per million output tokens", group="Judge")
    rubric: str | None = option(None, "a file with a rubric in the place of the judge's own", group="Judge")
    seed: int = option(17, "of the items and examples that are drawn, and of the intervals")
    device: str = option("auto", "of likelihoods: auto, cpu, cuda, mps")
    temperature: float | None = option(0.0, "0..2; off = the endpoint's default", group="Sampling")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        between("shots", self.shots, 0, 64)
        between("max_length", self.max_length, 8, 2**20)
        between("seed", self.seed, 0, 2**32 - 1)
        if self.items is not None:
            between("items", self.items, 1, 2**31 - 1)
        if not self.measures:
            raise ValueError("measures: name at least one of loss, choice, answer, overlap")
        if twice := next((m for m in self.beside if [self.model, *self.beside].count(m) > 1), None):
            raise ValueError(f"beside: '{twice}' is compared with itself; name each model once")
        if self.base and not _base_of(self.model):
            raise ValueError(f"base: '{self.model}' is no adapter; name the model that it is compared with first")

        if self.judge is not None and not (self.beside or self.base):
            raise ValueError("judge compares two models: name another one, or --base")
        if self.judge is not None and "answer" not in self.measures:
            raise ValueError("judge compares answers: leave --measures out, or name answer among them")
        if self.judge is None and (self.judge_base_url or self.rubric or self.judge_price_in is not None):
            raise ValueError("judge_base_url, judge_price_in and rubric are of a judge: name one with --judge")
        if self.base_url and all(map(is_local, [self.model, *self.beside, *([self.judge] if self.judge else [])])):
            raise ValueError("base_url is of models that are not here, and all that are named are: leave it out")
        _ = self.judging  # what is wrong with its options is said now

    @property
    def others(self) -> bool:
        """Whether other models than the first are asked."""
        return bool(self.beside) or self.judge is not None

    @property
    def judging(self) -> JudgeOptions | None:
        """The options of the judge, under the caps of this step."""
        if self.judge is None:
            return None
        shared = {name: getattr(self, name) for name in TRAVEL if name != "base_url"}
        url = self.judge_base_url or (None if is_local(self.judge) else self.base_url)
        prices = {"price_in": self.judge_price_in, "price_out": self.judge_price_out}
        of_judge = {**shared, **prices, "base_url": url, **({} if self.judge_base_url else _here(self.judge))}
        return JudgeOptions(**of_judge, model=self.judge, rubric=self.rubric, pairs=True)

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """What is right is in the rows."""
        return "needed"

    @property
    def each(self) -> tuple[Eval, ...]:
        """The options of each model, the first one's first; what is here needs no endpoint."""
        before = [_base_of(self.model)] if self.base else []
        names = dict.fromkeys([*before, self.model, *self.beside])
        return tuple(replace(self, model=name, beside=(), base=False, **_NO_JUDGE, **_here(name)) for name in names)


def _here(name: str) -> dict[str, Any]:
    """What of the endpoint and of its prices is not for a model that is here: nothing is billed for it."""
    return dict.fromkeys(("base_url", "budget_usd", "price_in", "price_out")) if is_local(name) else {}


_NO_JUDGE: dict[str, Any] = dict.fromkeys(("judge", "judge_base_url", "judge_price_in", "judge_price_out", "rubric"))


def _base_of(model: str) -> str:
    from datagen.models.adapter import base_of

    return base_of(model)
