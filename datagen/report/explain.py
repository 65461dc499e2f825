"""Every fate of one row: kept, or the stage and reason of its drop, with the witness followed to its own fate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen import reasons
from datagen.data.rows import Row
from datagen.data.shards import read_json, read_shards, read_table, shard_paths
from datagen.errors import DataError, UsageError

ID_DIGITS = 32  # of a row; parents may also be seeds and documents


def fates(folder: Path, prefix: str) -> list[Row]:
    """Return the rows of a run folder whose id begins with `prefix`, in the ledger's order, kept rows last.

    A row made of rows of the run has the key `lineage`: its parents, theirs, and so on, the nearest first. A dropped row has
    the key `reason`, and where that is known `meaning` and `to_keep`, the ways in which such rows stay; one with a witness has
    the key `witness`, the fates of that row, which have the key `of` where it is a row of an earlier run or of a file.

    Raises:
        DataError: the folder is not a finished run, or has no such row.
        UsageError: the prefix fits more than one id.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; explain takes the result of a run")
    if not (folder / "run.json").is_file():
        raise DataError(f"{folder} is not a finished run: it has no run.json; run its command again to complete it")
    found = _rows(folder, prefix)
    for old, new in _rewritten(folder, prefix):
        found += [{**row, "rewritten_from": old} for row in _rows(folder, new) if row["id"] not in {r["id"] for r in found}]
    # A row that was rewritten goes by the id that it was read with, where that is the one that was asked for.
    ids = sorted({r["id"] if r["id"].startswith(prefix) else r["rewritten_from"] for r in found})
    if not ids:
        raise DataError(f"{folder} has no row whose id begins with '{prefix}'")
    if len(ids) > 1:
        raise UsageError(f"'{prefix}' begins {len(ids)} ids, such as {ids[0]} and {ids[1]}; give more of it")
    asking = {s["name"] for s in (read_json(folder / "run.json") or {}).get("stages", ()) if "requests" in s}
    for row in found:
        if known := reasons.find(row.get("reason", ""), row.get("stage", ""), asks_model=row.get("stage") in asking):
            row["meaning"] = known.meaning
            row["to_keep"] = [*known.of_step(row["stage"], asks_model=row["stage"] in asking)]
        if lineage := _lineage(folder, row):
            row["lineage"] = lineage
        if row.get("witness_id"):
            same = row["witness_id"] == row["id"]  # an exact duplicate: the same id
            beside = [f for f in found if f is not row] if same else _rows(folder, row["witness_id"])
            row["witness"] = beside or _elsewhere(folder, row["witness_id"])
    return found


def _lineage(folder: Path, row: Row) -> list[Row]:
    """Return the rows of the run that a row was made of, and what they were made of, the nearest first; each once."""
    found: list[Row] = []
    waiting, known = list(row.get("parents") or ()), {row["id"]}
    while waiting:
        parent = waiting.pop(0)
        if parent in known or len(parent) != ID_DIGITS:
            continue
        known.add(parent)
        for one in _rows(folder, parent)[:1]:
            found.append(one)
            waiting += one.get("parents") or ()
    return found


def _elsewhere(folder: Path, row_id: str) -> list[Row]:
    """Return the fates of a witness that is no row of the run: in the earlier run that it was judged against, or in a file."""
    for rows in sorted(folder.glob("[0-9][0-9]-*/against/rows")):
        if found := _of_shards(rows, row_id):
            return [{**row, "of": "a file that the stage compares with"} for row in found]
    against = (read_json(folder / "run.json") or {}).get("against")
    if not against or not (Path(against) / "run.json").is_file():
        return []
    earlier = Path(against)
    return [{"of": against, **row} for row in _rows(earlier, row_id) or _elsewhere(earlier, row_id)]


def _rewritten(folder: Path, prefix: str) -> list[tuple[str, str]]:
    """Return the old ids that begin so, each with the id that its row has in the end."""
    moved = {r["old_id"]: r["new_id"] for t in read_shards(folder / "rewritten") for r in t.to_pylist()}
    found = []
    for old in [i for i in moved if i.startswith(prefix)]:
        new = old
        while new in moved and moved[new] != old:  # a row may be mended more than once
            new = moved[new]
        found.append((old, new))
    return found


def _rows(folder: Path, prefix: str) -> list[Row]:
    return [row for part in ("dropped", "kept") for row in _of_shards(folder / part, prefix)]


def _of_shards(folder: Path, prefix: str) -> list[Row]:
    found: list[dict[str, Any]] = []
    for path in shard_paths(folder):
        ids = read_table(path, ["id"]).column("id")
        at = pc.indices_nonzero(pc.starts_with(ids, prefix))
        if len(at):
            found += read_table(path).take(pa.array(at)).to_pylist()
    return found
