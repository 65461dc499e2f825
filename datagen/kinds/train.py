"""Fine-tune a model on rows: a LoRA adapter, or the whole model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.step import Kind
from datagen.train.options import TrainOptions


@dataclass(frozen=True)
class Train(TrainOptions, Kind):
    """Fine-tune a model on the rows that are left; labels on answers only."""

    doer: ClassVar[str] = "datagen.steps.training:train"
    place: ClassVar[Literal["first", "between", "last"]] = "last"
    once: ClassVar[bool] = True
    leaves: ClassVar[tuple[str, ...]] = ("metrics.jsonl", "adapter", "model")

    eval: str | None = None  # rows to measure the loss on before and after

    @property
    def row_files(self) -> tuple[str, ...]:
        """The rows to measure on."""
        return (self.eval,) if self.eval else ()

    @property
    def trained_from(self) -> str:
        """The base model."""
        return self.model

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """Rows without one teach silence."""
        return "needed"
