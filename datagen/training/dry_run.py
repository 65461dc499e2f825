"""What a run would train on, found out before its first step: the texts of the rows, and which rows have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datagen.data.rows import Row
from datagen.render.labels import IGNORED
from datagen.training.batches import Sample
from datagen.training.forecast import Forecast
from datagen.training.loop import foreseen
from datagen.training.options import TrainOptions
from datagen.training.prepare import LONG_SHARE, readable

SHOWN = 1_200  # characters of the text that is shown


@dataclass(frozen=True)
class Found:
    """What there is to train on.

    Attributes:
        rows: that were read.
        used: rows that can be trained on; a row may have several texts.
        texts: that they have.
        tokens: of all texts.
        label_tokens: of them, those that are taught.
        forecast: of the run, by one process.
        left_out: reason → number of rows that are not trained on, those that cannot be read among them.
        untaught: `turns_cut`, `empty_answers`: turns of rows in use that are not taught.
        date: that the texts show as today; "" where they show none.
        too_long: whether so many rows are too long that a run must be told what to do with them.
        first: the first text in parts, each with whether it is taught.
    """

    rows: int
    used: int
    texts: int
    tokens: int
    label_tokens: int
    forecast: Forecast
    left_out: Mapping[str, int]
    untaught: Mapping[str, int]
    date: str
    too_long: bool
    first: list[tuple[bool, str]]


def look(read: Iterable[Row], options: TrainOptions, eval_rows: Sequence[Row] | None = None) -> Found:
    """Return what a run with these options would train on, and what it would cost; writes nothing.

    Args:
        read: rows, and ledger rows (with the key `reason`) of what cannot be read.
        options: of the run.
        eval_rows: that it would measure.

    Raises:
        DataError: no row can be trained on.
        ModelError: the model is not there.
    """
    rows, unread = readable(read)
    # What stops a run is shown beside the rest of what it would find.
    unsaid = options.overflow is None
    options = replace(options, overflow=options.overflow or "drop")
    start, found, cost = foreseen(rows, options, eval_rows)
    reasons = Counter(reason.partition(":")[0] for _, reason in found.left_out)
    return Found(
        rows=len(rows) + unread.total(), used=sum(s.part == 0 for s in found.samples), texts=len(found.samples),
        tokens=sum(len(s.input_ids) for s in found.samples), label_tokens=sum(s.label_tokens for s in found.samples),
        forecast=cost, left_out=dict((unread + reasons).most_common()), untaught=found.untaught, date=found.date,
        too_long=unsaid and reasons["too_long"] > LONG_SHARE * len(rows), first=_parts(found.samples[0], start.tokenizer),
    )  # fmt: skip


def _parts(sample: Sample, tokenizer: Any) -> list[tuple[bool, str]]:
    """Return the text of a sample in parts, each with whether it is taught, cut where it is long."""
    runs: list[tuple[bool, list[int]]] = []
    for token, label in zip(sample.input_ids, sample.labels, strict=True):
        taught = label != IGNORED
        if not runs or runs[-1][0] != taught:
            runs.append((taught, []))
        runs[-1][1].append(token)
    left, parts = SHOWN, list[tuple[bool, str]]()
    for taught, ids in runs:
        text = tokenizer.decode(ids)
        if left <= 0:
            break
        parts.append((taught, text if len(text) <= left else f"{text[:left]}…"))
        left -= len(text)
    return parts
