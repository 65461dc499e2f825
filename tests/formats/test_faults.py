"""Faults inside one record: each is a ledger row that names them, the rows beside it are read, and none is a crash."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from datagen.data.rows import LEDGER, ROW, new_row, table_of, turn
from datagen.errors import DataError
from datagen.formats import json_values, jsonl
from datagen.formats.read import read

GOOD = '{"instruction": "Name a lake.", "output": "Baikal."}\n'


def of(path: Path, content: bytes | str):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read(str(path)))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"instruction": "first", "instruction": "second", "output": "x"}', "instruction"),
        ('{"instruction": "a", "output": "x", "meta": {"n": [{"k": 1, "k": 1}]}}', "k"),
        ('{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}', "content"),
        ('{"instruction": "a", "\\u006futput": "x", "output": "y"}', "output"),
    ],
)
@pytest.mark.parametrize("form", ["lines", "array", "beautiful"])
def test_a_key_that_stands_twice_is_a_ledger_row_and_never_the_last_one(tmp_path, line, key, form):
    good = GOOD.strip()
    content = {
        "lines": f"{good}\n{line}\n{good}\n",
        "array": f"[{good}, {line}, {good}]",
        "beautiful": "{\n" + good[1:] + f"\n{line}\n{good}\n",
    }[form]
    first, bad, last = of(tmp_path / "in.json", content)
    assert first["output"] == last["output"] == "Baikal."
    assert bad["reason"] == "unreadable"
    assert f"the key '{key}' stands twice" in bad["evidence"]
    assert json.loads(bad["extra"])["raw"].strip() == line


def test_a_file_of_such_rows_alone_is_ledger_rows_too(tmp_path):
    (bad,) = of(tmp_path / "in.jsonl", '{"instruction": "a", "instruction": "b", "output": "x"}\n')
    assert bad["reason"] == "unreadable"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_pandas_writes_for_missing_is_missing(tmp_path, value):
    rows = of(tmp_path / "in.json", f'[{{"instruction": "a", "input": {value}, "output": "b", "n": {value}}}]')
    assert (rows[0]["input"], rows[0]["output"]) == ("", "b")
    assert json.loads(rows[0]["extra"])["n"] is None
    assert value not in rows[0]["extra"]


def test_a_number_without_end_is_a_ledger_row(tmp_path):
    good, bad = of(tmp_path / "in.jsonl", GOOD + '{"instruction": "a", "output": "b", "n": 1e999}\n')
    assert good["output"] == "Baikal."
    assert "the number 1e999 is too large" in bad["evidence"]


def native(path: Path, rows, **columns):
    table = table_of(rows)
    for name, values in columns.items():
        values = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, ROW.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), pa.field(name, values.type), values)
    pq.write_table(table, path)
    return list(read(str(path)))


ROWS = [new_row(instruction=f"Name city {n}.", output=f"City {n}.") for n in range(3)]


@pytest.mark.parametrize("column", [f.name for f in ROW if not f.nullable])
def test_null_where_our_own_format_has_a_value_is_a_ledger_row(tmp_path, column):
    values = [r[column] for r in ROWS]
    values[1] = None
    one, bad, other = native(tmp_path / "in.parquet", ROWS, **{column: values})
    assert (one["output"], other["output"]) == ("City 0.", "City 2.")
    assert bad["evidence"].startswith(f"in.parquet: row 2: the column '{column}' is null")
    assert json.loads(json.loads(bad["extra"])["raw"])[column] is None


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"repeat": [1, 0, 1]}, "'repeat' is 0"),
        ({"repeat": [1, -5, 1]}, "'repeat' is -5"),
        ({"repeat": [1, 2**31 - 1, 1]}, "'repeat' is 2,147,483,647"),
        ({"extra": ["", "not json", ""]}, "'extra' is no JSON"),
        ({"extra": ["", "[1]", ""]}, "'extra' is no JSON object"),
        ({"extra": ["", '{"a": 1, "a": 2}', ""]}, "the key 'a' stands twice"),
        ({"messages": [None, [None], None]}, "'messages' holds a null"),
        ({"messages": [None, [turn("user", "a"), {"content": "b"}], None]}, "'messages' holds a null"),
        ({"messages": [None, [turn("narrator", "a"), turn("assistant", "b")], None]}, "the role 'narrator'"),
        ({"messages": [None, [turn("<|im_end|>", "a"), turn("assistant", "b")], None]}, "the role '<|im_end|>'"),
        ({"candidates": [None, [{"score": 1.0}], None]}, "'candidates' holds a null"),
        ({"tags": [["a"], [None], ["b"]]}, "'tags' holds a null"),
        ({"parents": [["a"], ["a", None], ["b"]]}, "'parents' holds a null"),
        ({"repeat": pa.array(["1", "many", "1"])}, "'repeat' must hold int32"),
        ({"repeat": pa.array([1, 2**40, 1])}, "'repeat' must hold int32"),
        ({"repeat": pa.array([1.0, 1.5, 1.0])}, "'repeat' must hold int32"),
    ],
)
def test_a_damaged_value_of_our_own_format_costs_its_row(tmp_path, columns, said):
    one, bad, other = native(tmp_path / "in.parquet", ROWS, **columns)
    assert (one["output"], other["output"]) == ("City 0.", "City 2.")
    assert bad["reason"] == "unreadable" and said in bad["evidence"]


def test_rows_that_pandas_or_polars_wrote_again_are_still_rows(tmp_path):
    rows = [{**ROWS[0], "repeat": 3}, ROWS[1]]
    wide = {n: pa.array([r[n] for r in rows], pa.large_string()) for n in ("instruction", "output", "extra")}
    back = native(tmp_path / "in.parquet", rows, repeat=pa.array([3, 1], pa.int64()), tags=pa.nulls(2), **wide)
    assert back == rows


def broken_text(values: list[bytes]) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


@pytest.mark.parametrize("ours", [True, False])
def test_bytes_that_are_no_utf8_in_parquet_cost_their_row(tmp_path, ours):
    texts = broken_text([b"City 0.", b"caf\xe9", b"City 2."])
    if ours:
        one, bad, other = native(tmp_path / "in.parquet", ROWS, output=texts)
    else:
        pq.write_table(pa.table({"instruction": ["a", "b", "c"], "output": texts}), tmp_path / "in.parquet")
        one, bad, other = read(str(tmp_path / "in.parquet"))
    assert (one["output"], other["output"]) == ("City 0.", "City 2.")
    assert "not UTF-8: byte 0xe9" in bad["evidence"]
    assert "caf\\\\xe9" in json.loads(bad["extra"])["raw"]


def test_a_file_of_our_own_without_one_good_row_is_ledger_rows(tmp_path):
    rows = native(tmp_path / "in.parquet", ROWS, repeat=[-1, -1, -1])
    assert [r["reason"] for r in rows] == ["unreadable"] * 3


def test_two_columns_of_one_name_are_said(tmp_path):
    table = pa.table([["a"], ["b"], ["c"]], names=["instruction", "output", "output"])
    pq.write_table(table, tmp_path / "in.parquet")
    (bad,) = read(str(tmp_path / "in.parquet"))
    assert "two columns are named 'output'" in bad["evidence"]


def test_nan_in_parquet_is_missing(tmp_path):
    table = pa.table({"instruction": ["a"], "output": ["b"], "n": [float("nan")], "m": [{"x": [float("inf"), 1.5]}]})
    pq.write_table(table, tmp_path / "in.parquet")
    (row,) = read(str(tmp_path / "in.parquet"))
    assert json.loads(row["extra"]) == {"n": None, "m": {"x": [None, 1.5]}, "_shape": json.loads(row["extra"])["_shape"]}


def test_a_damaged_row_group_costs_its_rows_and_not_those_behind_it(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(table_of([new_row(instruction=str(n), output="x") for n in range(300)]), path, row_group_size=100)
    raw = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    raw[at : at + 40] = b"\xff" * 40
    path.write_bytes(raw)
    rows = list(read(str(path)))
    assert [r["instruction"] for r in rows if "reason" not in r] == [*map(str, range(100)), *map(str, range(200, 300))]
    assert [r["evidence"][:35] for r in rows if "reason" in r] == ["in.parquet: row 101 to 200: the fil"]


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("form", ["line", "array"])
def test_what_is_too_long_is_a_ledger_row_with_its_beginning(tmp_path, monkeypatch, pack, form):
    for module in (json_values, jsonl):
        monkeypatch.setattr(module, "LONGEST", 1 << 16)
    bomb = '{"instruction": "' + "x" * 3_000_000 + '", "output": "y"}'
    content = f"{GOOD}{bomb}\n{GOOD}" if form == "line" else f"[{GOOD}, {bomb}, {GOOD}]"
    rows = of(tmp_path / "in.jsonl", pack(content.encode()))
    assert ["reason" in r for r in rows] == [False, True, False]
    assert "are read" in rows[1]["evidence"] or "are not read" in rows[1]["evidence"]
    assert json.loads(rows[1]["extra"])["raw"].startswith('{"instruction": "xxx')
    assert len(rows[1]["extra"]) < 1_100_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("content", [GOOD, f"[{GOOD}]", "instruction,output\nName a lake.,Baikal.\n"])
def test_a_mark_names_the_encoding(tmp_path, encoding, content):
    mark = "\ufeff" if encoding.endswith("e") else ""
    (row,) = of(tmp_path / "in", (mark + content).encode(encoding))
    assert (row["instruction"], row["output"]) == ("Name a lake.", "Baikal.")


@pytest.mark.parametrize("said", ["请解释光合作用", "เมืองหลวงของประเทศ", "Où est la forêt ?", "Столица Франции"])
@pytest.mark.parametrize("strange", [b"q \xff", "你好，世界".encode("gb18030"), "สวัสดีครับ".encode("cp874")])
def test_a_broken_piece_of_a_file_in_utf_8_gets_no_encoding_for_all(tmp_path, said, strange):
    good = b'{"instruction": "%s", "output": "x"}\n' % said.encode()
    (tmp_path / "in.jsonl").write_bytes(good * 2 + b'{"instruction": "%s", "output": "x"}\n' % strange)
    evidence = [row["evidence"] for row in read(str(tmp_path / "in.jsonl")) if "reason" in row]
    assert len(evidence) == 1
    assert "so this piece is broken" in evidence[0]
    assert "--encoding" not in evidence[0]


def test_bytes_of_another_encoding_are_said_with_a_guess(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("instruction,output\n植物如何进行光合作用,植物把光能变成化学能\n".encode("gbk"))
    with pytest.raises(DataError, match=r"not UTF-8; it reads as gb18030, which is a guess: --encoding gb18030"):
        list(read(str(path)))


def test_an_arrow_stream_and_file_are_rows(tmp_path):
    table = pa.table({"instruction": ["a", "b"], "output": ["1", "2"]})
    for name, opened in (("s.arrow", pa.ipc.new_stream), ("f.arrow", pa.ipc.new_file)):
        with opened(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
        assert [r["output"] for r in read(str(tmp_path / name))] == ["1", "2"]
    cut = (tmp_path / "s.arrow").read_bytes()[:-60]
    rows = of(tmp_path / "cut.arrow", cut)
    assert (rows[0]["output"], "the file breaks off" in rows[-1]["evidence"]) == ("1", True)


HALF = [r'"half a \ud800 character"', r'{"instruction": "Name a moon.", "output": [{"a": "\ud800"}, 1]}']


@pytest.mark.parametrize("line", HALF)
def test_half_a_character_in_what_is_wrong_costs_its_row_alone(tmp_path, line):
    (tmp_path / "in.jsonl").write_text('{"instruction": "Name a moon.", "output": "Io."}\n' + line + "\n")
    kept, lost = read(str(tmp_path / "in.jsonl"))
    assert lost["reason"] == "unreadable" and "\\ud800" in lost["evidence"] and kept["output"] == "Io."
    pa.Table.from_pylist([lost], schema=LEDGER)


@pytest.mark.parametrize(
    ("value", "times", "said"),
    [
        (2, 2, ""), (1, 1, ""), (2.0, 2, ""), ("3", 3, ""), (0, 0, "'repeat' is 0;"), (-3, 0, "'repeat' is -3;"),
        ("-1", 0, "'repeat' is -1;"), (1.5, 0, "'repeat' is 1.5;"), (10**9, 0, "is 1,000,000,000"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_how_often_a_row_is_taken_is_read_from_every_container(tmp_path, capsys, name, value, times, said):
    record = {"instruction": "问", "output": "答", "repeat": value}
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist([{**record, "repeat": one} for one in (1.0, float(value))]), path)
    elif name == "a.csv":
        path.write_text(f"instruction,output,repeat\n问,答,1\n问,答,{value}\n")
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in ({**record, "repeat": 1}, record)))
    *_, last = read(str(path))
    if said:
        said = said.removesuffix(";")  # 0 is 0.0 in a column of floats
        assert last["reason"] == "unreadable" and said in last["evidence"] and "give it another name" in last["evidence"]
    else:
        assert last["repeat"] == times and '"repeat"' not in last["extra"]
    assert ("is taken several times" in capsys.readouterr().err) == (times > 1)


@pytest.mark.parametrize("value", ["often", True, None, "", [2], "2 times"])
def test_a_repeat_that_is_no_number_is_a_field_like_another(tmp_path, value):
    (tmp_path / "a.jsonl").write_text(json.dumps({"instruction": "a", "output": "b", "repeat": value}))
    (row,) = read(str(tmp_path / "a.jsonl"))
    assert row["repeat"] == 1 and json.loads(row["extra"])["repeat"] == value


@pytest.mark.parametrize("text", ['[["What is red?", "A colour."]]', '[["ถาม"], ["ตอบ"]]'])
def test_values_without_names_say_how_they_are_written_with_them(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"found a list, whose values have no names \(pandas: to_json\(orient='records'"):
        list(read(str(tmp_path / "a.json")))
