"""The arms of an ablation: a recipe whole, without each of its quality stages, and the rows that each run of an arm takes."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from datagen.chat.options import ModelOptions
from datagen.data.rows import Row, transcript
from datagen.errors import UsageError
from datagen.recipe import Recipe, Step
from datagen.stage import Stage

WHOLE, RANDOM = "whole", "random"
NEAREST = 8  # rows of about a length, among which one is drawn


def recipes(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipe of each arm: `whole`, `without STEP` for each quality stage, and `random`, which protects alone.

    Raises:
        UsageError: it reads nothing, asks a model that is paid, or has no quality stage.
    """
    steps = [step for step in recipe.steps if step.options.place != "last"]
    if not recipe.input:
        raise UsageError("ablate: the recipe makes its rows; run it once, and give a recipe that reads them as its input")
    for step in steps:
        if isinstance(step.options, ModelOptions) and not step.options.local:
            raise UsageError(
                f"ablate: '{step.name}' asks a model at an endpoint, in every arm again; run it first, as the input"
            )
    left_out = [step for step in steps if is_quality(step)]
    if not left_out:
        raise UsageError("ablate: the recipe has no stage that can be left out; those that protect something stay")
    found = {WHOLE: _of(recipe, steps)}
    found |= {f"without {step.name}": _of(recipe, _without(steps, [step])) for step in left_out}
    return {**found, RANDOM: _of(recipe, _without(steps, left_out))}


def is_quality(step: Step) -> bool:
    """Whether a step drops rows to make the rest better, and protects nothing."""
    return isinstance(step.options, Stage) and not step.options.protects


def _of(recipe: Recipe, steps: Sequence[Step]) -> Recipe:
    return replace(recipe, steps=tuple(steps))


def _without(steps: Sequence[Step], left_out: Sequence[Step]) -> list[Step]:
    """The steps but those that are left out, and those that only make a model for them."""
    rest = [step for step in steps if step not in left_out]
    taken = {step.options.takes_model for step in rest}
    return [step for step in rest if not (step.options.makes_model and step.name not in taken)]


def drawn(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Return so many rows by a seed; of two arms that share rows the same ones are drawn, in the same order."""
    return sorted(rows, key=lambda row: (_draw(row, seed), row["source"]))[:count]


def _draw(row: Row, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{row['id']}".encode(), digest_size=16).digest()


def alike_in_length(rows: Sequence[Row], like: Sequence[Row], seed: int) -> list[Row]:
    """Return random rows, for each of some others one of about its length, none twice.

    Args:
        rows: what is drawn from; at least as many as `like`.
        like: the rows whose lengths are wanted.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    left = sorted(drawn(rows, len(rows), seed), key=length)
    lengths = [length(row) for row in left]
    taken = []
    for one in like:
        middle = bisect_left(lengths, length(one))
        begin = max(0, min(middle - NEAREST // 2, len(left) - NEAREST))
        at = int(rng.integers(begin, min(begin + NEAREST, len(left))))
        taken.append(left.pop(at))
        lengths.pop(at)
    return sorted(taken, key=lambda row: _draw(row, seed))


def length(row: Row) -> int:
    """Characters of all that a row says."""
    return len(transcript(row["messages"])) if row["messages"] else sum(len(row[k]) for k in ("instruction", "input", "output"))


def smallest(pools: Mapping[str, Sequence[Row]]) -> tuple[str, int]:
    """Return the arm with the fewest rows, and how many it has."""
    name = min(pools, key=lambda arm: len(pools[arm]))
    return name, len(pools[name])
