"""A stage that mends text: its rows are new rows, each with the id of the one that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen import options as option_fields
from datagen.data.dataset import Dataset, reason_counts
from datagen.data.rows import LEDGER, REWRITTEN, ROW, row_id
from datagen.data.shards import ShardWriter, fingerprint, read_shards, read_table, rows_in, shard_paths
from datagen.errors import DatagenError
from datagen.recipe import Step
from datagen.stage import ERROR, Stage, not_importable
from datagen.steps.entry import VERSION, entry
from datagen.work import Run, Work

Faults = list[tuple[str, str] | None]  # per row why it goes: reason and evidence


def rewrite(run: Run, step: Step, folder: Path) -> Work:
    """Mend the rows that are left; one that becomes equal to an earlier one is dropped as `exact_duplicate`.

    One that the stage empties is dropped as it stood before, for the stage's reason.
    """
    stage, data = step.options, run.datasets[-1]
    mark = fingerprint(VERSION, step.kind, stage.version, option_fields.values(stage), data.fingerprint, run.tail)

    def work() -> dict[str, Any]:
        alive = data.alive()
        rows_in, changed = int(alive.sum()), 0
        extra = data.added()
        before = [i for earlier in run.earlier for i in earlier.ids(step)]
        run.progress.step(step.name, rows_in, "rows")
        with (
            ShardWriter(folder / "rows", pa.schema([*ROW, *extra])) as kept,
            ShardWriter(folder / "dropped", pa.schema([*LEDGER, *extra])) as dropped,
            ShardWriter(folder / "rewritten", REWRITTEN.remove(2)) as ids,
        ):
            seen = set(before)
            for old, new, errors in _mended(run, stage, data):
                again = _again(new.column("id").to_pylist(), errors, seen)
                moved = pa.table({"old_id": old, "new_id": new.column("id")}, schema=REWRITTEN.remove(2))
                moved = moved.filter(pc.not_equal(moved.column("old_id"), moved.column("new_id")))
                ids.add_table(moved)
                changed += len(moved)
                stays = [not a and e is None for a, e in zip(again, errors, strict=True)]
                kept.add_table(new.filter(pa.array(stays, pa.bool_())))
                dropped.add_table(_ledger(new, step.name, again, errors))
                run.progress.at(kept.rows + dropped.rows)
        lost = reason_counts(read_shards(folder / "dropped", ["reason"]))
        return entry(step.name, option_fields.values(stage), rows_in, lost, rewritten=changed)

    return Work(mark, work, rows=True, moved=True)


def _mended(run: Run, stage: Stage, data: Dataset) -> Iterator[tuple[pa.Array, pa.Table, Faults]]:
    """Yield the old ids, the mended rows and the errors of each shard's living rows, in order."""
    alive, start = data.alive(), 0
    tasks = []
    for path, size in [(p, rows_in(p)) for p in shard_paths(data.rows)]:
        tasks.append((stage, str(path), np.flatnonzero(alive[start : start + size])))
        start += size
    overlaid = any(layer.columns for layer in data.layers)
    wholes = data.kept() if overlaid else [None] * len(tasks)
    for (new, errors), whole in zip(run.engine.map(mend_shard, tasks), wholes, strict=True):
        old = new.column("old_id").combine_chunks()
        new = new.drop_columns(["old_id"])
        if whole is not None:  # what earlier stages set
            for name in whole.column_names:
                if name not in ROW.names or name in ("language", "tags", "repeat"):
                    at = new.schema.get_field_index(name)
                    column = whole.column(name)
                    new = new.append_column(name, column) if at < 0 else new.set_column(at, new.schema.field(at), column)
        yield old, new, errors


def mend_shard(task: tuple[Stage, str, Any]) -> tuple[pa.Table, Faults]:
    """Mend some rows of one shard; return them with their `old_id`, and per row why it broke. In a process of the engine."""
    stage, source, positions = task
    rows = read_table(source).take(pa.array(positions))
    return mended(stage, rows)


def mended(stage: Stage, rows: pa.Table) -> tuple[pa.Table, Faults]:
    """Return rows as a stage mends them, with new ids and `old_id`; a batch that raises is halved down to the row."""
    try:
        new = stage.rewrite(rows)
        faults: Faults = [None] * len(rows)
        if "reason" in new.column_names:
            told = zip(new.column("reason").to_pylist(), new.column("evidence").to_pylist(), strict=True)
            faults = [None if reason is None else (reason, evidence) for reason, evidence in told]
            new = new.drop_columns(["reason", "evidence"])
        new = _identified(rows, new)
        if any(faults):  # they go as they stood
            both = pa.concat_tables([new, rows.append_column("old_id", rows.column("id"))])
            new = both.take(pa.array([len(new) + i if fault else i for i, fault in enumerate(faults)], pa.int64()))
        return new, faults
    except DatagenError:
        raise
    except ImportError as e:  # it would fail at each row
        raise not_importable(stage, e) from None
    except Exception as e:  # noqa: BLE001 - whatever a row does to a stage, the row is a ledger row
        if len(rows) < 2:
            return rows.append_column("old_id", rows.column("id")), [(ERROR, f"{type(e).__name__}: {e}")] * len(rows)
        half = len(rows) // 2
        (left, first), (right, second) = mended(stage, rows.slice(0, half)), mended(stage, rows.slice(half))
        return pa.concat_tables([left, right]), [*first, *second]


def _identified(old: pa.Table, new: pa.Table) -> pa.Table:
    """Return mended rows with the ids of their new texts, and `old_id`."""
    ids = old.column("id").to_pylist()
    said = ["instruction", "input", "output", "system", "messages", "tools", "candidates"]
    differ = np.zeros(len(old), bool)
    for name in said:
        a, b = old.column(name), new.column(name)
        if not a.equals(b):
            differ |= np.array([x != y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)])
    at = np.flatnonzero(differ)
    for i, row in zip(at.tolist(), new.take(pa.array(at)).to_pylist(), strict=True):
        ids[i] = row_id(row)
    fresh = new.set_column(new.schema.get_field_index("id"), ROW.field("id"), pa.array(ids, pa.string()))
    return fresh.append_column("old_id", old.column("id"))


def _again(ids: list[str], errors: Faults, seen: set[str]) -> list[bool]:
    """Say of each row whether an earlier one has its id, and remember it."""
    found = []
    for row, error in zip(ids, errors, strict=True):
        found.append(error is None and row in seen)
        if error is None:
            seen.add(row)
    return found


def _ledger(new: pa.Table, step: str, again: list[bool], errors: Faults) -> pa.Table:
    """The ledger rows of what was not kept."""
    at = [i for i, (a, e) in enumerate(zip(again, errors, strict=True)) if a or e is not None]
    told = [errors[i] or ("exact_duplicate", None) for i in at]
    rows = new.take(pa.array(at, pa.int64()))
    rows = rows.append_column("stage", pa.array([step] * len(at), pa.string()))
    rows = rows.append_column("reason", pa.array([reason for reason, _ in told], pa.string()))
    same = [new.column("id")[i].as_py() if again[i] else None for i in at]
    return rows.append_column("witness_id", pa.array(same, pa.string())).append_column(
        "evidence", pa.array([evidence for _, evidence in told], pa.string())
    )
