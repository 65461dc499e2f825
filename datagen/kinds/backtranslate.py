"""Give each text the instruction that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datagen.options import option
from datagen.teacher import Teacher


@dataclass(frozen=True)
class Backtranslate(Teacher):
    """Give each text the instruction that it answers, written by a model.

    Source: Li et al. 2023 (Humpback, arXiv 2308.06259).
    """

    reads_passages: ClassVar[bool] = True
    lesson_at: ClassVar[str] = "datagen.teaching.backtranslate:Backtranslating"

    temperature: float | None = option(
        0.0, "one instruction per text: the likeliest (of a small model, twice as often the right one)", group="Sampling"
    )
    source: str = option("backtranslated", "of the rows: what training can tell them apart by")
    seed_rows: str | None = option(None, "rows written by people, against whose verbs and nouns the new ones are counted")

    @property
    def people(self) -> str | None:
        """The rows by people."""
        return self.seed_rows

    @property
    def row_files(self) -> tuple[str, ...]:
        """The rows by people."""
        return (self.seed_rows,) if self.seed_rows else ()

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return ("backtranslate",)
