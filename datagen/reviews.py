"""Judgements of a person on a sample of a run's rows: kept as they are made, and the rows that come of them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from datagen import review_csv
from datagen.data.rows import LEDGER, ROW, Row, dropped_row, new_row
from datagen.data.shards import ShardWriter, iterate_rows, read_table, schema_of, shard_paths
from datagen.errors import DataError, UsageError, writing
from datagen.json_text import dumps
from datagen.review_csv import DECISIONS, Judgement

__all__ = ["Judgement", "Review", "Taken", "edited", "share", "texts_of"]

STEP = "review"


class Taken(NamedTuple):
    """What was taken from a CSV."""

    judgements: int  # that are new, or others than before
    ids: list[str]  # rows of the file
    notes: list[str]  # what a spreadsheet did to their texts


class Review:
    """The review of one run: OUT/review/judgements.jsonl, a line per judgement as it is made; the last of a row counts."""

    def __init__(self, out: Path) -> None:
        """Open the review of a finished run; raises DataError where it is none."""
        if not (out / "run.json").is_file() or not shard_paths(out / "kept"):
            raise DataError(f"{out} is not a finished run: review takes the folder of one, with its kept rows")
        self.out, self.folder = out, out / "review"
        self._path = self.folder / "judgements.jsonl"

    @property
    def judged(self) -> dict[str, Judgement]:
        """The judgements so far, by row; a last line that a kill cut off is no judgement."""
        found: dict[str, Judgement] = {}
        if self._path.is_file():
            for line in self._path.read_text("utf-8", "replace").split("\n"):
                try:
                    told = Judgement(**json.loads(line)) if line.strip() else None
                except (ValueError, TypeError):
                    continue
                if told is not None and told.decision in DECISIONS:
                    found[told.id] = told
        return found

    def judge(self, one: Judgement) -> None:
        """Write a judgement down; raises UsageError for an edit that leaves nothing to be asked."""
        if one.decision == "edit" and not (one.instruction + one.input).strip():
            raise UsageError("an edit without an instruction; reject the row instead")
        text = self._path.read_bytes() if self._path.is_file() else b""
        with writing(self._path):
            self.folder.mkdir(exist_ok=True)
            self._append("\n" if text and not text.endswith(b"\n") else "", one)

    def _append(self, before: str, one: Judgement) -> None:
        with self._path.open("a", encoding="utf-8") as f:
            f.write(before)
            f.write(dumps(one.__dict__) + "\n")

    def sample(self, n: int, seed: int, source: str | None = None) -> list[Row]:
        """Return the rows to look at: so many of the kept ones, drawn; a larger n holds those of a smaller one.

        Raises:
            UsageError: no row is of that source.
        """
        of = [s for p in shard_paths(self.out / "kept") for s in read_table(p, ["source"]).column("source").to_pylist()]
        order = [at for at, name in enumerate(of) if source in (None, name)]
        if source is not None and not order:
            raise UsageError(f"no kept row is of the source '{source}'; there are: {', '.join(sorted(set(of)))[:200]}")
        random.Random(seed).shuffle(order)
        chosen = {at: rank for rank, at in enumerate(order[:n])}
        rows = [(chosen[at], row) for at, row in enumerate(iterate_rows(self.out / "kept")) if at in chosen]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def write(self) -> dict[str, int]:
        """Write review/kept (accepted rows, and edits as new rows with `parents`) and review/dropped (rejected); return counts.

        What an edit was made of is a row of review/dropped with the reason `edited`, its new row the witness.
        """
        judged, counts = self.judged, dict.fromkeys(DECISIONS, 0)
        seen: set[str] = set()
        extra = [f for f in schema_of(shard_paths(self.out / "kept")[0]).remove_metadata() if f.name not in ROW.names]
        with (
            ShardWriter(self.folder / "kept", pa.schema([*ROW, *extra])) as kept,
            ShardWriter(self.folder / "dropped", pa.schema([*LEDGER, *extra])) as dropped,
        ):
            for row in iterate_rows(self.out / "kept"):
                if (one := judged.get(row["id"])) is None:
                    continue
                counts[one.decision] += 1
                if one.decision == "reject":
                    dropped.add(dropped_row(row, STEP, "rejected", evidence=one.note or None))
                elif one.decision == "edit":
                    new = edited(row, one)
                    if new["id"] not in seen:
                        kept.add(new)
                        seen.add(new["id"])
                    dropped.add(dropped_row(row, STEP, "edited", evidence=one.note or None, witness_id=new["id"]))
                elif row["id"] not in seen:
                    kept.add(row)
                    seen.add(row["id"])
                else:
                    dropped.add(dropped_row(row, STEP, "exact_duplicate", witness_id=row["id"]))
        return counts

    def export(self, path: Path, rows: Sequence[Row]) -> review_csv.Written:
        """Write rows with their judgements to a CSV; an empty decision is one that is still to be made."""
        return review_csv.write(path, rows, self.judged)

    def take(self, path: Path, encoding: str = "") -> Taken:
        """Read judgements from a CSV that `export` wrote and a person filled in.

        A row whose texts were changed is an edit, whatever its decision says, unless it is rejected. What a spreadsheet
        changed by itself (a cell that is full, a character that its encoding lacks) is no edit, and is told.

        Args:
            path: the file; its separator is found.
            encoding: of its text, such as `gb18030`; "" is that of its mark, without one UTF-8.

        Raises:
            DataError: the file cannot be read, or has other columns.
            UsageError: a decision that is none, or a row that the run does not have; or there is no such encoding.
        """
        lines = review_csv.lines_of(path, encoding)
        wanted = {line["id"] for _, line in lines}
        rows = {row["id"]: row for row in iterate_rows(self.out / "kept") if row["id"] in wanted}
        changes = review_csv.Changes()
        before, found, named = self.judged, [], set()
        for position, line in lines:
            one = review_csv.judgement(line, rows, f"{path}, {position}", changes)
            if line["id"] in named:
                raise UsageError(f"{path}, {position}: the row {line['id']} stands twice; keep one of the lines")
            named.add(line["id"])
            if one is not None and before.get(one.id) != one:
                found.append(one)
        for one in found:  # all lines were read: a wrong one leaves nothing half taken
            self.judge(one)
        return Taken(len(found), [line["id"] for _, line in lines if line["id"] in rows], changes.lines(path))


def edited(row: Row, one: Judgement) -> Row:
    """Return the new row of an edit, made of the old one."""
    told = {k: v for k, v in row.items() if k in ROW.names and k not in ("id", "generation")}
    texts = {"instruction": one.instruction, "input": one.input, "output": one.output}
    messages = row["messages"]
    if messages is not None:
        messages = [dict(t) for t in messages]
        last = {"user": one.instruction if not one.input else f"{one.instruction}\n\n{one.input}", "assistant": one.output}
        for role, text in last.items():
            at = next((i for i in range(len(messages) - 1, -1, -1) if messages[i]["role"] == role), None)
            if at is not None and (role == "user" or at == len(messages) - 1):  # an earlier answer is not the row's own
                messages[at]["content"] = text
    new = new_row(**{**told, **texts, "messages": messages, "candidates": None, "parents": [row["id"]]})
    return {**dict.fromkeys(row), **new, "generation": None}  # scores were of the old texts


def share(accepted: int, judged: int) -> tuple[float, float, float]:
    """Return the share of accepted rows and its 95 % interval (Wilson)."""
    if not judged:
        return 0.0, 0.0, 1.0
    z, p = 1.959964, accepted / judged
    middle = (p + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z * math.sqrt(p * (1 - p) / judged + z * z / (4 * judged * judged)) / (1 + z * z / judged)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def texts_of(row: Row) -> Iterator[tuple[str, Any]]:
    """Yield what a reviewer is shown of a row: name and text."""
    if row["system"]:
        yield "system", row["system"]
    if row["messages"] is not None:
        yield from ((t["role"], t["content"] or t["tool_calls"] or "") for t in row["messages"])
    else:
        yield from ((name, row[name]) for name in ("instruction", "input", "output") if row[name])
