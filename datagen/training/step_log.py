"""What a run notes of its steps: metrics.jsonl, a line of each; steps.parquet, which texts it saw and each one's own loss."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import first_line, writing
from datagen.json_text import dumps
from datagen.training.batches import Sample

NAME = "steps.parquet"
# `part`: which text of its row; `loss`: the mean of its labels, weighted as they are, in nats, of a pair its own; `labels`: how
# many.
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
        if kept and self.path is not None:
            try:
                table = pq.read_table(self.path, schema=SCHEMA)
            except (OSError, pa.ArrowException) as error:
                logging.getLogger(__name__).warning("%s of the steps so far is lost: %s", self.path, first_line(error))
                return
            self._before = table.filter(pc.less_equal(table.column("step"), kept))

    def add(self, step: int, own: Sequence[tuple[Sample, float]]) -> None:
        """Note the samples of a step (counted from 1), each with its own loss before it."""
        for sample, loss in own:
            labels = sum(text.label_tokens for text in sample.texts)
            self._rows.append((step, sample.id, sample.part, loss, labels))

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


@contextlib.contextmanager
def metrics(out: Path | None, kept: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that appends a line to OUT/metrics.jsonl, whose first `kept` lines belong to a resumed run."""
    if out is None:
        yield lambda _: None
        return
    out.mkdir(parents=True, exist_ok=True)
    path = out / "metrics.jsonl"
    if kept and not path.is_file():
        logging.getLogger(__name__).warning("%s of the steps so far is lost", path)
    # A damaged line stays as it is.
    old = path.read_text("utf-8", "surrogateescape").split("\n")[:-1][:kept] if kept and path.is_file() else []
    if path.is_file() and len(old) < kept:
        logging.getLogger(__name__).warning("%s: %d lines of the %d steps so far are lost", path, kept - len(old), kept)
    temporary = out / ".metrics.jsonl"
    temporary.write_text("".join(f"{line}\n" for line in old), "utf-8", "surrogateescape")
    temporary.replace(path)
    with path.open("a", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(dumps(line) + "\n")
            file.flush()

        yield write
