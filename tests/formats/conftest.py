"""Shared by the tests of formats: real data, files written from literal records, and the round trip."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from export_shapes import told, wrong

from datagen.formats.read import read
from datagen.formats.write import export

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Record = dict[str, Any]


@pytest.fixture
def data() -> Callable[[str], Path]:
    """Give the path of a real data set; skip where the folder is absent."""

    def path(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"no real data here: {DATA / name}")
        return DATA / name

    return path


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write records as JSON Lines."""

    def write(*records: Any, name: str = "in.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
        return path

    return write


@pytest.fixture
def rows(jsonl: Callable[..., Path]) -> Callable[..., list[Record]]:
    """Read records through a file."""

    def of(*records: Any) -> list[Record]:
        return list(read(str(jsonl(*records))))

    return of


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., list[Record]]:
    """Write rows in a format and give the records in the file."""

    def of(rows: list[Record], to: str) -> list[Record]:
        path = tmp_path / f"out.{to}.jsonl"
        export(rows, to, path, with_card=False)
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return of


@pytest.fixture
def check_written(rows: Callable[..., list[Record]], exported: Callable[..., list[Record]]) -> Callable[..., list[Record]]:
    """Assert that an export is in the documented shape, is read as the same rows, and is the same again; give the rows.

    A record that stood in that shape already comes back as it was, types and all.
    """

    def check(to: str, *records: Record, dialect: bool = False) -> list[Record]:
        read_rows = rows(*records)
        assert [row.get("evidence") for row in read_rows] == [None] * len(records)
        back = exported(read_rows, to)
        assert [wrong(to, record) for record in back] == [""] * len(records)
        for record, written in zip(records, back, strict=True):
            if not dialect and not wrong(to, record):
                assert json.dumps(written, sort_keys=True) == json.dumps(record, sort_keys=True)
        again = rows(*back)
        assert [told(row) for row in again] == [told(row) for row in read_rows]
        assert [json.dumps(r) for r in exported(again, to)] == [json.dumps(r) for r in back]
        return read_rows

    return check


@pytest.fixture
def records_of() -> Callable[[Path], list[Record]]:
    """Read the records of a gzipped JSON Lines file without datagen."""

    def of(path: Path) -> list[Record]:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    return of
