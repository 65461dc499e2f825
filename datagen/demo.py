"""The whole road on the embedded models, at a size that fits this machine: a few seconds are measured, then minutes are spent.

Full size is the recipe `quickstart`. A smaller one makes fewer tasks and takes fewer training steps of the same rows per step,
so that rows are kept and the loss falls as well. What was chosen stands in the run folder's recipe: the same command again
measures nothing and goes on with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from datagen import assets
from datagen.recipe import Recipe, load

RECIPE = "quickstart"
# Per row of the demo, as counted in runs of it with seed 17 (a row that is kept costs tokens of others that were not).
MADE_TOKENS = 330  # completion tokens per row that was asked for
ROW_TOKENS = 115  # of a row that is trained on, template included
REST_S = 25.0  # imports, weights, filter, mixture and report, on a machine of REST_RATE; slower machines take longer
REST_RATE = 40.0  # training tokens per second
LEAST_N, LEAST_STEPS = 12, 6  # below this nothing is seen
PROBE_TOKENS, PROBE_REQUESTS = 32, 8  # of the measured generation
PROBE_ROWS, PROBE_STEPS = 2, 2  # of the measured training: its second step


@dataclass(frozen=True)
class Speed:
    """What this machine does in a second: tokens that the embedded model writes, and tokens that it is trained on."""

    written: float
    trained: float


@dataclass(frozen=True)
class Size:
    """How many tasks are made and how many steps are trained, and about how many seconds that takes."""

    n: int
    steps: int
    seconds: float


def measured() -> Speed:
    """Measure this machine for some seconds: one after the other, so that neither computes beside the other.

    Raises:
        ModelError: the embedded model cannot be had.
    """
    return Speed(_written_per_second(), _trained_per_second())


def size(speed: Speed, seconds: float) -> Size:
    """Return the largest size of the demo that takes about so many seconds here, from the least to the full one."""
    full = full_size()
    shares = [k / 40 for k in range(40, 0, -1)]
    for share in shares:
        found = _size(speed, max(LEAST_N, round(share * full.n)), max(LEAST_STEPS, round(share * full.steps)))
        if found.seconds <= seconds or share == shares[-1]:
            return found
    raise AssertionError("the last share is returned")


def full_size(speed: Speed | None = None) -> Size:
    """Return the size of the recipe as it stands, with its seconds where a speed is given."""
    made = load(Path(RECIPE))
    n, steps = made.steps[0].options.n, made.steps[-1].options.steps
    return _size(speed, n, steps) if speed else Size(n, steps, 0.0)


def recipe(chosen: Size) -> Recipe:
    """Return the recipe at a size: the rows of the mixture shrink with the steps, so that each is seen as often."""
    made = load(Path(RECIPE))
    full, rows = made.steps[-1].options.steps, made.steps[-2].options.rows
    return load(Path(RECIPE), [
        f"self_instruct.n={chosen.n}", f"train.steps={chosen.steps}", f"mix.rows={max(8, round(rows * chosen.steps / full))}",
    ])  # fmt: skip


def _size(speed: Speed, n: int, steps: int) -> Size:
    batch = load(Path(RECIPE)).steps[-1].options.batch_size
    work = n * MADE_TOKENS / speed.written + steps * batch * ROW_TOKENS / speed.trained
    return Size(n, steps, work + REST_S * max(1.0, REST_RATE / speed.trained))


def _written_per_second() -> float:
    """Ask the embedded model for several answers at once, as the demo does."""
    from datagen.models.adapter import servable
    from datagen.models.embedded import tokens_per_second
    from datagen.models.options import EMBEDDED
    from datagen.models.served import served

    with served(servable(EMBEDDED)[0]) as endpoint:
        return tokens_per_second(endpoint, PROBE_REQUESTS, PROBE_REQUESTS, PROBE_TOKENS)


def _trained_per_second() -> float:
    """Train two steps of two short rows; the first one warms up."""
    from datagen.formats.read import read
    from datagen.train.loop import train
    from datagen.train.options import TrainOptions

    rows = sorted(read(str(assets.seed_file("en"))), key=lambda row: len(row["instruction"] + row["output"]))[:PROBE_ROWS]
    at: list[float] = []
    done = train(
        rows, TrainOptions(steps=PROBE_STEPS, batch_size=PROBE_ROWS), None, on_step=lambda line: at.append(time.monotonic())
    )
    return done.tokens / done.steps / (at[-1] - at[-2])
