"""From rows to padded micro-batches: which row comes when is a pure function of (seed, epoch, row ids).

Nothing here draws from a random generator, so a resumed run sees exactly the batches of an unbroken one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from datagen.data.rows import Row
from datagen.errors import DataError
from datagen.render.labels import IGNORED, encode
from datagen.render.options import Rendering
from datagen.render.template import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

MICRO_TOKENS = 1024  # padded tokens of one forward pass; on 2 cores 1024 is fastest, 4096 half as fast


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

    @cached_property
    def label_tokens(self) -> int:
        """Number of tokens that carry loss."""
        return sum(label != IGNORED for label in self.labels)

    @cached_property
    def label_weight(self) -> float:
        """Sum of the weights of the tokens that carry loss; equals `label_tokens` without weights."""
        return float(self.label_tokens) if self.weights is None else sum(self.weights)


@dataclass(frozen=True)
class Batch:
    """One micro-batch, padded on the right: int64[rows, tokens] twice, and float32[rows, tokens] weights or None."""

    input_ids: Tensor
    labels: Tensor
    weights: Tensor | None


def samples_of(
    rows: Sequence[Row], tokenizer: Tokenizer, max_length: int, how: Rendering | None = None
) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Return the texts of the rows that can be trained on, and (row id, reason) of every other row.

    The reasons are `too_long`, `no_labels`, `repeat_zero`, `control_tokens: …` and `error: …`.

    Args:
        rows: in any order.
        tokenizer: of the model.
        max_length: in tokens; longer rows are left out, never cut.
        how: what of the rows is shown.
    """
    samples, left_out = [], []
    for row in rows:
        try:
            found = encode(row, tokenizer, max_length, how)
        except DataError as error:  # one row that the template refuses must not cost the others their training
            left_out.append((row["id"], f"error: {error}"))
            continue
        reason = found[0].reason or ("repeat_zero" if row["repeat"] < 1 else None)
        if reason:
            left_out.append((row["id"], reason))
        else:
            named = (row["id"], row["source"], row["repeat"])
            samples += [Sample(*named, one.input_ids, one.labels, one.weights, part) for part, one in enumerate(found)]
    return samples, left_out


def epoch_order(samples: Sequence[Sample], seed: int, epoch: int) -> list[int]:
    """Return the order of one epoch: indices into samples, each as often as its `repeat`, globally shuffled.

    Samples are sorted by a hash of (seed, epoch, row id, copy, part). Two sets that share rows see these in the same relative
    order, which makes runs on different mixtures comparable (common random numbers).
    """
    keyed = []
    for index, sample in enumerate(samples):
        for copy in range(sample.repeat):
            name = f"{seed}\0{epoch}\0{sample.id}\0{copy}" + (f"\0{sample.part}" if sample.part else "")
            keyed.append((hashlib.blake2b(name.encode(), digest_size=16).digest(), index))
    keyed.sort()
    return [index for _, index in keyed]


class Plan:
    """Which samples each optimiser step sees: a function of its arguments alone.

    Args:
        samples: each is seen `repeat` times per epoch.
        batch_size: samples per step; the last batch of an epoch may be short, none spans two epochs.
        steps: number of steps; None: as many as `epochs` passes need.
    """

    def __init__(
        self, samples: Sequence[Sample], seed: int, batch_size: int, steps: int | None = None, epochs: float = 1.0
    ) -> None:
        self.samples, self.seed, self.batch_size = samples, seed, batch_size
        self.per_epoch = math.ceil(sum(s.repeat for s in samples) / batch_size)
        self.steps = steps or max(1, math.ceil(epochs * self.per_epoch - 1e-9))  # 0.1 * 30 is a little above 3
        self._epoch, self._order = -1, list[int]()

    def batch(self, step: int) -> list[Sample]:
        """Return the global batch of a step (0-based)."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(self.samples, self.seed, epoch)
        return [self.samples[i] for i in self._order[at * self.batch_size : (at + 1) * self.batch_size]]


def micro_batches(batch: Sequence[Sample], micro_tokens: int = MICRO_TOKENS) -> list[list[Sample]]:
    """Return one global batch cut into micro-batches of rows of similar length, the longest first.

    Bucketing stays inside the global batch: across batches it would change what a step sees, and so the training.

    Args:
        batch: the samples of one optimiser step.
        micro_tokens: most padded tokens of a micro-batch; a single row that is longer still gets its own.
    """
    cut: list[list[Sample]] = []
    for sample in sorted(batch, key=lambda s: -len(s.input_ids)):  # stable: ties keep their order
        if cut and (len(cut[-1]) + 1) * len(cut[-1][0].input_ids) <= micro_tokens:
            cut[-1].append(sample)
        else:
            cut.append([sample])
    return cut


def padded(samples: Sequence[Sample], device: str = "cpu") -> Batch:
    """Return samples as one micro-batch, padded on the right from their lengths.

    Padding is never recognised by its id: where pad and eos are one token, the eos label must stay (transformers #23530).
    """
    import torch

    longest = max(len(s.input_ids) for s in samples)

    def rectangle(lists: Sequence[Sequence[float]], fill: float, dtype: torch.dtype) -> Tensor:
        return torch.tensor([[*x, *[fill] * (longest - len(x))] for x in lists], dtype=dtype, device=device)

    weights = None
    if any(s.weights is not None for s in samples):
        ones = [s.weights or [float(label != IGNORED) for label in s.labels] for s in samples]
        weights = rectangle(ones, 0.0, torch.float32)
    ids = rectangle([s.input_ids for s in samples], 0, torch.int64)
    return Batch(ids, rectangle([s.labels for s in samples], IGNORED, torch.int64), weights)
