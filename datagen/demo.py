"""The whole road on the embedded models, at a size that fits this machine: a few seconds are measured, then minutes are spent.

Full size is the recipe `quickstart`. A smaller one makes fewer tasks and takes fewer training steps of the same rows per step,
so that rows are kept and the loss falls as well. What was chosen stands in the run folder's recipe: the same command again
measures nothing and goes on with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from datagen import assets
from datagen.errors import UsageError
from datagen.models.names import EMBEDDED
from datagen.recipe import Recipe, load
from datagen.work import Progress

RECIPE = "quickstart"
MINUTES = 4.0  # that it may take unless told otherwise
# Per row of the demo, as counted in runs of it with seed 17 (a row that is kept costs tokens of others that were not).
MADE_TOKENS = 330  # completion tokens per row that was asked for
ROW_TOKENS = 115  # of a row that is trained on, template included
REST_S = 25.0  # imports, weights, filter, mixture and report, on a machine of REST_RATE; slower machines take longer
REST_RATE = 40.0  # training tokens per second
LEAST_N, LEAST_STEPS = 12, 8  # below this nothing is seen
SMALL = 0.5  # of the full size: below this a step takes half as many rows
PROBE_TOKENS, PROBE_REQUESTS = 32, 8  # of the measured generation
PROBE_ROWS, PROBE_STEPS = 2, 2  # of the measured training: its second step


@dataclass(frozen=True)
class Speed:
    """What this machine does in a second: tokens that the embedded model writes, and tokens that it is trained on."""

    written: float
    trained: float


class Size(NamedTuple):
    """How many tasks are made, how many steps of how many rows are trained, and about how many seconds that takes."""

    n: int
    steps: int
    batch_size: int
    seconds: float = 0.0

    def taking(self, speed: Speed) -> Size:
        """Return the same size with the seconds that it takes at a speed."""
        work = self.n * MADE_TOKENS / speed.written + self.steps * self.batch_size * ROW_TOKENS / speed.trained
        return self._replace(seconds=work + REST_S * max(1.0, REST_RATE / speed.trained))


def begun(out: Path) -> Recipe | None:
    """Return the recipe of a demo that a folder holds, finished or not; None where it holds no run.

    Raises:
        UsageError: it holds another run, or is a file.
    """
    if out.is_file():
        raise UsageError(f"{out} is a file; -o names a folder")
    if not (path := out / "recipe.yaml").is_file():
        return None
    found, ours = load(path), load(Path(RECIPE))
    if [s.kind for s in found.steps] != [s.kind for s in ours.steps] or found.steps[0].options.model != EMBEDDED:
        raise UsageError(f"{out} holds another run; give -o a folder of its own")
    return found


def measured(progress: Progress) -> Speed:
    """Measure this machine for some seconds, one thing after the other, so that neither computes beside the other.

    Where the weights are not converted yet, that is done first.

    Raises:
        ModelError: the embedded model cannot be had.
    """
    progress.step("measuring this machine: writing", None, "")
    written = _written_per_second()
    progress.step("measuring this machine: training", None, "")
    return Speed(written, _trained_per_second())


def size(speed: Speed, seconds: float) -> Size:
    """Return the largest size of the demo that takes about so many seconds here, from the least to the full one."""
    sizes = [_part(k / 40).taking(speed) for k in range(40, 0, -1)]
    return next((s for s in sizes if s.seconds <= seconds), sizes[-1])


@cache
def full_size() -> Size:
    """Return the size of the recipe as it stands."""
    first, *_, last = load(Path(RECIPE)).steps
    return Size(first.options.n, last.options.steps, last.options.batch_size)


def _part(share: float) -> Size:
    full = full_size()
    batch_size = full.batch_size if share >= SMALL else full.batch_size // 2
    return Size(max(LEAST_N, round(share * full.n)), max(LEAST_STEPS, round(share * full.steps)), batch_size)


def recipe(chosen: Size) -> Recipe:
    """Return the recipe at a size: the rows of the mixture shrink with the training, so that each is seen as often."""
    full, rows = full_size(), load(Path(RECIPE)).steps[-2].options.rows
    rows = max(8, round(rows * chosen.steps * chosen.batch_size / (full.steps * full.batch_size)))
    return load(Path(RECIPE), [
        f"self_instruct.n={chosen.n}", f"mix.rows={rows}",
        f"train.steps={chosen.steps}", f"train.batch_size={chosen.batch_size}",
    ])  # fmt: skip


def _written_per_second() -> float:
    """Ask the embedded model for several answers at once, as the demo does."""
    from datagen.serving.embedded import tokens_per_second
    from datagen.serving.servable import servable
    from datagen.serving.served import served

    with served(servable(EMBEDDED)[0]) as endpoint:
        return tokens_per_second(endpoint, PROBE_REQUESTS, PROBE_REQUESTS, PROBE_TOKENS)


def _trained_per_second() -> float:
    """Train two steps of two short rows; the first one warms up."""
    from datagen.formats.read import read
    from datagen.training.loop import train
    from datagen.training.options import TrainOptions

    rows = sorted(read(str(assets.seed_file("en"))), key=lambda row: len(row["instruction"] + row["output"]))[:PROBE_ROWS]
    at: list[float] = []
    done = train(
        rows, TrainOptions(steps=PROBE_STEPS, batch_size=PROBE_ROWS), None, on_step=lambda line: at.append(time.monotonic())
    )
    return done.tokens / done.steps / (at[-1] - at[-2])
