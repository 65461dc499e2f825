"""What a run makes smaller: the loss of answers, or that of pairs of a better and a worse one (DPO, IPO)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid

from datagen.training.batches import Sample
from datagen.training.options import PAIRED, TrainOptions
from datagen.training.passes import Batch, Layout

if TYPE_CHECKING:
    from torch import Tensor

Score = Callable[[Batch], "tuple[Tensor, Tensor]"]  # a pass → its losses, as `loss.label_loss`


@dataclass(frozen=True)
class Measured:
    """Of one pass: its loss, not divided; and float32[samples], each one's own (a mean per label weight; of pairs, theirs)."""

    total: Tensor
    samples: tuple[Sample, ...]
    own: Tensor


@dataclass(frozen=True)
class Objective:
    """A loss over the samples of a global batch, which is divided by their weight.

    Attributes:
        kind: of the options.
        beta: of pairs: how much a difference of log-probabilities counts.
        smoothing: of dpo: the share of pairs that are taken the other way round (conservative DPO).
    """

    kind: str = "sft"
    beta: float = 0.1
    smoothing: float = 0.0

    @property
    def paired(self) -> bool:
        """Whether samples are pairs."""
        return self.kind in PAIRED

    def weight(self, samples: Iterable[Sample]) -> float:
        """Return what the loss of samples is divided by: the weights of their labels, or how many pairs they are."""
        return float(sum(1 for _ in samples)) if self.paired else sum(s.label_weight for s in samples)

    def measure(self, score: Score, batch: Batch) -> Measured:
        """Run a pass and return its loss, with its gradient where gradients are on."""
        total, by_text = score(batch)
        if not self.paired:
            weights = torch.tensor([s.label_weight or 1.0 for s in batch.samples], device=by_text.device)
            return Measured(total, batch.samples, by_text.detach() / weights)
        at = {id(text): place for place, text in enumerate(batch.samples)}
        pairs = tuple(s for s in batch.samples if s.rejected)
        losses_of_pairs = self._pairs(by_text, pairs, [at[id(s)] for s in pairs], [at[id(s.rejected)] for s in pairs])
        return Measured(losses_of_pairs.sum(), pairs, losses_of_pairs.detach())

    def _pairs(self, by_text: Tensor, pairs: Sequence[Sample], better: list[int], worse: list[int]) -> Tensor:
        """Return the loss of each pair: float32[pairs].

        DPO: arXiv 2305.18290, with the sum of log-probabilities; IPO: arXiv 2310.12036, with their mean, as its authors say.
        """
        reference = torch.tensor([[s.reference, s.rejected.reference] for s in pairs if s.rejected], device=by_text.device)
        gained = [-by_text[side] - reference[:, n].to(by_text.dtype) for n, side in enumerate((better, worse))]
        if self.kind == "ipo":
            labels = [[float(t.label_tokens) for t in s.texts] for s in pairs]
            lengths = torch.tensor(labels, device=by_text.device)
            gained = [gain / lengths[:, n] for n, gain in enumerate(gained)]
            return (gained[0] - gained[1] - 1 / (2 * self.beta)) ** 2
        margin = self.beta * (gained[0] - gained[1])
        return -(1 - self.smoothing) * logsigmoid(margin) - self.smoothing * logsigmoid(-margin)


def objective_of(options: TrainOptions) -> Objective:
    """Return the objective that the options name."""
    return Objective(options.objective, options.beta, options.label_smoothing if options.objective == "dpo" else 0.0)


def log_probabilities(score: Score, samples: Sequence[Sample], layout: Layout) -> list[tuple[float, float]]:
    """Return the log-probabilities of the labels of each pair, (better, worse), in nats."""
    found: dict[int, float] = {}
    with torch.no_grad():
        for batch in layout.passes(samples):
            for text, loss in zip(batch.samples, score(batch)[1].tolist(), strict=True):
                found[id(text)] = -loss
    return [(found[id(s)], found[id(s.rejected)]) for s in samples]


def referred(samples: Sequence[Sample], known: Sequence[tuple[float, float]]) -> list[Sample]:
    """Return pairs with the log-probabilities of their texts before the first step."""
    return [
        replace(s, reference=better, rejected=replace(s.rejected, reference=worse)) if s.rejected else s
        for s, (better, worse) in zip(samples, known, strict=True)
    ]
