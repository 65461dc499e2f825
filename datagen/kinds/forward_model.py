"""Tune a model on rows by people and on well-judged ones: the judge of the next round (Humpback)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from datagen.chat.options import ENGLISH_ONLY, not_english
from datagen.errors import UsageError
from datagen.models.names import EMBEDDED
from datagen.options import option
from datagen.step import Kind
from datagen.text.row_language import languages_of
from datagen.training.options import TrainOptions


@dataclass(frozen=True)
class ForwardModel(TrainOptions, Kind):
    """Tune a model on rows by people and on those that a judge thought well of; it judges the next round (Humpback)."""

    version: ClassVar[int] = 3  # token trees, batches without a short one, a warmup below the peak
    doer: ClassVar[str] = "datagen.steps.forward_model:forward_model"
    makes_model: ClassVar[str] = "judge"

    seeds: str | None = option(None, "rows by people")
    min_score: float = option(4.0, "judge_score of the rows that it sees")

    @property
    def row_files(self) -> tuple[str, ...]:
        """The rows by people."""
        return (self.seeds,) if self.seeds else ()

    @property
    def trained_from(self) -> str:
        """The base model."""
        return self.model

    def check_passages(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """Raise UsageError where its model does not read the language of the passages."""
        if self.model == EMBEDDED and (told := not_english(languages_of(rows))):
            raise UsageError(f"'{name}': {ENGLISH_ONLY}, and {told}; name another one with --tune-model, or --rounds 1")
