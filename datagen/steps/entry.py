"""What run.json says of a step, and how its verdict lies on disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.data.dataset import reason_counts
from datagen.data.shards import count_rows, read_shards

COPY = "exact_duplicate"  # the one reason of a step that makes rows which is none of reading
MOST = 8  # kinds of pieces that could not be read, of which a run says the first
_PLACE = re.compile(r"^.{0,2000}?: (?:line|row|element|record|block|rows?) [\d,]+(?: of [^:]{0,200})?: ", flags=re.S)
_VARIES = re.compile(r"'[^']{0,200}'|\"[^\"]{0,200}\"|\d+")
VERSION = 1  # of these steps' results: bump when they change; enters every fingerprint


def entry(name: str, options: Any, rows_in: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    """Return a step's entry of run.json."""
    kept = rows_in - sum(dropped.values())
    return {"name": name, "options": options, "rows_in": rows_in, "rows_kept": kept, "dropped": dropped, **more}


def made(name: str, options: Any, folder: Path) -> dict[str, Any]:
    """The entry of a step that wrote rows/ and dropped/."""
    dropped = reason_counts(read_shards(folder / "dropped", ["reason"]))
    told = {"not_read": lost} if dropped.keys() - {COPY} and (lost := not_read(folder / "dropped")) else {}
    return entry(name, options, count_rows(folder / "rows") + sum(dropped.values()), dropped, makes_rows=True, **told)


def not_read(ledger: Path) -> list[dict[str, Any]]:
    """Return what kinds of pieces could not be read, the most frequent first: {rows, evidence of the first}; MOST at most.

    Pieces are of one kind whose evidence is the same but for its place, what stands in quotes and what follows a colon.
    """
    found: dict[str, list[Any]] = {}
    for table in read_shards(ledger, ["reason", "evidence"]):
        for reason, evidence in zip(*(table.column(n).to_pylist() for n in ("reason", "evidence")), strict=True):
            if reason == COPY or not evidence:
                continue
            said = _PLACE.sub("", evidence).partition(": ")[0]
            kind = found.setdefault(f"{reason} {_VARIES.sub('', said)[:200]}", [0, evidence])
            kind[0] += 1
    most = sorted(found.values(), key=lambda one: -one[0])[:MOST]
    return [{"rows": rows, "evidence": evidence} for rows, evidence in most]


def write_verdict(folder: Path, dropped: pa.Table, repeat: pa.Array | None = None) -> None:
    """Write what a step dropped, and the repeats it set, each under a temporary name that is then renamed."""
    for name, table in (("verdict", dropped), ("repeat", None if repeat is None else pa.table({"repeat": repeat}))):
        if table is not None:
            pq.write_table(table, folder / f".{name}.tmp")
            (folder / f".{name}.tmp").replace(folder / f"{name}.parquet")
