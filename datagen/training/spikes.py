"""Steps whose loss or gradient lies far outside of what it was: they are left out, and their rows are named.

A spike is seen before the update, so the state to go back to is the one at hand. Where the next one comes at once, the state
was bad before: then that of an earlier step is put back. Nobody learns from rows that no one could name.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import torch

from datagen.errors import ModelError
from datagen.training.batches import Sample
from datagen.training.parallel import ALONE, World

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

WINDOW, LEAST = 64, 16  # steps that the running median is of: at most, and at least
FLOOR = {"loss": 0.05, "gradient norm": 0.25}  # least spread: of a loss as a share of it, of a norm in its logarithm
MOST = 3  # spikes of a run
NEAR = 8  # steps: two spikes so near each other have one cause
KEPT_EVERY = 20  # good steps between the states that are kept
KEPT_BYTES = 2**30  # largest state that is kept in memory; a larger one is not put back: the step is left out alone
NAMED = 16  # ids in a message


class Skipped(TypedDict):
    """A step that was left out, counted from 1: what was wrong, its value, and the rows, worst first."""

    step: int
    what: str
    value: str
    back_to: int  # the step whose state was put back; the step before, where that is the one at hand
    ids: list[str]


def outside(what: str, value: float, before: Sequence[float | None], spreads: float | None) -> bool:
    """Say whether a loss or gradient norm is not finite, or so many spreads above the median of those before it.

    The spread is 1.4826 x the median absolute deviation, the standard deviation of a normal distribution.

    Args:
        what: `loss`, or `gradient norm`, which is compared by its logarithm.
        value: of this step.
        before: of the steps before it; None for those that were left out.
        spreads: None looks only whether it is finite.
    """
    if not math.isfinite(value):
        return True
    good = [v for v in before if v is not None][-WINDOW:]
    if spreads is None or len(good) < LEAST:
        return False
    if what == "gradient norm":
        good, value = [math.log(max(v, 1e-30)) for v in good], math.log(max(value, 1e-30))
    middle = statistics.median(good)
    spread = 1.4826 * statistics.median(abs(v - middle) for v in good)
    least = FLOOR[what] * (abs(middle) if what == "loss" else 1.0)
    return value > middle + spreads * max(spread, least)


def worst_first(samples: Sequence[tuple[Sample, float]]) -> list[str]:
    """Return the ids of the rows of a step, those of the highest losses first; where some are not finite, theirs alone."""
    broken = [sample.id for sample, loss in samples if not math.isfinite(loss)]
    order = sorted(samples, key=lambda pair: -pair[1])
    return list(dict.fromkeys(broken or [sample.id for sample, _ in order]))


def refuse_more(skipped: Sequence[Skipped]) -> None:
    """Raise ModelError where too many steps were left out; it names them and their rows."""
    if len(skipped) >= MOST:
        _refuse(skipped)


def refuse_none_taken(skipped: Sequence[Skipped], steps: int) -> None:
    """Raise ModelError where every step of a run was left out."""
    if len(skipped) == steps:
        _refuse(skipped)


def _refuse(skipped: Sequence[Skipped]) -> None:
    last, many = skipped[-1], "s" * (len(skipped) > 1)
    steps = ", ".join(str(s["step"]) for s in skipped)
    ids = ", ".join(last["ids"][:NAMED])
    raise ModelError(
        f"step {last['step']}: the {last['what']} is {last['value']}, and step{many} {steps} had to be left out; lower the lr,"
        f" or look at the rows of this batch: {ids}"
    )


class LastGood:
    """The state of an earlier step, in memory."""

    def __init__(self, trained: Mapping[str, Tensor], optimiser: Optimizer, world: World = ALONE) -> None:
        """Keep nothing yet; what one process cannot keep none does, or they would go back to other steps."""
        self._trained, self._optimiser = trained, optimiser
        self._small = world.most(3 * sum(p.numel() * p.element_size() for p in trained.values())) <= KEPT_BYTES
        self._kept: tuple[int, list[Tensor], list[dict[str, Tensor]]] | None = None

    def keep(self, step: int) -> None:
        """Keep the state after a step, where it is small enough."""
        if self._small:
            weights = [p.detach().clone() for p in self._trained.values()]
            state = [{k: v.clone() for k, v in self._optimiser.state[p].items()} for p in self._trained.values()]
            self._kept = (step, weights, state)

    def held(self) -> tuple[int, dict[str, dict[str, Tensor]]] | None:
        """Return the step of the kept state and, by parameter, its `weight` and moments; None where there is none."""
        if self._kept is None:
            return None
        step, weights, states = self._kept
        named = zip(self._trained, weights, states, strict=True)
        return step, {name: {"weight": weight, **state} for name, weight, state in named}

    def hold(self, step: int, held: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Keep a state that a checkpoint had."""
        weights = [held[name]["weight"] for name in self._trained]
        states = [{kind: t for kind, t in held[name].items() if kind != "weight"} for name in self._trained]
        self._kept = (step, weights, states)

    def put_back(self) -> int | None:
        """Put the kept state back and return its step; None where there is none."""
        if self._kept is None:
            return None
        step, weights, states = self._kept
        with torch.no_grad():
            for p, weight, state in zip(self._trained.values(), weights, states, strict=True):
                p.copy_(weight)
                self._optimiser.state[p] = {k: v.clone() for k, v in state.items()}
        return step
