"""The options of `datagen ablate`: its command is made of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datagen.options import between, option


@dataclass(frozen=True)
class AblateOptions:
    """Find out what each stage of RECIPE buys: it is left out once, and what is trained on the rows is compared.

    Every arm (the whole recipe, one without each quality stage, and random rows of equal length) trains on as many rows in as
    many steps, with the same seeds; what is compared is the loss, and with --accuracy the answers, on rows of --eval: others
    than those that are trained on. Stages that protect something (personal data, leaks of benchmarks, safety, test
    rows) stand in every arm. Each difference has its interval over the seeds, all of them together right in 95 of 100 studies,
    and where none is shown, what this budget could see. The same command goes on where it was stopped.
    """

    usage: ClassVar[tuple[str, ...]] = ("datagen ablate recipe.yaml --eval heldout.jsonl -o runs/ablation",)

    eval: tuple[str, ...] = option((), "rows that the trained models are measured on, written by people; needed", repeat=True)
    seeds: int = option(5, "runs of each arm; which rows are drawn and how the adapter begins go by the seed")
    rows: int | None = option(None, "that each run is trained on; off = as many as the smallest arm has")
    steps: int | None = option(None, "of each run; off = one pass over the rows")
    accuracy: int = option(0, "rows of --eval that each trained model is asked too, to count its right answers")
    model: str = option("smollm2", "that is trained; off the recipe's own step `train`, where it has one")
    batch_size: int = option(8, "rows of a step")
    lr: float | None = option(None, "peak learning rate; off = that of the recipe's step `train`, or of the method")
    seed: int = option(17, "the first of the seeds")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        if not self.eval:
            raise ValueError("eval: name rows to measure on, written by people, with --eval FILE")
        between("seeds", self.seeds, 2, 1000)
        between("batch_size", self.batch_size, 1, 4096)
        between("accuracy", self.accuracy, 0, 100_000)
        between("seed", self.seed, 0, 2**31 - 1)
        for name, value in (("rows", self.rows), ("steps", self.steps)):
            if value is not None:
                between(name, value, 1, 2**31 - 1)
