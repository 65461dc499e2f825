"""The options of every teacher: a recipe is read and checked with these alone, no teacher is loaded for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from datagen.languages import CODES, code_meant
from datagen.models.options import ModelOptions
from datagen.options import between

PromptLanguage = Literal["auto", "en", "zh", "th"]
How = Literal["better", "grounded", "chain_of_thought", "step_back", "turns"]
Operation = Literal["constraints", "deepen", "concretize", "reasoning", "complicate_input", "breadth"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
LOW, HIGH = 1, 5  # the scale of prompts/judge


@dataclass(frozen=True)
class TeachOptions(ModelOptions):
    """Options of a teacher."""

    temperature: float | None = 0.7  # off = the endpoint's default
    language: PromptLanguage = "auto"  # of the prompts; auto = of each row, where it is en, zh or th, else en
    stall: int = 100  # rows in a row that the model was asked about in vain before the step stops

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if self.stall < 1:
            raise ValueError(f"stall must be 1 or more, not {self.stall}")
        if self.language != "auto":
            self.check_language(self.language)

    def sampled(self, local_tokens: int) -> dict[str, Any]:
        """The parameters of a request; a small local model's answer ends at so many tokens where no limit is given."""
        found = self.sampling()
        if self.loadable and self.max_output_tokens is None:
            found["max_tokens"] = local_tokens
        return found


@dataclass(frozen=True)
class AnswerOptions(TeachOptions):
    """Options of `answer`."""

    samples: int = 1  # answers per row; all of them are in `candidates`, the best first
    best: Literal["auto", "rule", "agreement", "judge", "first"] = "auto"  # what says which is best; auto: see the README
    min_score: float | None = None  # of the best answer (rule 0..1, agreement 0..1, judge 1..5), below which a row goes
    system: str | None = None  # a system message for rows without one; it is not written into the rows

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if not 1 <= self.samples <= 1024:
            raise ValueError(f"samples must be 1 to 1024, not {self.samples}")
        if self.samples > 1 and self.temperature is not None and self.temperature == 0:
            raise ValueError("several samples need a temperature above 0, or all of them are the same")
        if self.min_score is not None and self.samples == 1 and self.best in ("first", "agreement"):
            raise ValueError("min_score needs best=rule or best=judge, or more samples")
        if self.min_score is not None:
            between("min_score", self.min_score, *((LOW, HIGH) if self.best == "judge" else (0, 1)))


@dataclass(frozen=True)
class BacktranslateOptions(TeachOptions):
    """Options of `backtranslate`."""

    temperature: float | None = 0.0  # one instruction per text: the likeliest (of a small model, twice as often the right one)
    source: str = "backtranslated"  # of the rows: what training can tell them apart by
    seed_rows: str | None = None  # rows written by people, against whose verbs and nouns the new ones are counted


@dataclass(frozen=True)
class RewriteOptions(TeachOptions):
    """Options of `rewrite`."""

    how: How = "better"  # better, grounded (an assistant's words, no fact added), chain_of_thought, step_back, turns


@dataclass(frozen=True)
class EvolveOptions(TeachOptions):
    """Options of `evolve`."""

    temperature: float | None = 1.0  # off = the endpoint's default
    top_p: float | None = 0.95  # off = the endpoint's default
    rounds: int = 1  # each starts from what the one before made
    operations: tuple[Operation, ...] = OPERATIONS  # drawn for each row and round
    answer_temperature: float | None = 0.3  # of the answers to new tasks; off = the endpoint's default
    check_gain: bool = True  # ask whether a new task asks for more than the old one
    seed: int = 17  # which operation a row gets

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if not 1 <= self.rounds <= 20:
            raise ValueError(f"rounds must be 1 to 20, not {self.rounds}")
        wrong = [o for o in self.operations if o not in OPERATIONS]
        if wrong or not self.operations:
            named = f"there is no operation '{wrong[0]}'" if wrong else "operations names none"
            raise ValueError(f"{named}; they are {', '.join(OPERATIONS)}")


@dataclass(frozen=True)
class TranslateOptions(TeachOptions):
    """Options of `translate`."""

    to: tuple[str, ...] = ()  # languages: en, zh, th, ja, …
    temperature: float | None = 0.0  # off = the endpoint's default
    mixed: bool = False  # also rows whose task and answer are in two languages; of conversations none

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        wrong = [code for code in self.to if code not in CODES]
        if wrong or not self.to:
            raise ValueError(
                f"to names no language that is known: {wrong[0]}; known: {', '.join(CODES)}{code_meant(wrong[0])}"
                if wrong
                else "needs to: zh,th"
            )
        for code in self.to:
            self.check_language(code)


OPTIONS: dict[str, type[TeachOptions]] = {
    "answer": AnswerOptions, "backtranslate": BacktranslateOptions, "rewrite": RewriteOptions, "evolve": EvolveOptions,
    "translate": TranslateOptions,
}  # fmt: skip
