"""Train a model on some of the rows, for a stage after it (Cherry's first step)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import option
from datagen.step import Kind
from datagen.training.options import TrainOptions


@dataclass(frozen=True)
class PreExperience(TrainOptions, Kind):
    """Train a model that has seen some of the rows, by which `ifd` then scores all of them; Cherry's word for it."""

    version: ClassVar[int] = 3  # token trees, batches without a short one, a warmup below the peak
    doer: ClassVar[str] = "datagen.steps.pre_experience:pre_experience"
    once: ClassVar[bool] = True
    makes_model: ClassVar[str] = "ifd"

    rows: int = option(1000, "that the model sees")
    sample: Literal["kmeans", "random"] = option("kmeans", "in turn from the clusters of the tasks' embeddings, or drawn")
    clusters: int = option(100, "of k-means")
    embedder: str = option("minilm", "of the tasks: minilm, a folder, or a Hub id")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rows", "clusters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")

    @property
    def trained_from(self) -> str:
        """The base model."""
        return self.model
