"""Rows as Python holds them (paths, a table of pandas, Arrow or `datasets`, a list of maps), as the paths of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import UsageError, writing
from datagen.json_text import dumps


def paths_of(inputs: Any, table: Path) -> list[str]:
    """Return the paths of an input; a table of pandas, pyarrow or `datasets` is written to `table` first."""
    if isinstance(inputs, (str, Path)):
        return [str(inputs)]
    if isinstance(inputs, Mapping):
        raise UsageError("rows are given as a table or as a list of maps, one per row, not as a map")
    if type(inputs).__module__.startswith("datasets"):
        inputs = inputs.with_format("arrow")[:]
    if hasattr(inputs, "to_dict"):
        try:
            inputs = pa.Table.from_pandas(inputs, preserve_index=False)
        except pa.ArrowException:  # a column of several types: one odd value costs its row, not the set
            inputs = inputs.to_dict("records")
    if isinstance(inputs, pa.Table):
        with writing(table):
            table.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(inputs, table)
        return [str(table)]
    if not isinstance(inputs, Iterable):
        raise UsageError(f"rows are given as paths, a table or a list of maps, not as {type(inputs).__name__}")
    inputs = list(inputs)
    if not inputs or not isinstance(inputs[0], Mapping):
        if wrong := next((i for i in inputs if not isinstance(i, (str, Path))), None):
            raise UsageError(f"rows are given as paths, a table or a list of maps, not as a list of {type(wrong).__name__}")
        return [str(i) for i in inputs]
    table = table.with_suffix(".jsonl")
    # Line by line, as a file would hold them: rows need not have the same fields, and a bad one is a ledger row.
    lines = (dumps(dict(row) if isinstance(row, Mapping) else row, ensure_ascii=True, default=_plain) for row in inputs)
    with writing(table):
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return [str(table)]


def _plain(value: Any) -> Any:
    """Return a value of numpy or a date as JSON holds it."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
