"""Fine-tune a model on rows: a LoRA adapter, or the whole model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import option
from datagen.step import Kind
from datagen.training.options import TrainOptions


@dataclass(frozen=True)
class Train(TrainOptions, Kind):
    """Fine-tune a model on ROWS (a result folder, or anything that can be read); labels on answers only."""

    usage: ClassVar[tuple[str, ...]] = (
        "datagen train runs/clean -o runs/lora --steps 60",
        "datagen train rows.jsonl -o runs/lora --model ./my-model --dry-run",
    )
    command: ClassVar[bool] = True
    version: ClassVar[int] = 3  # token trees, batches without a short one, a warmup below the peak
    doer: ClassVar[str] = "datagen.steps.training:train"
    place: ClassVar[Literal["first", "between", "last"]] = "last"
    once: ClassVar[bool] = True
    leaves: ClassVar[tuple[str, ...]] = ("metrics.jsonl", "steps.parquet", "adapter", "model")

    eval: str | None = option(None, "rows to measure the loss on before and after")

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
        """Rows without one teach silence; plain text is no answer to anything."""
        return "any" if self.objective == "lm" else "needed"
