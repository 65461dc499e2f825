"""The options of the stage `judge`: the command of its name is made of these alone, without the stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.answers.expected import HIGHEST
from datagen.chat.options import ModelOptions
from datagen.options import between, option


@dataclass(frozen=True)
class JudgeOptions(ModelOptions):
    """Score rows by a rubric with a model: columns judge_score, judge_reason, judge_error.

    Nothing is dropped without --min-score, and a row that got no score is never taken for a bad one. The scores are kept:
    `datagen filter -o OUT --set judge.min_score=4` decides again without asking.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen judge rows.jsonl -o runs/judged --min-score 4",
        "datagen judge rows.jsonl -o runs/judged --rubric rubric.txt --estimate",
    )

    prompt: str = option("judge", "judge: the answer to the task; self_curation: Humpback's, of an instruction made for a text")
    rubric: str | None = option(None, "a file with a rubric in the place of the prompt's own")
    low: int = option(1, "lowest score")
    high: int = option(5, "highest score")
    samples: int = option(1, "answers whose mean counts, where there are no probabilities")
    probabilities: Literal["auto", "on", "off"] = option(
        "auto", "auto asks for them once, and goes without where there are none"
    )
    language: Literal["auto", "en", "zh", "th"] = option(
        "auto", "of the prompt; auto = of each row, where it is en, zh or th, else en", group="Sampling"
    )
    temperature: float | None = option(0.0, "0..2; off = the endpoint's default", group="Sampling")
    pairs: bool = option(False, "compare the first two candidates")
    min_score: float | None = option(None, "off = drop nothing")
    stall: int = option(100, "rows in a row that an endpoint gives no score before the stage stops", group="Pace")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(f"low and high must be 0 to 100, low below high, not {self.low} and {self.high}")
        if self.loadable and self.high > HIGHEST:
            raise ValueError("a local model's score is read from the probability of one digit: high must be 9 or less")
        if self.stall < 1:
            raise ValueError(f"stall must be 1 or more, not {self.stall}")
        if not 1 <= self.samples <= 256:
            raise ValueError(f"samples must be 1 to 256, not {self.samples}")
        if self.high > HIGHEST and self.probabilities == "on":
            raise ValueError("the probability of a score is that of one digit: with probabilities=on high must be 9 or less")
        if (self.low, self.high) != (1, 5) and not self.rubric and not self.prompts and not self.pairs:
            raise ValueError(
                "the prompts' own rubric is from 1 to 5: with other scores give rubric=FILE, which says what each is"
            )
        if self.samples > 1 and self.temperature == 0 and not self.loadable:
            raise ValueError("several samples need a temperature above 0, or all of them are the same")
        if self.min_score is not None:
            between("min_score", self.min_score, *((0, 1) if self.pairs else (self.low, self.high)))
        if self.language != "auto":
            self.check_language(self.language)
