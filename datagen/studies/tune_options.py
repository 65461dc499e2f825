"""The options of `datagen tune`: its command is made of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import between, option

SEARCHED = ("lr", "lora_r", "batch_size")


@dataclass(frozen=True)
class TuneOptions:
    """Search the learning rate, the rank and the batch by short runs on ROWS, and try the best against the defaults anew.

    Each trial is one pass over the same rows; what it is judged by is the loss on rows that are held out, none of them like one
    that is trained on (`datagen split`), or on --eval. A trial whose training loss lies above the median of the others at the
    same place is ended early. The best settings and the defaults are then trained with other seeds, in pairs: the best of many
    trials is lucky too, and what it gains is what it gains there. Needs the extra `tune` (optuna). It goes on where it stopped.
    """

    usage: ClassVar[tuple[str, ...]] = ("datagen tune runs/clean -o runs/tuned --trials 12 --rows 400",)

    trials: int = option(12, "settings that are tried")
    rows: int = option(400, "of each trial, drawn by the seed")
    eval: str | None = option(None, "rows to measure the loss on; off = a tenth of the rows is held out")
    search: tuple[Literal["lr", "lora_r", "batch_size"], ...] = option(SEARCHED, "what is searched")
    method: Literal["lora", "dora", "full"] = option("lora", "what is trained")
    model: str = option("smollm2", "that is trained")
    confirm: int = option(3, "pairs of runs with other seeds, of the best settings and the defaults")
    seed: int = option(17, "of the rows, the trials and the search")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        between("trials", self.trials, 2, 10_000)
        between("rows", self.rows, 16, 2**31 - 1)
        between("confirm", self.confirm, 2, 1000)
        between("seed", self.seed, 0, 2**31 - 1)
        if not self.search:
            raise ValueError(f"search: name at least one of {', '.join(SEARCHED)}")
        if self.method == "full" and "lora_r" in self.search and len(self.search) == 1:
            raise ValueError("search: the rank is of an adapter, and with method=full there is none")
