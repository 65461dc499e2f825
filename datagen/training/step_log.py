"""Which texts each optimiser step saw, and each one's own loss before it: OUT/steps.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import writing
from datagen.training.batches import Sample

NAME = "steps.parquet"
# `part`: which text of its row; `loss`: the mean of its labels, weighted as they are, in nats; `labels`: how many.
SCHEMA = pa.schema([
    ("step", pa.int32()), ("id", pa.string()), ("part", pa.int32()), ("loss", pa.float32()), ("labels", pa.int32()),
])  # fmt: skip


class StepLog:
    """The texts of the steps so far; written whole at each checkpoint and at the end, so that both tell of the same steps."""

    def __init__(self, out: Path | None, kept: int) -> None:
        """Begin, or go on.

        Args:
            out: the run folder; None writes nothing.
            kept: steps that a checkpoint has.
        """
        self.path = None if out is None else out / NAME
        self._rows: list[tuple[int, str, int, float, int]] = []
        self._before: pa.Table = SCHEMA.empty_table()
        if kept and self.path is not None and self.path.is_file():
            table = pq.read_table(self.path, schema=SCHEMA)
            self._before = table.filter(pc.less_equal(table.column("step"), kept))

    def add(self, step: int, samples: Sequence[Sample], losses: Sequence[float]) -> None:
        """Note the texts of a pass of a step (counted from 1), with the sums of their label losses."""
        for sample, loss in zip(samples, losses, strict=True):
            mean = loss / sample.label_weight if sample.label_weight else 0.0
            self._rows.append((step, sample.id, sample.part, mean, sample.label_tokens))

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is None:
            return
        columns = list(zip(*self._rows, strict=True)) if self._rows else [()] * len(SCHEMA)
        new = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
        temporary = self.path.with_name(f".{NAME}")
        with writing(self.path):
            pq.write_table(pa.concat_tables([self._before, new]).combine_chunks(), temporary)
            temporary.replace(self.path)
