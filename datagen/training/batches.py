"""From rows to global batches: which row comes when is a pure function of (seed, epoch, row ids).

Nothing here draws from a random generator, so a resumed run sees exactly the batches of an unbroken one.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from datagen.errors import DataError
from datagen.render.labels import IGNORED


@dataclass(frozen=True)
class Sample:
    """A text of a row, ready to train on; `labels` are unshifted, -100 without loss; `weights` is None when all weigh 1.

    Most rows have one text; where the template rewrites earlier turns, each answer has one, with a `part` of its own.
    """

    id: str
    source: str
    repeat: int
    input_ids: list[int]
    labels: list[int]
    weights: list[float] | None
    part: int = 0  # which of the texts of its row
    rejected: Sample | None = None  # the text with the worse answer, where two are compared
    reference: float | None = None  # log-probability of its labels before the first step, where two are compared

    @cached_property
    def label_tokens(self) -> int:
        """Number of tokens that carry loss."""
        return sum(label != IGNORED for label in self.labels)

    @property
    def texts(self) -> tuple[Sample, ...]:
        """What goes through a model: itself, and the text that it is compared with."""
        return (self, self.rejected) if self.rejected else (self,)

    @cached_property
    def label_weight(self) -> float:
        """Sum of the weights of the tokens that carry loss; equals `label_tokens` without weights."""
        return float(self.label_tokens) if self.weights is None else sum(self.weights)


def epoch_order(samples: Sequence[Sample], seed: int, epoch: int) -> list[int]:
    """Return the order of one epoch: indices into samples, each as often as its `repeat`, globally shuffled.

    Samples are sorted by a hash of (seed, epoch, row id, copy, part). Two sets that share rows see these in the same relative
    order, which makes runs on different mixtures comparable (common random numbers). Rows of one id are copies of each other.
    """
    keyed = []
    copies: Counter[tuple[str, int]] = Counter()
    for index, sample in enumerate(samples):
        for _ in range(sample.repeat):
            copy = copies[sample.id, sample.part]
            copies[sample.id, sample.part] += 1
            name = f"{seed}\0{epoch}\0{sample.id}\0{copy}" + (f"\0{sample.part}" if sample.part else "")
            keyed.append((hashlib.blake2b(name.encode(), digest_size=16).digest(), index))
    keyed.sort()
    return [index for _, index in keyed]


def _growing(batch_size: int, steps: int, share: float) -> list[int]:
    """Return the size of each batch of a run whose batches grow evenly in a share of its steps."""
    rising = math.ceil(share * steps)
    return [max(1, batch_size * (step + 1) // (rising + 1)) if step < rising else batch_size for step in range(steps)]


class Plan:
    """Which samples each optimiser step sees: a function of its arguments alone.

    The epochs lie one behind the other: what does not fill a batch goes on with the next epoch. Where the passes do not come
    out even, the batches are evenly smaller, for a last one of few samples would move the model as far as a whole one.

    Args:
        samples: each is seen `repeat` times per epoch.
        batch_size: samples per step, at most.
        steps: number of steps; None: as many as `epochs` passes need.
        warmup: share of the steps in which the batches grow.
    """

    def __init__(
        self, samples: Sequence[Sample], seed: int, batch_size: int, steps: int | None = None, epochs: float = 1.0,
        warmup: float = 0.0,
    ) -> None:  # fmt: skip
        self.samples, self.seed = samples, seed
        self.per_epoch = sum(s.repeat for s in samples)
        batch_size = min(batch_size, self.per_epoch)  # few rows are not shown several times at once
        # 0.1 * 30 is a little above 3
        self.seen = steps * batch_size if steps else max(1, math.ceil(epochs * self.per_epoch - 1e-9))
        self.steps = steps or math.ceil(self.seen / batch_size)
        self._ends: list[int] = []  # of growing batches: samples seen after each step
        if warmup:
            if not steps:
                # A batch has a row at least: as many steps as rows are enough.
                enough = range(self.steps, self.seen + 1)
                self.steps = enough[bisect_left(enough, self.seen, key=lambda n: sum(_growing(batch_size, n, warmup)))]
            self._ends = [*accumulate(_growing(batch_size, self.steps, warmup))]
        self._orders: dict[int, list[int]] = {}

    def batch(self, step: int) -> list[Sample]:
        """Return the global batch of a step (0-based)."""
        if self._ends:
            places = range(self._ends[step - 1] if step else 0, self._ends[step])
        else:
            places = range(step * self.seen // self.steps, (step + 1) * self.seen // self.steps)
        return [self.samples[self._order(at // self.per_epoch)[at % self.per_epoch]] for at in places]

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            self._orders = {e: order for e, order in self._orders.items() if e == epoch - 1}
            self._orders[epoch] = epoch_order(self.samples, self.seed, epoch)
        return self._orders[epoch]


class Course:
    """The steps of a run: one plan, or several whose texts grow longer, one after the other.

    Args:
        stages: of each the plan of its batches, and the learning rate of its steps: (step, steps) → rate.
    """

    def __init__(self, stages: Sequence[tuple[Plan, Callable[[int, int], float]]]) -> None:
        self._stages = stages
        self._ends = [*accumulate(plan.steps for plan, _ in stages)]
        self.steps = self._ends[-1]

    def _stage(self, step: int) -> tuple[int, int]:
        """Return the stage of a step, and which of its steps it is."""
        at = bisect_right(self._ends, step)
        return at, step - (self._ends[at - 1] if at else 0)

    def batch(self, step: int) -> list[Sample]:
        """Return the global batch of a step (0-based)."""
        at, inside = self._stage(step)
        return self._stages[at][0].batch(inside)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step (0-based)."""
        at, inside = self._stage(step)
        return self._stages[at][1](inside, self._stages[at][0].steps)


def course_of(
    samples: Sequence[Sample], batch: Callable[[Sequence[Sample], int | None], Plan],
    stages: Sequence[tuple[int, int, Callable[[int, int], float]]],
) -> Course:  # fmt: skip
    """Return the course of growing texts: in each stage the samples that are no longer than its length.

    Args:
        samples: of the whole run.
        batch: samples and steps → their plan.
        stages: tokens of a text at most, steps, and learning rate of each.

    Raises:
        DataError: there is no text as short as the first stage wants it.
    """
    found = []
    for length, steps, rate in stages:
        mine = [s for s in samples if max(len(t.input_ids) for t in s.texts) <= length]
        if not mine:
            raise DataError(f"no text has {length:,} tokens or less, as --lengths wants it")
        found.append((batch(mine, steps), rate))
    return Course(found)
