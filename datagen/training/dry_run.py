"""What a run would train on, found out before its first step: the texts of the rows, and which rows have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datagen.data.rows import Row
from datagen.render.labels import IGNORED
from datagen.training.batches import Plan, Sample
from datagen.training.options import TrainOptions
from datagen.training.prepare import LONG_SHARE, prepared, readable, reader_of

SHOWN = 1_200  # characters of the text that is shown
OPEN, CLOSE = "⟦", "⟧"  # around what is taught


@dataclass(frozen=True)
class Found:
    """What there is to train on.

    Attributes:
        rows: that were read.
        used: rows that can be trained on; a row may have several texts.
        texts: that they have.
        tokens: of all texts.
        label_tokens: of them, those that are taught.
        steps: of the optimiser.
        left_out: reason → number of rows that are not trained on, those that cannot be read among them.
        untaught: `turns_cut`, `empty_answers`: turns of rows in use that are not taught.
        date: that the texts show as today; "" where they show none.
        too_long: whether so many rows are too long that a run must be told what to do with them.
        first: the first text, what is taught in ⟦ ⟧.
    """

    rows: int
    used: int
    texts: int
    tokens: int
    label_tokens: int
    steps: int
    left_out: Mapping[str, int]
    untaught: Mapping[str, int]
    date: str
    too_long: bool
    first: str


def look(read: Iterable[Row], options: TrainOptions) -> Found:
    """Return what a run with these options would train on. Loads the tokenizer, not the model; writes nothing.

    Args:
        read: rows, and ledger rows (with the key `reason`) of what cannot be read.
        options: of the run.

    Raises:
        DataError: no row can be trained on.
        ModelError: the model is not there.
    """
    rows, unread = readable(read)
    reader = reader_of(options)
    # What stops a run is shown beside the rest of what it would find.
    unsaid = options.overflow is None
    options = replace(options, overflow=options.overflow or "drop")
    found = prepared(rows, None, reader, options)
    plan = Plan(found.samples, options.seed, options.batch_size, options.steps, options.epochs, options.batch_warmup)
    steps = sum(count for _, count, _ in options.stages) if options.lengths else plan.steps
    reasons = Counter(reason.partition(":")[0] for _, reason in found.left_out)
    return Found(
        rows=len(rows) + unread.total(), used=sum(s.part == 0 for s in found.samples), texts=len(found.samples),
        tokens=sum(len(s.input_ids) for s in found.samples), label_tokens=sum(s.label_tokens for s in found.samples),
        steps=steps,
        left_out=dict((unread + reasons).most_common()), untaught=found.untaught, date=found.date,
        too_long=unsaid and reasons["too_long"] > LONG_SHARE * len(rows), first=_marked(found.samples[0], reader.tokenizer),
    )  # fmt: skip


def _marked(sample: Sample, tokenizer: Any) -> str:
    """Return the text of a sample with its taught parts marked, cut where it is long."""
    parts: list[tuple[bool, list[int]]] = []
    for token, label in zip(sample.input_ids, sample.labels, strict=True):
        taught = label != IGNORED
        if not parts or parts[-1][0] != taught:
            parts.append((taught, []))
        parts[-1][1].append(token)
    texts = [(taught, tokenizer.decode(ids)) for taught, ids in parts]
    text = "".join(f"{OPEN}{said}{CLOSE}" if taught else said for taught, said in texts)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
