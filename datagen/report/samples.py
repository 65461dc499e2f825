"""Which rows the report shows, and reading just those: evenly spread positions, rows by position, positions by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.data.rows import LEDGER, Row
from datagen.data.shards import read_shards, read_table, reading, schema_of, shard_paths

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLES = 5  # rows per reason
ALL_SAMPLES = 50  # rows of all reasons together; with more reasons each gets fewer
_UNSHOWN = ("parents", "tags", "repeat", "generation")
COLUMNS = [name for name in LEDGER.names if name not in _UNSHOWN]


@dataclass(frozen=True)
class Group:
    """The ledger rows of one stage and reason; `shown` are positions in the ledger, evenly spread."""

    stage: str
    reason: str
    count: int
    shown: list[int]


def evenly(count: int, most: int) -> list[int]:
    """Return at most `most` positions in 0..count-1, each the middle of an equal part.

    The first of few is not always the first row: runs of like rows at the start of a file say little of the rest.
    """
    n = min(count, most)
    return [(2 * i + 1) * count // (2 * n) for i in range(n)]


def groups(dropped: Path) -> list[Group]:
    """Return the ledger by stage and reason: stages in their order in the ledger, the most frequent reason first."""
    import numpy as np
    import pyarrow as pa

    tables = list(read_shards(dropped, ["stage", "reason"]))
    if not sum(map(len, tables)):
        return []
    table = pa.concat_tables(tables)
    stages = table.column("stage").combine_chunks().dictionary_encode()
    reasons = table.column("reason").combine_chunks().dictionary_encode()
    key = stages.indices.to_numpy().astype(np.int64) * len(reasons.dictionary) + reasons.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    kinds, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    found: list[tuple[int, str, str, npt.NDArray[np.int64]]] = []
    for kind, start, count in zip(kinds.tolist(), starts.tolist(), counts.tolist(), strict=True):
        stage, reason = divmod(kind, len(reasons.dictionary))
        names = stages.dictionary[stage].as_py(), reasons.dictionary[reason].as_py()
        found.append((stage, *names, order[start : start + count]))
    found.sort(key=lambda g: (g[0], -len(g[3]), g[2]))
    each = max(1, min(SAMPLES, ALL_SAMPLES // len(found)))
    return [
        Group(stage, reason, len(at), [int(at[i]) for i in evenly(len(at), each)] if n < ALL_SAMPLES else [])
        for n, (_, stage, reason, at) in enumerate(found)
    ]


def rows_at(folder: Path, positions: Iterable[int]) -> dict[int, Row]:
    """Return the rows at positions of a folder of shards; only the row groups that hold one are read."""
    import pyarrow as pa

    wanted, found = sorted(set(positions)), dict[int, Row]()
    for start, count, read in _row_groups(folder):
        if not wanted:
            break
        here = [at for at in wanted if at < start + count]
        if here:
            rows = read().take(pa.array([at - start for at in here])).to_pylist()
            found.update(zip(here, rows, strict=True))
            wanted = wanted[len(here) :]
    return found


def _row_groups(folder: Path) -> Iterator[tuple[int, int, Any]]:
    """Yield the first row, the number of rows and a function that reads it, for every row group of a folder."""
    import pyarrow.parquet as pq

    start = 0
    for path in shard_paths(folder):
        with reading(path):
            file = pq.ParquetFile(path)
        with file:
            added = [name for name in file.schema_arrow.names if name not in LEDGER.names]
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                yield start, count, partial(_group, path, file, group, [*COLUMNS, *added])
                start += count


def _group(path: Path, file: Any, group: int, columns: list[str]) -> Any:
    with reading(path):
        return file.read_row_group(group, columns=columns)


def positions_of(folder: Path, ids: Iterable[str]) -> dict[str, int]:
    """Return the first position of each id that a folder has.

    In a ledger a row that names itself as witness (an exact duplicate) is passed over: it is not the row meant.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, found, start = pa.array(sorted(set(ids)), pa.string()), dict[str, int](), 0
    for path in shard_paths(folder) if len(wanted) else ():
        ledger = "witness_id" in schema_of(path).names
        table = read_table(path, ["id", "witness_id"] if ledger else ["id"])
        hits = np.flatnonzero(pc.is_in(table.column("id"), value_set=wanted).to_numpy())
        for at, row in zip(hits.tolist(), table.take(hits).to_pylist(), strict=True):
            if row.get("witness_id") != row["id"]:
                found.setdefault(row["id"], start + at)
        start += len(table)
    return found


def drops(out: Path, found: list[Group]) -> list[list[dict[str, Any]]]:
    """Return, for each group, its shown rows as {row, witness, where}.

    `where` says what the witness is: `none` (the row names none), `kept`, `dropped` (kept by that stage, dropped by a
    later one), or `elsewhere` (in neither folder: a row of another set).
    """
    rows = rows_at(out / "dropped", [at for group in found for at in group.shown])
    named = {row["witness_id"] for row in rows.values() if row["witness_id"]}
    kept = positions_of(out / "kept", named)
    later = positions_of(out / "dropped", named - kept.keys())
    kept_rows = rows_at(out / "kept", kept.values())
    later_rows = rows_at(out / "dropped", later.values())

    def beside(row: Row) -> dict[str, Any]:
        witness = row["witness_id"]
        if witness in kept:
            return {"row": row, "witness": kept_rows[kept[witness]], "where": "kept"}
        if witness in later:
            return {"row": row, "witness": later_rows[later[witness]], "where": "dropped"}
        return {"row": row, "witness": None, "where": "elsewhere" if witness else "none"}

    return [[beside(rows[at]) for at in group.shown] for group in found]
