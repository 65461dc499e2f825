"""What a run will cost, before its first step: how long it takes, and how much memory, by timed passes of its own texts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from datagen.progress import span
from datagen.training.batches import Course, Sample
from datagen.training.objective import Objective, Score
from datagen.training.passes import Layout
from datagen.training.tree import read_length

if TYPE_CHECKING:
    from torch import Tensor

TIMED_TOKENS = 160  # of a timed pass: a few seconds on an old processor; matrices are near their full speed there
LOOKED_AT = 8  # steps whose texts are laid out to see how many tokens they are


@dataclass(frozen=True)
class Forecast:
    """What a run will be.

    Attributes:
        texts: there are.
        tokens: of them, counted once each.
        label_tokens: of these, those that are taught.
        steps: of the optimiser.
        step_tokens: that a step computes on the mean, after what texts share, with padding where there is some.
        step_s: seconds of a step.
        measuring_s: seconds of one measurement of the `eval` rows; 0 without.
        memory: bytes of weights, gradients, moments and activations of the largest pass.
        trained: numbers that are trained.
        frozen: numbers that are not.
    """

    texts: int
    tokens: int
    label_tokens: int
    steps: int
    step_tokens: float
    step_s: float
    measuring_s: float
    memory: int
    trained: int
    frozen: int

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.steps * self.step_s + 2 * self.measuring_s

    def words(self) -> str:
        """What is said of it, as a line."""
        share = self.label_tokens / max(1, self.tokens)
        measured = f", {span(2 * self.measuring_s)} of it measuring" if self.measuring_s else ""
        return (
            f"forecast: {self.texts:,} texts, {self.tokens:,} tokens ({share:.0%} taught); {self.steps:,} steps, about "
            f"{span(self.seconds)}{measured}, {self.memory / 2**30:.1f} GiB; {self.trained:,} of"
            f" {self.trained + self.frozen:,} weights are trained"
        )


@dataclass(frozen=True)
class Cost:
    """What was measured of passes: seconds of a token, forward and backward and forward alone, and bytes of activations."""

    trained_s: float
    measured_s: float
    activations: float


def timed(
    score: Score, objective: Objective, samples: Sequence[Sample], layout: Layout, trained: Mapping[str, Tensor], *,
    measures: bool = True, twice: bool = True,
) -> Cost:  # fmt: skip
    """Run short passes of these samples; parameters have no gradient afterwards.

    Args:
        score: the losses of a pass.
        objective: what they are made into.
        samples: a batch.
        layout: of its passes.
        trained: the parameters.
        measures: whether a forward pass is timed alone, too.
        twice: whether the first pass is not the one that counts: it may load what the check of the layout did not.
    """
    few: list[Sample] = []
    for sample in sorted(samples, key=read_length):
        few.append(sample)
        if sum(read_length(t) for s in few for t in s.texts) >= TIMED_TOKENS:
            break
    batch = next(layout.passes(few))
    tokens = batch.input_ids.numel()
    seen: dict[int, int] = {}
    mine = [p.to_local() if hasattr(p, "to_local") else p for p in trained.values()]
    weights = {p.untyped_storage().data_ptr() for p in mine}

    def hold(tensor: Tensor) -> Tensor:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):  # a part of a cut one has no storage of its own
            seen[id(tensor)] = tensor.nbytes
            return tensor
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    def once(*, backward: bool) -> float:
        began = time.perf_counter()
        with torch.set_grad_enabled(backward):
            total = objective.measure(score, batch).total
        if backward:
            total.backward()  # type: ignore[no-untyped-call]
        if layout.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began

    try:
        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            trained_s = once(backward=True) / tokens
        trained_s = once(backward=True) / tokens if twice else trained_s
        return Cost(trained_s, once(backward=False) / tokens if measures else 0.0, sum(seen.values()) / tokens)
    finally:
        for p in trained.values():
            p.grad = None


def forecast(
    cost: Cost, plan: Course, samples: Sequence[Sample], measured: Sequence[Sample], layout: Layout, model: Any,
    trained: Mapping[str, Tensor], shares: int = 1,
) -> Forecast:  # fmt: skip
    """Return what a run will be, from what its passes cost.

    Args:
        cost: as `timed`.
        plan: of its batches.
        samples: of these.
        measured: texts whose loss is measured before and after.
        layout: of its passes.
        model: whose weights are counted.
        trained: its parameters that are trained.
        shares: of the rows, each computed by a process of its own.
    """
    looked_at = min(LOOKED_AT, plan.steps)
    sizes = [_computed(plan.batch(step * plan.steps // looked_at), layout) for step in range(looked_at)]
    step_tokens = sum(map(sum, sizes)) / looked_at
    numbers = {id(p): p for p in model.parameters()}.values()
    trained_bytes = sum(p.numel() * 4 for p in trained.values())
    memory = sum(p.numel() * p.element_size() for p in numbers) + 3 * trained_bytes
    texts = [t for s in samples for t in s.texts]
    return Forecast(
        texts=len(texts), tokens=sum(len(t.input_ids) for t in texts), label_tokens=sum(t.label_tokens for t in texts),
        steps=plan.steps, step_tokens=step_tokens, step_s=step_tokens * cost.trained_s / shares,
        measuring_s=sum(_computed(measured, layout)) * cost.measured_s / shares if measured else 0.0,
        memory=int(memory + cost.activations * max(map(max, sizes))), trained=sum(p.numel() for p in trained.values()),
        frozen=sum(p.numel() for p in numbers) - sum(p.numel() for p in trained.values()),
    )  # fmt: skip


def _computed(samples: Sequence[Sample], layout: Layout) -> list[int]:
    """Return the tokens of each pass."""
    return [batch.input_ids.numel() for batch in replace(layout, device="cpu").passes(samples)]


def steps_within(minutes: float, found: Forecast) -> int:
    """Return how many steps fit into so many minutes, one at least."""
    return max(1, int((minutes * 60 - 2 * found.measuring_s) / max(found.step_s, 1e-9)))
