"""Parquet: rows of datagen come back whole, scores and all; other tables are records."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.data.rows import ROW, new_row, table_of, turn
from datagen.errors import DataError
from datagen.formats import parquet
from datagen.formats.read import read
from datagen.formats.write import export


def full_row(**more):
    row = new_row(
        instruction="c",
        output="d",
        system="s",
        messages=[turn("user", "a", weight=0.0), turn("assistant", None, tool_calls="[]"), turn("assistant", "d")],
        tools="[]",
        candidates=[{"text": "d", "score": 0.5, "source": "m"}],
        source="x",
        language="th",
        parents=["p"],
        tags=["t"],
        repeat=3,
        extra='{"topic": "y"}',
        generation={
            "model": "m",
            "prompt_hash": "h",
            "request_key": "k",
            "input_tokens": 1,
            "output_tokens": 2,
            "reasoning_tokens": None,
            "cost_usd": 0.25,
        },
    )
    return {**row, **more}


def test_rows_come_back_whole(tmp_path):
    rows = [full_row(), new_row(instruction="a", output="b")]
    path = tmp_path / "rows.parquet"
    assert export(rows, "parquet", path).rows == 2
    assert list(read(str(path))) == rows
    assert pq.read_schema(path) == ROW


def test_scores_are_columns_then_extra_then_columns_again(tmp_path):
    rows = [full_row(ifd=0.5, tags2=["a"]), full_row(instruction="z", ifd=None)]
    export(rows, "parquet", tmp_path / "1.parquet")
    assert pq.read_table(tmp_path / "1.parquet").column("ifd").to_pylist() == [0.5, None]
    back = list(read(str(tmp_path / "1.parquet")))
    assert json.loads(back[0]["extra"])["ifd"] == 0.5
    assert set(back[0]) == set(ROW.names)
    export(back, "parquet", tmp_path / "2.parquet")
    assert pq.read_table(tmp_path / "1.parquet").equals(pq.read_table(tmp_path / "2.parquet"))


def test_the_same_rows_give_the_same_bytes_in_groups_of_one_size(tmp_path):
    rows = [new_row(instruction=str(i), output="x") for i in range(20_000)]
    for name in ("a", "b"):
        parquet.write(rows, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    metadata = pq.read_metadata(tmp_path / "a")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [8192, 8192, 3616]


def test_a_score_that_comes_late_widens_the_file(tmp_path):
    rows = [new_row(instruction=str(i), output="x") for i in range(9000)]
    rows += [{**new_row(instruction="late", output="x"), "ifd": 1, "why": "w"} for _ in range(8000)]
    rows += [{**new_row(instruction="later", output="x"), "ifd": 0.5} for _ in range(9000)]
    export(rows, "parquet", tmp_path / "rows.parquet", with_card=False)
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column("ifd").to_pylist() == [None] * 9000 + [1.0] * 8000 + [0.5] * 9000
    assert table.column("instruction").to_pylist() == [r["instruction"] for r in rows]
    assert list(tmp_path.iterdir()) == [tmp_path / "rows.parquet"]


def test_no_rows_give_an_empty_file(tmp_path):
    export([], "parquet", tmp_path / "rows.parquet")
    assert list(read(str(tmp_path / "rows.parquet"))) == []


def test_the_id_is_computed_anew(tmp_path):
    pq.write_table(table_of([{**full_row(), "id": "forged"}]), tmp_path / "rows.parquet")
    (row,) = read(str(tmp_path / "rows.parquet"))
    assert row["id"] == full_row()["id"]


def test_name_goes_to_source_and_the_old_one_to_extra(tmp_path):
    pq.write_table(table_of([full_row()]), tmp_path / "rows.parquet")
    (row,) = read(str(tmp_path / "rows.parquet"), name="mine")
    assert (row["source"], json.loads(row["extra"])) == ("mine", {"topic": "y", "source": "x"})


def test_any_other_table_is_records(tmp_path):
    table = pa.Table.from_pylist(
        [
            {
                "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}],
                "raw": b"\xff",
                "n": 1,
            },
            {"messages": None, "raw": None, "n": None},
        ]
    )
    pq.write_table(table, tmp_path / "chat.parquet")
    good, bad = read(str(tmp_path / "chat.parquet"))
    assert (good["instruction"], good["output"]) == ("Hi", "Yo")
    assert bad["evidence"].startswith("chat.parquet: row 2: no known fields")


def test_a_damaged_file_keeps_the_groups_before_the_damage(tmp_path):
    rows = [new_row(instruction=str(i), output="x") for i in range(20_000)]
    path = tmp_path / "rows.parquet"
    parquet.write(rows, path)
    raw = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(2).column(1).data_page_offset
    raw[at : at + 40] = b"\xff" * 40
    path.write_bytes(raw)
    back = list(read(str(path)))
    good = [r for r in back if "reason" not in r]
    assert [r["instruction"] for r in good] == [str(i) for i in range(len(good))]
    assert 0 < len(good) < 20_000
    assert len(back) == len(good) + 1


def test_a_file_that_is_cut_off_says_so(tmp_path):
    path = tmp_path / "rows.parquet"
    parquet.write([full_row()], path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"rows\.parquet: not a readable Parquet file .* copy it again"):
        list(read(str(path)))
