"""Add the same tasks and answers in other languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datagen.languages import CODES, code_meant
from datagen.teacher import Teacher


@dataclass(frozen=True)
class Translate(Teacher):
    """Add the same tasks and answers in other languages to rows.

    Source: Chen et al. 2023 (MathOctopus, arXiv 2310.20246).
    """

    lesson_at: ClassVar[str] = "datagen.teach.translate:Translating"

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

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return ("translate_row",)
