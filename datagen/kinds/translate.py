"""Add the same tasks and answers in other languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datagen.options import option
from datagen.teacher import Teacher
from datagen.text.names import CODES, code_meant


@dataclass(frozen=True)
class Translate(Teacher):
    """Add the same tasks and answers in other languages to ROWS, for cross-lingual training.

    Code, formulas and addresses are not shown to the model and come back as they are. A translation that loses or adds a
    number, or is in another language, is asked for once more, then dropped with its reason. `parents` name the row that it
    is of.

    Source: Chen et al. 2023 (MathOctopus, arXiv 2310.20246).
    """

    usage: ClassVar[tuple[str, ...]] = ("datagen translate rows.jsonl -o runs/three --to zh,th --model gpt-4o-mini",)
    lesson_at: ClassVar[str] = "datagen.teaching.translate:Translating"

    to: tuple[str, ...] = option((), "languages: en, zh, th, ja, …")
    temperature: float | None = option(0.0, "0..2; off = the endpoint's default", group="Sampling")
    mixed: bool = option(False, "also rows whose task and answer are in two languages; of conversations none")

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

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return ("translate_row",)
