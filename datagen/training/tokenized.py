"""Rows as token ids and labels, for whoever trains with something else: `datagen export --to tokenized`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.data.rows import Row
from datagen.errors import writing
from datagen.training.options import TrainOptions
from datagen.training.prepare import prepared, readable, reader_of

# `labels` are unshifted, -100 without loss, as transformers and TRL take them; `position_ids` begin at 0 in each text;
# `weights` are of the loss of each token, null where all are 1.
SCHEMA = pa.schema([
    ("id", pa.string()), ("source", pa.string()), ("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32())),
    ("position_ids", pa.list_(pa.int32())), ("weights", pa.list_(pa.float32())),
])  # fmt: skip


@dataclass(frozen=True)
class Tokenized:
    """What was written: texts, their tokens and labels, and reason → rows that have none."""

    texts: int
    tokens: int
    label_tokens: int
    left_out: dict[str, int]


def write_tokenized(rows: Iterable[Row], options: TrainOptions, path: Path) -> Tokenized:
    """Write the texts that `datagen train` would train on with these options into one Parquet file; `repeat` is expanded.

    Raises:
        DataError: no row can be trained on.
        ModelError: the model is not there.
    """
    kept, unread = readable(rows)
    found = prepared(kept, None, reader_of(options), options)
    written = [s for s in found.samples for _ in range(s.repeat)]
    table = pa.table([
        [s.id for s in written], [s.source for s in written], [s.input_ids for s in written], [s.labels for s in written],
        [list(range(len(s.input_ids))) for s in written], [s.weights for s in written],
    ], schema=SCHEMA)  # fmt: skip
    temporary = path.with_name(f".{path.name}")
    with writing(path):
        pq.write_table(table, temporary)
        temporary.replace(path)
    reasons = Counter(reason.partition(":")[0] for _, reason in found.left_out)
    tokens, labels = sum(len(s.input_ids) for s in written), sum(s.label_tokens for s in written)
    return Tokenized(len(written), tokens, labels, dict((unread + reasons).most_common()))
