"""What run.json says of a step, and how its verdict lies on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.dataset import reason_counts
from datagen.shards import count_rows, read_shards

VERSION = 1  # of these steps' results: bump when they change; enters every fingerprint


def entry(name: str, options: Any, rows_in: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    """Return a step's entry of run.json."""
    kept = rows_in - sum(dropped.values())
    return {"name": name, "options": options, "rows_in": rows_in, "rows_kept": kept, "dropped": dropped, **more}


def made(name: str, options: Any, folder: Path) -> dict[str, Any]:
    """The entry of a step that wrote rows/ and dropped/."""
    dropped = reason_counts(read_shards(folder / "dropped", ["reason"]))
    return entry(name, options, count_rows(folder / "rows") + sum(dropped.values()), dropped, makes_rows=True)


def write_verdict(folder: Path, dropped: pa.Table, repeat: pa.Array | None = None) -> None:
    """Write what a step dropped, and the repeats it set, each under a temporary name that is then renamed."""
    for name, table in (("verdict", dropped), ("repeat", None if repeat is None else pa.table({"repeat": repeat}))):
        if table is not None:
            pq.write_table(table, folder / f".{name}.tmp")
            (folder / f".{name}.tmp").replace(folder / f"{name}.parquet")
