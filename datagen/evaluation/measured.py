"""What was measured of an item: one number, and what it is divided by where items are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # of the row
        ("task", pa.string()),
        ("part", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),  # divided by `size`: of several items the sum of one over that of the other
        ("size", pa.float64()),
        ("said", pa.string()),  # what the model said, or chose
        ("expected", pa.string()),
        ("counts", pa.list_(pa.float64())),  # of a score of all items together (BLEU), which is computed from their sums
    ]
)
OF_MODELS = SCHEMA.insert(0, pa.field("model", pa.string()))  # as in items.parquet


class Measured(NamedTuple):
    """One measure of one item by one model; the columns of SCHEMA."""

    id: str
    task: str
    part: str
    measure: str
    value: float
    size: float = 1.0
    said: str | None = None
    expected: str | None = None
    counts: list[float] | None = None


def table_of(found: Iterable[Measured]) -> pa.Table:
    """Return measurements as a table of SCHEMA."""
    return pa.Table.from_pylist([one._asdict() for one in found], schema=SCHEMA)


def of_rows(rows: Iterable[Mapping[str, Any]]) -> list[Measured]:
    """Return the measurements of a table's rows."""
    return [Measured(**{name: row[name] for name in SCHEMA.names}) for row in rows]
