"""An earlier run beside which new rows are judged, so that both together are as if they had been judged at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen import options as option_fields
from datagen import recipe as recipes
from datagen.data.dataset import read_column
from datagen.data.shards import read_all, read_json, read_table
from datagen.errors import DataError, UsageError
from datagen.stage import ERROR, Reference

if TYPE_CHECKING:
    from datagen.recipe import Recipe, Step


@dataclass(frozen=True)
class Earlier:
    """A finished run of the same stages."""

    folder: Path
    recipe: Recipe
    fingerprint: str

    def _step(self, position: int) -> Path:
        return self.folder / f"{position:02d}-{self.recipe.steps[position - 1].name if position else 'input'}"

    def _position(self, step: Step) -> int:
        return [s.name for s in self.recipe.steps].index(step.name) + 1

    def _base(self, position: int) -> int:
        """The position of the step whose rows the step at a position gets: the last that rewrote them, or the input."""
        return max((p for p in range(1, position) if self.recipe.steps[p - 1].options.rewrites), default=0)

    @cached_property
    def input_ids(self) -> list[str]:
        """The ids of the rows that it read."""
        found: list[str] = read_all(self._step(0) / "rows", ["id"]).column("id").to_pylist()
        return found

    def ids(self, step: Step) -> list[str]:
        """The ids of the rows that a step that rewrites made."""
        found: list[str] = read_all(self._step(self._position(step)) / "rows", ["id"]).column("id").to_pylist()
        return found

    def reference(self, step: Step) -> Reference:
        """Return the scores and ids of the rows that a stage kept.

        Raises:
            UsageError: they were made by another version of the stage.
        """
        position = self._position(step)
        folder, base = self._step(position), self._base(position)
        if (read_json(folder / "scores" / "_mark.json") or {}).get("version") != step.options.version:
            raise UsageError(f"--against {self.folder} was made by another version of '{step.name}'; run its command again")
        ids = read_all(self._step(base) / "rows", ["id"]).column("id").combine_chunks()
        alive: npt.NDArray[np.bool_] = np.ones(len(ids), bool)
        for at in range(base + 1, position + 1):
            alive[read_table(self._step(at) / "verdict.parquet", ["row"]).column("row").to_numpy()] = False
        kept = pa.array(alive)
        return Reference(read_column(folder / "scores").drop_columns([ERROR]).filter(kept), ids.filter(kept))


def opened(recipe: Recipe, out: Path) -> list[Earlier]:
    """Return the runs that a recipe is judged against, the oldest first: the one that it names, and those it was made against.

    Raises:
        DataError: one is not a finished run.
        UsageError: one has other stages, or a stage that must look back, or is the run `out` itself.
    """
    found: list[Earlier] = []
    path, expected = recipe.against, None
    while path:
        folder = Path(path)
        summary = read_json(folder / "run.json")
        if summary is None or not (folder / "00-input" / "rows").is_dir():
            raise DataError(f"--against {folder}: not a finished run of filter; run its command again to complete it")
        for name, mark in summary.get("marks", {}).items():
            if (read_json(folder / name / "_done.json") or {}).get("fingerprint") != mark:
                raise DataError(
                    f"--against {folder}: another command has begun to change its step {name}; run its own command again, with"
                    f" --recipe {folder}/recipe.yaml"
                )
        if expected not in (None, summary["fingerprint"]):
            raise DataError(
                f"--against {found[-1].folder}: it was judged against {folder}, which has changed since; run its command again,"
                f" with --recipe {found[-1].folder}/recipe.yaml"
            )
        expected = summary.get("against_fingerprint")
        earlier = Earlier(folder, recipes.load(folder / "recipe.yaml"), summary["fingerprint"])
        _check(recipe, earlier)
        if folder.resolve() == out.resolve():
            raise UsageError(f"--against: {out} is itself what the rows would be judged against; give another -o")
        found.append(earlier)
        path = summary.get("against")  # as it lies, wherever this command is run; the recipe has it as it was written
        if any(e.folder.resolve() == Path(path or "/").resolve() for e in found):
            raise UsageError(f"--against {folder} was made against itself")
    return found[::-1]


def _check(recipe: Recipe, earlier: Earlier) -> None:
    for step in recipe.steps:
        if not step.options.incremental:
            raise UsageError(f"--against works with stages that need no look back, and '{step.name}', as it is set, does")
    theirs = earlier.recipe.steps
    if [s.name for s in theirs] != [s.name for s in recipe.steps]:
        names = ", ".join(s.name for s in theirs)
        raise UsageError(f"--against {earlier.folder} has other stages: {names}; give the same with --stage")
    for mine, their in zip(recipe.steps, theirs, strict=True):
        ours, old = option_fields.values(mine.options), option_fields.values(their.options)
        if different := [name for name in ours if ours[name] != old.get(name)]:
            name = different[0]
            raise UsageError(
                f"--against {earlier.folder}: there, {mine.name}.{name} is"
                f" {option_fields.shown(old.get(name))}, here {option_fields.shown(ours[name])};"
                " both runs need the same"
            )
