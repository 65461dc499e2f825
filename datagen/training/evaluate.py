"""The mean loss of a model on rows: over all of them and by source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

from datagen.errors import DataError
from datagen.training.batches import Sample
from datagen.training.loss import Network
from datagen.training.objective import Objective
from datagen.training.parallel import ALONE, World
from datagen.training.passes import Layout

SFT, PADDED = Objective(), Layout()


class Evaluation(TypedDict):
    """Mean label loss in nats per token (weighted where turns have weights), or of pairs, and what it was measured on."""

    loss: float
    by_source: dict[str, float]
    tokens: int  # tokens that carry loss
    left_out: list[tuple[str, str]]  # (row id, reason)


def evaluate(
    network: Network,
    samples: Sequence[Sample],
    left_out: Sequence[tuple[str, str]] = (),
    objective: Objective = SFT,
    layout: Layout = PADDED,
    world: World = ALONE,
    at: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Return the mean loss of a model on rows, in the precision of its weights; `repeat` does not count.

    Args:
        network: a model with its loss, in any mode; it stays in that mode.
        samples: the texts of the rows.
        left_out: (row id, reason) of other rows, which are named in what is returned.
        objective: whose loss it is.
        layout: of its passes.
        world: the processes that share the work.
        at: told after each pass how many of the samples of this process are done.

    Raises:
        DataError: there is no sample.
    """
    import torch

    if not samples:
        raise DataError(f"no row to evaluate on: all {len(left_out)} were left out ({_reasons(left_out)})")
    sources = sorted({s.source for s in samples})
    sums, weights = dict.fromkeys(sources, 0.0), dict.fromkeys(sources, 0.0)
    training, done = network.training, 0
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        for source in sources:
            mine = [s for s in samples if s.source == source]
            parts = list(layout.passes(world.share(mine)))
            all_parts = world.evened(parts, partial(next, layout.passes(mine[:1])))
            totals = []
            for batch in all_parts:
                found = objective.measure(network, batch)
                totals.append(found.total.item())
                done += len(found.samples)
                at(done)
            sums[source] = float(world.sum(torch.tensor(sum(totals[: len(parts)]), device=device)).item())
            weights[source] = objective.weight(mine)
    network.train(training)
    return {
        "loss": sum(sums.values()) / sum(weights.values()),
        "by_source": {source: sums[source] / weights[source] for source in sources},
        "tokens": sum(t.label_tokens for s in samples for t in s.texts),
        "left_out": list(left_out),
    }


def _reasons(left_out: Sequence[tuple[str, str]]) -> str:
    return ", ".join(sorted({reason for _, reason in left_out})) or "there were none"
