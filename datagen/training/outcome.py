"""What a run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datagen.training.checkpoint import Change, Progress
from datagen.training.evaluate import Evaluation
from datagen.training.passes import Arrangement
from datagen.training.prepare import Prepared
from datagen.training.spikes import Skipped


@dataclass(frozen=True)
class Trained:
    """What a run did.

    Losses are mean label losses in nats per token, of pairs those of pairs. `first_loss` and `last_loss` are means over the
    first and last quarter of the steps. `rows_used` and `left_out` (row id, reason) add up to the rows given.
    """

    losses: list[float]  # of the steps that were taken
    first_loss: float
    last_loss: float
    eval_before: Evaluation | None
    eval_after: Evaluation | None
    steps: int
    tokens: int  # that went through the model, padding not counted
    label_tokens: int  # of these, the ones that carried loss
    rows_used: int
    samples: int  # texts of these rows: more than rows where the chat template rewrites earlier turns
    left_out: list[tuple[str, str]]
    untaught: Mapping[str, int]  # turns of the rows used that are not learned: `turns_cut`, `empty_answers`
    date: str  # that the chat template shows as today, "" where it shows none
    seconds: float  # of the steps and evaluations, over all resumptions
    dtype: str  # of the arithmetic
    arrangement: Arrangement  # of the texts in a forward pass
    history: list[Change]  # of its options, by `set`
    skipped: list[Skipped]  # steps that were left out, for a spike
    latency: dict[str, float] | None  # ms per generated token: `base`, and with the `adapter`, not merged
    environment: Mapping[str, str]  # that it was computed with
    folder: Path | None = None  # the adapter or model that was written


def trained_of(
    ready: Prepared, progress: Progress, after: Evaluation | None, slower: dict[str, float] | None, steps: int,
    how: Arrangement, *, half: bool,
) -> Trained:  # fmt: skip
    """Return what a run did that has taken all of its steps."""
    taken = [loss for loss in progress.losses if loss is not None]
    quarter = max(1, len(taken) // 4)
    return Trained(
        losses=taken, eval_before=progress.before, eval_after=after,
        first_loss=sum(taken[:quarter]) / quarter, last_loss=sum(taken[-quarter:]) / quarter,
        steps=steps, tokens=progress.tokens, label_tokens=progress.label_tokens,
        rows_used=sum(s.part == 0 for s in ready.samples),
        samples=sum(len(s.texts) for s in ready.samples), left_out=ready.left_out,
        untaught=ready.untaught, date=ready.date, seconds=progress.seconds, dtype="bfloat16" if half else "float32",
        arrangement=how, skipped=progress.skipped, history=progress.history, latency=slower,
        environment=progress.environment,
    )  # fmt: skip
