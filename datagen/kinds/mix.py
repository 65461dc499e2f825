"""Mix sources by T5's rules, or search the mixture with small proxies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from datagen.options import between, option
from datagen.step import Kind

Method = Literal["proportional", "temperature", "equal", "weights"]


@dataclass(frozen=True)
class Mix(Kind):
    """Mix sources NAME=PATH (repeat a NAME for more paths) by T5's rules, or by a grid of proxies.

    A source asked for more rows than it has repeats evenly, and the number of epochs is said. A larger --rows contains the
    smaller. Duplicates are dropped within a source only. In a recipe a source may be {from: STEP}.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen mix mine=runs/clean dolly=dolly.jsonl -o runs/mix --method temperature",
        "datagen mix a=a.jsonl b=b.jsonl -o runs/grid --grid",
    )
    command: ClassVar[bool] = True
    lead: ClassVar[str] = "sources"
    doer: ClassVar[str] = "datagen.steps.mixing:mix"
    once: ClassVar[bool] = True
    leaves: ClassVar[tuple[str, ...]] = ("mix.json",)
    starts: ClassVar[bool] = True

    sources: dict[str, Any] = option(factory=dict, meaning="name -> path, list of paths, or {from: STEP}")
    method: Method = option("proportional", "proportional to size, temperature, equal, or weights")
    temperature: float = option(2.0, "T of the method `temperature`: share ~ min(rows, cap) ** (1 / T)")
    cap: int | None = option(None, "rows; a larger source counts as this many (T5's K); off = no limit")
    rows: int | None = option(None, "rows of the mixture, repeats counted; off = as many as the sources hold")
    weights: dict[str, str | float] = option(factory=dict, meaning="name -> weight, of the method `weights`")
    systems: dict[str, str] = option(factory=dict, meaning="name -> system line of its rows that have none, as a tag")
    seed: int = option(17, "which rows are taken")
    grid: bool = option(False, "search the mixture with small trained proxies", group="Grid")
    levels: tuple[str, ...] = option(("1", "1/2", "1/4"), "grid: shares of a source's own rows", group="Grid")
    eval: str | None = option(None, "grid: rows to measure the loss on; off = held out of each source", group="Grid")
    steps: int = option(30, "grid: optimiser steps of each proxy", group="Grid")
    model: str = option("smollm2", "grid: base model of the proxies", group="Grid")
    max_proxies: int = option(24, "grid: the most mixtures that are trained without asking", group="Grid")

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("needs sources, such as NAME=PATH")
        self._check_sources()
        between("temperature", self.temperature, 1, float("inf"))
        for name, value in (("cap", self.cap), ("rows", self.rows), ("steps", self.steps), ("max_proxies", self.max_proxies)):
            if value is not None and not 1 <= value < 2**31:
                raise ValueError(f"{name} must be 1 or more and below {2**31:,}, not {value}")
        between("seed", self.seed, 0, 2**63)
        if (self.method == "weights") != bool(self.weights):
            raise ValueError("the method 'weights' and the option weights go together, such as weights a=1,b=0.5")
        if self.grid and (self.method != "proportional" or self.cap is not None):
            raise ValueError("with grid the proxies choose the weights; leave out method, weights and cap")
        self._check_weights()
        self.level_values()

    def _check_sources(self) -> None:
        for name, value in self.sources.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"the name of a source is a text, not {name!r}; put it in quotes")
            paths = value if isinstance(value, (list, tuple)) else [value]
            taken = isinstance(value, dict) and list(value) == ["from"]
            if not taken and not (paths and all(isinstance(p, str) for p in paths)):
                raise ValueError(f"the source '{name}': expected a path, a list of paths or {{from: STEP}}, not {value}")

    @property
    def takes_from(self) -> tuple[str, ...]:
        """The steps whose rows are sources."""
        return tuple(v["from"] for v in self.sources.values() if isinstance(v, dict))

    @property
    def source_paths(self) -> dict[str, list[str]]:
        """The paths of each source that is read from files."""
        found = {n: [v] if isinstance(v, str) else v for n, v in self.sources.items() if not isinstance(v, dict)}
        return {n: list(paths) for n, paths in found.items()}

    @property
    def row_files(self) -> tuple[str, ...]:
        """The files of the sources, and those to measure on."""
        return (*(p for named in self.source_paths.values() for p in named), *((self.eval,) if self.eval else ()))

    @property
    def trained_from(self) -> str:
        """The base model of the proxies."""
        return self.model if self.grid else ""

    def _check_weights(self) -> None:
        if strange := set(self.systems) - set(self.sources):
            raise ValueError(f"systems names '{min(strange)}', which is not a source; sources: {', '.join(self.sources)}")
        unknown = set(self.weights) - set(self.sources)
        if unknown:
            raise ValueError(f"weights names '{min(unknown)}', which is not a source; sources: {', '.join(self.sources)}")
        if self.weights and len(self.weights) < len(self.sources):
            raise ValueError(
                f"weights misses the source '{min(set(self.sources) - set(self.weights))}'; give 0 to leave it out"
            )
        for name, weight in self.weights.items():
            try:
                number = float(weight)
            except (TypeError, ValueError):
                number = -1.0
            if not 0 <= number < float("inf"):
                raise ValueError(f"the weight of '{name}' must be a number of 0 or more, not {weight}")
        if self.weights and not any(float(w) for w in self.weights.values()):
            raise ValueError("all weights are 0; give at least one source a weight")

    def level_values(self) -> list[float]:
        """The grid's levels as numbers in (0, 1]; raises ValueError for one that is not."""
        found = []
        for level in self.levels:
            over, _, under = str(level).partition("/")
            try:
                value = float(over) / float(under or 1)
            except (ValueError, ZeroDivisionError):
                value = -1.0
            if not 0 < value <= 1:
                raise ValueError(f"levels: '{level}' is not a share such as 1/2 or 0.25")
            found.append(value)
        return found
