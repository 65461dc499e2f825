"""Reading: containers told by content, broken input kept as ledger rows, maps."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import tracemalloc
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from datagen.data.rows import LEDGER, ROW, dropped_row, table_of
from datagen.errors import DataError, UsageError
from datagen.formats.read import Source, read
from datagen.formats.streams import head

A = {"instruction": "Add.", "input": "", "output": "4"}
B = {"instruction": "ลบ", "input": "", "output": "零"}
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in (A, B)).encode()


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def texts(path: str, **options):
    return [(r["instruction"], r["output"]) for r in read(path, **options)]


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        b"\xef\xbb\xbf" + LINES,
        LINES.replace(b"\n", b"\r\n"),
        b"\n\n" + LINES.replace(b"\n", b"\n\n  \n"),
        LINES.rstrip(),
        json.dumps([A, B]).encode(),
        b"\xef\xbb\xbf\n " + json.dumps([A, B], indent=2, ensure_ascii=False).encode(),
        json.dumps([A, B]).encode().replace(b"}]", b"},]"),
        (json.dumps(A, indent=1) + "\n" + json.dumps(B, indent=4)).encode(),
        (json.dumps(A) + json.dumps(B)).encode(),
        (json.dumps(A) + " " + json.dumps(B) + "\n").encode(),
        gzip.compress(LINES, mtime=0),
        gzip.compress(LINES.splitlines(keepends=True)[0], mtime=0) + gzip.compress(LINES.splitlines(keepends=True)[1], mtime=0),
        gzip.compress(LINES, mtime=0) + b"\0" * 100,
        zstandard.compress(LINES),
        zstandard.compress(json.dumps([A, B]).encode()),
        bz2.compress(LINES),
        bz2.compress(LINES[:20]) + bz2.compress(LINES[20:]),
        lzma.compress(LINES),
        lzma.compress(json.dumps([A, B]).encode()) + bytes(8),
        "instruction,input,output\nAdd.,,4\nลบ,,零\n".encode(),
        "\ufeffinstruction\tinput\toutput\nAdd.\t\t4\n\nลบ\t\t零\n".encode(),
        "output;instruction\n4;Add.\n零;ลบ\n".encode(),
        'question|answer\n"Add."|4\nลบ|"零"'.encode(),
        gzip.compress("prompt,completion\nAdd.,4\nลบ,零\n".encode(), mtime=0),
    ],
)
def test_the_content_decides_how_a_file_is_read(tmp_path, content):
    assert texts(write(tmp_path / "no-suffix", content)) == [("Add.", "4"), ("ลบ", "零")]


def test_parquet_is_known_by_content(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([A, B]), tmp_path / "no-suffix")
    assert texts(str(tmp_path / "no-suffix")) == [("Add.", "4"), ("ลบ", "零")]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b" [\n]\n", gzip.compress(b"", mtime=0), b"instruction,output\n"])
def test_an_empty_file_has_no_rows_and_is_no_error(tmp_path, content):
    assert list(read(write(tmp_path / "empty.jsonl", content))) == []


def test_a_text_without_rows_is_an_error_where_rows_are_needed(tmp_path):
    for content in (b"", b"[]", b"instruction,output\n"):
        with pytest.raises(DataError, match=r"empty\.jsonl: nothing to read, not one row; check the input"):
            list(read(write(tmp_path / "empty.jsonl", content), needs_rows=True))


def test_files_of_a_folder_that_hold_no_row_are_named(tmp_path, capsys):
    for name, content in (("a.jsonl", LINES), ("b.jsonl", b""), ("c.csv", b"instruction,output\n")):
        write(tmp_path / name, content)
    assert len(list(read(str(tmp_path), needs_rows=True))) == 2
    assert "2 of its 3 files hold no row: b.jsonl, c.csv" in capsys.readouterr().err


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_what_is_packed_by_bzip2_or_xz_and_cut_off_keeps_what_was_whole(tmp_path, pack):
    packed = pack(LINES * 20)
    rows = list(read(write(tmp_path / "in.jsonl", pack(LINES) + packed[: len(packed) // 2])))
    assert [r["output"] for r in rows if "reason" not in r][:2] == ["4", "零"]
    assert "the file breaks off" in rows[-1]["evidence"]


@pytest.mark.parametrize("pack", [bz2.compress, partial(lzma.compress, preset=0)])  # with a dictionary of 256 kB
def test_a_bomb_of_bzip2_or_xz_is_unpacked_in_steps(tmp_path, pack):
    path = Path(write(tmp_path / "in.jsonl", pack(b" " * (4 << 20))))
    tracemalloc.start()
    start = head(path, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(start), peak < 2 << 20) == (10, True)


@pytest.mark.parametrize("first", [b'"a text"', b"42", b"null", b'tion": "x", "output": "y"}', b"# exported", "“说”".encode()])
@pytest.mark.parametrize("times", [1, 3])
def test_a_broken_first_line_of_json_lines_is_one_ledger_row(tmp_path, first, times):
    bad, *good = read(write(tmp_path / "in.jsonl", first + b"\n" + LINES * times))
    assert bad["evidence"].startswith("in.jsonl: line 1: ")
    assert [r["output"] for r in good] == ["4", "零"] * times


def test_a_broken_line_is_a_ledger_row_and_the_rest_is_read(tmp_path):
    path = write(tmp_path / "in.jsonl", LINES + b'{"instruction": "x", \n' + LINES)
    rows = list(read(path, name="mine"))
    assert [r["instruction"] for r in rows] == ["Add.", "ลบ", "", "Add.", "ลบ"]
    broken = rows[2]
    assert set(broken) == set(LEDGER.names)
    assert (broken["stage"], broken["reason"], broken["source"]) == ("input", "unreadable", "mine")
    assert broken["evidence"].startswith("in.jsonl: line 3: not JSON")
    assert '{"instruction": "x",' in broken["evidence"]
    assert "\n" not in broken["evidence"]
    assert json.loads(broken["extra"]) == {"raw": '{"instruction": "x", \n'}
    assert set(broken) == set(LEDGER.names) and pa.Table.from_pylist([broken], schema=LEDGER).num_rows == 1


def test_the_id_of_an_unreadable_piece_is_of_its_file_place_and_bytes(tmp_path):
    one = list(read(write(tmp_path / "a.jsonl", LINES + b"{oops\n{oops\n")))[2:]
    again = list(read(write(tmp_path / "a.jsonl", LINES + b"{oops\n{oops\n")))[2:]
    other = list(read(write(tmp_path / "b.jsonl", LINES + b"{oops\n")))[2:]
    assert [r["id"] for r in one] == [r["id"] for r in again]
    assert len({r["id"] for r in one + other}) == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"instruction": "caf\xe9", "output": "x"}', "not UTF-8"),
        (b'{"instruction": "\\ud800", "output": "x"}', "lone surrogate"),
        (b'{"instruction": "a", "output": "x", "note": "\\udc00"}', "lone surrogate"),
        (b"[1, 2]", "expected an object"),
        (b'"text"', "expected an object"),
        (b"{}", "no known fields"),
        (b'{"text": "a document"}', "no known fields; it has: text"),
        (b'{"instruction": "a"} trailing', "not JSON"),
        (b'{"instruction": "tab\tinside"}', "not JSON"),
        (b'{"instruction": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"instruction": "a", "n": ' + b"9" * 5000 + b"}", "integer"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, line, problem):
    rows = list(read(write(tmp_path / "in.jsonl", LINES + line + b"\n" + LINES)))
    bad = [r for r in rows if "reason" in r]
    assert len(rows) - len(bad) >= 4
    assert len(bad) == 1
    assert problem in bad[0]["evidence"]


def test_a_surrogate_pair_is_a_character(tmp_path):
    assert texts(write(tmp_path / "in.jsonl", b'{"instruction": "\\ud83d\\ude00", "output": "x"}')) == [("😀", "x")]


def test_big_numbers_keep_their_digits_and_nan_is_missing(tmp_path):
    line = b'{"instruction": 12345678901234567890123, "output": "x", "score": NaN}'
    (row,) = read(write(tmp_path / "in.jsonl", line))
    assert row["instruction"] == "12345678901234567890123"
    assert json.loads(row["extra"])["score"] is None


def test_a_broken_array_element_is_one_row_and_reading_goes_on(tmp_path):
    text = json.dumps([A, A, B]).replace('"Add.", "input"', '"Add." "input"', 2).replace('"Add." "input"', '"Add.", "input"', 1)
    rows = list(read(write(tmp_path / "in.json", text.encode())))
    assert [(r["instruction"], "reason" in r) for r in rows] == [("Add.", False), ("", True), ("ลบ", False)]
    assert rows[1]["evidence"].startswith("in.json: element 2: not JSON")


def test_an_array_that_is_cut_off_keeps_what_was_whole(tmp_path):
    rows = list(read(write(tmp_path / "in.json", json.dumps([A, B])[:-20].encode())))
    assert [(r["instruction"], "reason" in r) for r in rows] == [("Add.", False), ("", True)]


def test_bytes_in_an_array_that_are_not_utf8_cost_one_element(tmp_path):
    raw = json.dumps([A, {**A, "input": "cafe"}, B], ensure_ascii=False).encode().replace(b"cafe", b"caf\xe9")
    rows = list(read(write(tmp_path / "in.json", raw)))
    assert ["reason" in r for r in rows] == [False, True, False]
    assert "not UTF-8" in rows[1]["evidence"]
    assert "caf\\\\xe9" in rows[1]["extra"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("kind", ["lines", "array", "csv"])
def test_a_truncated_archive_keeps_the_rows_before_the_break(tmp_path, pack, kind):
    records = [{"instruction": os.urandom(50).hex(), "output": str(i)} for i in range(8000)]  # some blocks of each packer
    content = {
        "lines": "".join(json.dumps(r) + "\n" for r in records),
        "array": json.dumps(records),
        "csv": "instruction,output\n" + "".join(f"{r['instruction']},{r['output']}\n" for r in records),
    }[kind].encode()
    packed = pack(content)
    rows = list(read(write(tmp_path / "in", packed[: len(packed) // 2])))
    good = [r for r in rows if "reason" not in r]
    assert 2_000 < len(good) < 6_000
    assert [r["output"] for r in good] == [str(i) for i in range(len(good))]
    assert len(rows) == len(good) + 1
    assert "the file breaks off" in rows[-1]["evidence"]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [("a,b\n", "2 cells where the header has 3"), ("a,b,c,d\n", "4 cells"), ("caf\xe9,b,c\n", "UTF-8")],
)
def test_a_csv_row_that_does_not_fit_is_a_ledger_row(tmp_path, cells, problem):
    content = b"instruction,input,output\nx,y,z\n" + cells.encode("latin-1") + b'"many\nlines",,""\n'
    rows = list(read(write(tmp_path / "in.csv", content)))
    assert ["reason" in r for r in rows] == [False, True, False]
    assert problem in rows[1]["evidence"]
    assert rows[2]["instruction"] == "many\nlines"


def test_a_long_cell_is_read(tmp_path):
    (row,) = read(write(tmp_path / "in.csv", b"instruction,output\nx," + b"y" * 500_000))
    assert len(row["output"]) == 500_000


def test_columns_of_the_same_name_are_all_kept(tmp_path):
    (row,) = read(write(tmp_path / "in.csv", b"instruction,output,note,note\na,b,1,2\n"))
    assert json.loads(row["extra"])["note_2"] == "2"


@pytest.mark.parametrize("content", [b"just some prose\nwithout columns\n", b'{"text": "a"}\n', b"[1, 2]", b"PAR1 not really"])
def test_a_file_without_any_row_is_an_error_of_one_line(tmp_path, content):
    with pytest.raises(DataError) as error:
        list(read(write(tmp_path / "in.jsonl", content)))
    message = str(error.value)
    assert "in.jsonl" in message and "\n" not in message
    if not content.startswith(b"PAR1"):
        assert "no row could be read; expected Alpaca (instruction, output), ShareGPT" in message
        assert "first problem: " in message


def test_a_map_gives_our_names_to_the_files_fields(tmp_path):
    path = write(tmp_path / "in.jsonl", b'{"q": "2+2?", "a": "4", "input": "", "level": 1}')
    (row,) = read(path, mapping={"instruction": "q", "output": "a"})
    assert (row["instruction"], row["output"], row["extra"]) == ("2+2?", "4", '{"level": 1}')


def test_a_map_may_swap_fields_and_displaces_without_loss(tmp_path):
    path = write(tmp_path / "in.jsonl", b'{"instruction": "a", "input": "", "output": "b", "better": "c"}')
    (swapped,) = read(path, mapping={"instruction": "output", "output": "instruction"})
    assert (swapped["instruction"], swapped["output"]) == ("b", "a")
    (moved,) = read(path, mapping={"output": "better"})
    assert (moved["output"], json.loads(moved["extra"])) == ("c", {"output_": "b"})


def test_a_mapped_conversation(tmp_path):
    path = write(
        tmp_path / "in.jsonl",
        b'{"dialog": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}',
    )
    assert texts(path, mapping={"messages": "dialog"}) == [("Hi", "Yo")]


def test_a_mapped_field_that_no_record_has_names_those_that_are_there(tmp_path):
    path = write(tmp_path / "in.jsonl", b'{"question": "2+2?", "answer": "4"}\n' * 3)
    with pytest.raises(DataError, match="no record has the mapped field 'answr'; the fields are: question, answer"):
        next(read(path, mapping={"output": "answr"}))


def test_a_mapped_field_may_be_missing_in_some_records(tmp_path):
    path = write(tmp_path / "in.jsonl", b'{"question": "2+2?"}\n{"question": "3?", "reply": "3"}\n')
    assert texts(path, mapping={"completion": "reply"}) == [("2+2?", ""), ("3?", "3")]


def test_an_unknown_name_in_a_map_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="'instrction' is no field to map to; did you mean 'instruction'"):
        read(write(tmp_path / "in.jsonl", LINES), mapping={"instrction": "q"})


def test_limit_stops_early(tmp_path):
    assert len(list(read(write(tmp_path / "in.jsonl", LINES * 50), limit=7))) == 7


def test_name_goes_to_source_and_the_rows_own_source_to_extra(tmp_path):
    path = write(tmp_path / "in.jsonl", json.dumps({**A, "source": "wiki"}).encode())
    (row,) = read(path, name="mine")
    assert (row["source"], json.loads(row["extra"])) == ("mine", {"source": "wiki"})
    assert Source(path).name == ""


def test_rows_have_exactly_the_columns_of_row(tmp_path):
    rows = list(read(write(tmp_path / "in.jsonl", LINES)))
    assert all(list(r) == ROW.names for r in rows)
    assert table_of(rows).schema == ROW
    assert dropped_row(rows[0], "x", "y")["reason"] == "y"


@pytest.mark.slow
def test_a_large_file_is_never_in_memory(tmp_path):
    line = json.dumps({"instruction": "x" * 1000, "output": "y" * 1000})
    for name, content in [("in.jsonl", f"{line}\n" * 10_000), ("in.json", f"[{','.join([line] * 10_000)}]")]:
        path = write(tmp_path / name, content.encode())
        tracemalloc.start()
        count = sum(1 for _ in read(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 10_000
        assert peak < 12e6, f"{name}: {peak / 1e6:.0f} MB for a file of 20 MB"


THREADS = [
    {"thread": [{"author": "customer", "body": "It is broken."}, {"author": "agent", "body": "Please restart it."}]},
    {"thread": [{"author": "customer", "body": "มันยังเสียอยู่"}, {"author": "staff", "body": "ลองอีกครั้ง"}]},
]


@pytest.mark.parametrize(
    ("records", "help_"),
    [
        (THREADS, "--map messages=thread,role=author,content=body --roles customer=user,agent=assistant,staff=assistant"),
        ([{"log": [{"x": "甲", "y": "月亮是什么"}, {"x": "乙", "y": "是卫星"}, {"x": "甲", "y": "谢谢"}]}],
         "--map messages=log,role=x,content=y --roles 甲=user,乙=assistant"),
        ([{"text": "### Instruction:\nSay hi\n\n### Response:\nhi"}], "'text' holds the task and its answer together"),
        ([{"en": "hello", "th": "สวัสดี"}], "datagen from-pairs FILE -o OUT --source en --target th"),
        ([{"translation": {"en": "hello", "zh": "你好"}}], "--source-field translation.en --target-field translation.zh"),
        ([{"What is up?": "Who?", "Not much at all.": "Me."}], "the first line of a CSV is taken for the names"),
        ([{"items": [{"sku": "1", "title": "A pen of ink"}, {"sku": "2", "title": "A red pen"}]}], "name them with --map"),
    ],
)  # fmt: skip
def test_unknown_fields_get_the_help_that_fits(jsonl, records, help_):
    with pytest.raises(DataError) as told:
        list(read(str(jsonl(*records))))
    assert help_ in str(told.value)
    assert "\n" not in str(told.value)
