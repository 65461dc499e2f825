"""Folders with train, validation and test parts, folders that `datasets` saved, pipes, and names that are not UTF-8."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import DataError
from datagen.formats.read import read
from datagen.formats.sources import files
from datagen.formats.splits import part_of
from datagen.recipe import make
from datagen.runner import execute


def folder(tmp_path: Path, *names: str) -> str:
    for name in names:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"instruction": name, "output": "x"}))
    return str(tmp_path / "set")


def names_of(path: str, **options) -> list[str]:
    return [r["instruction"] for r in read(path, **options)]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-00000-of-00002.parquet", ("train", "train")),
        ("data/test.jsonl.gz", ("test", "test")),
        ("validation/0.json", ("validation", "validation")),
        ("dev_01.csv", ("validation", "dev")),
        ("gsm8k-test.jsonl", ("test", "gsm8k-test")),
        ("train_sft-00000-of-00003.parquet", ("train", "train_sft")),
        ("train/latest.jsonl", ("train", "train")),
        ("trained.jsonl", ("", "")),
        ("contest.jsonl", ("", "")),
        ("rows.jsonl", ("", "")),
        ("my_holdout.jsonl", ("test", "my_holdout")),
        ("held_out/0.jsonl", ("test", "held_out")),
        ("中文测试集.jsonl", ("test", "中文测试集")),
        ("训练/1.jsonl", ("train", "训练")),
        ("软件测试问答.jsonl", ("", "")),
        ("ชุดทดสอบ-00000.jsonl", ("test", "ชุดทดสอบ")),
        ("test-00000-of-00001.parquet", ("test", "test")),
        ("a.test.jsonl", ("test", "a.test")),
        ("zh.dev.tsv.gz", ("validation", "zh.dev")),
        ("v1.0.train.jsonl", ("train", "v1.0.train")),
        ("问答.测试集.jsonl", ("test", "问答.测试集")),
        ("foo_test.jsonl", ("test", "foo_test")),
        ("benchmark.jsonl", ("test", "benchmark")),
        ("test_results_of_train.jsonl", ("test or train", "test_results_of_train")),
        ("train_val.csv", ("train or validation", "train_val")),
        ("train/train_test.jsonl", ("train", "train")),
        ("latest.v2.jsonl", ("", "")),
    ],
)
def test_the_name_of_a_file_or_folder_says_its_part(name, part):
    assert part_of(name) == part


def test_of_a_set_with_parts_train_alone_is_read_and_the_others_are_named(tmp_path, capsys):
    path = folder(tmp_path, "train-00000-of-00002.json", "train-00001-of-00002.json", "test.json", "valid.json", "more.json")
    assert names_of(path) == ["more.json", "train-00000-of-00002.json", "train-00001-of-00002.json"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "only train is read, not test (1 file), validation 'valid' (1 file); --split NAME" in said


@pytest.mark.parametrize(
    ("split", "found"),
    [("test", ["test_b.json"]), ("validation", ["dev/1.json"]), ("dev", ["dev/1.json"]), ("all", 3), ("train", ["train.json"])],
)
def test_another_part_may_be_named(tmp_path, split, found):
    rows = names_of(folder(tmp_path, "train.json", "test_b.json", "dev/1.json"), split=split)
    assert (len(rows) if isinstance(found, int) else rows) == found


def test_a_part_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path):
    with pytest.raises(
        DataError, match=r"has no part 'tset'; did you mean 'test'\?; it has: test \(1 file\), train \(1 file\)"
    ):
        files(folder(tmp_path, "train.json", "test.json"), split="tset")


@pytest.mark.parametrize("names", [("a.json", "b.json"), ("train.json", "b.json")])
def test_a_folder_without_parts_is_read_whole(tmp_path, names, capsys):
    assert sorted(names_of(folder(tmp_path, *names))) == sorted(names)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["rows.json", "test.json"], "test (1 file)"),
        (["rows.json", "dev.json"], "validation 'dev' (1 file)"),
        (["rows.json", "my_heldout.json", "留出集.json"], "test 'my_heldout' (1 file), test '留出集' (1 file)"),
    ],
)
def test_what_is_held_out_is_not_read_beside_files_of_no_part(tmp_path, names, left, capsys):
    assert names_of(folder(tmp_path, *names)) == ["rows.json"]
    assert f"only the rest is read (1 file), not {left}; --split NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "names", [("validation/0.json", "test/0.json"), ("dev.json", "测试集.json"), ("val-0.json", "eval-0.json")]
)
def test_a_set_with_nothing_to_train_on_asks_for_a_part(tmp_path, names):
    path = folder(tmp_path, *names)
    with pytest.raises(DataError, match=r"has no part to train on, only .*; --split NAME reads one of them, --split all each"):
        files(path)
    assert sorted(names_of(path, split="all")) == sorted(names)
    assert len(names_of(path, split="test")) == 1


def test_a_part_that_is_held_out_and_alone_is_read_and_said(tmp_path, capsys):
    assert names_of(folder(tmp_path, "test-0.json", "test-1.json")) == ["test-0.json", "test-1.json"]
    assert "it has test (2 files) alone, which is read" in capsys.readouterr().err


def test_parts_of_one_family_that_are_read_together_are_named(tmp_path, capsys):
    path = folder(tmp_path, "train_sft-0.json", "train_gen-0.json", "test_sft-0.json")
    assert names_of(path) == ["train_gen-0.json", "train_sft-0.json"]
    assert "read together are train_gen (1 file), train_sft (1 file); --split NAME" in capsys.readouterr().err
    assert names_of(path, split="train_sft") == ["train_sft-0.json"]


def test_the_card_of_a_set_says_the_parts_of_its_files_whatever_they_are_called(tmp_path, capsys):
    path = folder(tmp_path, "a.json", "b.json")
    entries = "  - {split: train, path: a.json}\n  - {split: test, path: b.json}\n"
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{entries}---"
    (tmp_path / "set" / "README.md").write_text(card)
    assert names_of(path) == ["a.json"]
    assert "only train is read, not test (1 file)" in capsys.readouterr().err
    assert names_of(path, split="test") == ["b.json"]


def test_parts_that_a_saved_set_names_itself_can_be_chosen(tmp_path, capsys):
    for part in ("zh", "th", "test"):
        saved(tmp_path / part, ("data-00000-of-00001.arrow", [part]))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["zh", "th", "test"]}')
    assert names_of(str(tmp_path)) == ["th", "zh"]
    said = capsys.readouterr().err
    assert "not test (1 file)" in said and "read together are th (1 file), zh (1 file)" in said
    assert names_of(str(tmp_path), split="zh") == ["zh"]


def saved(place: Path, *parts: tuple[str, list[str]]) -> None:
    place.mkdir(parents=True)
    for name, texts in parts:
        table = pa.table({"instruction": texts, "output": ["x"] * len(texts)})
        with pa.ipc.new_stream(str(place / name), table.schema) as writer:
            writer.write_table(table)
    named = [{"filename": name} for name, _ in parts]
    (place / "state.json").write_text(json.dumps({"_data_files": named, "_split": place.name}))


def test_what_datasets_saved_is_read_as_its_state_says(tmp_path):
    saved(tmp_path / "train", ("data-00001-of-00002.arrow", ["a"]), ("data-00000-of-00002.arrow", ["b"]))
    saved(tmp_path / "test", ("data-00000-of-00001.arrow", ["c"]))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    (tmp_path / "train" / "cache-0123abcd.arrow").write_bytes(b"of a map")
    assert names_of(str(tmp_path)) == ["a", "b"]
    assert names_of(str(tmp_path), split="test") == ["c"]
    (tmp_path / "train" / "data-00000-of-00002.arrow").unlink()
    with pytest.raises(DataError, match=r"state\.json names data-00000-of-00002\.arrow, which is not there"):
        files(str(tmp_path))


def test_a_pipe_is_copied_or_refused_by_name(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(DataError, match=r"fifo: a pipe can be read once only"):
        files(str(fifo))
    feed = threading.Thread(target=fifo.write_text, args=('{"instruction": "a", "output": "b"}\n',))
    feed.start()
    assert [r["output"] for r in read(str(fifo), stdin_copy=tmp_path / "copy")] == ["b"]
    feed.join()


def test_a_device_is_no_file():
    with pytest.raises(DataError, match="/dev/zero is a device or a socket, no file"):
        files("/dev/zero")


def test_an_encoding_that_is_named_is_taken(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("instruction,output\n问题,答案\n".encode("gbk") + b"\xff\xff,x\n")
    good, bad = read(str(path), encoding="gbk")
    assert (good["instruction"], good["output"]) == ("问题", "答案")
    assert "not gbk" in bad["evidence"]


def test_a_name_that_is_not_utf8_is_read_and_told(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl")
    Path(path).write_text('{"instruction": "a", "output": "b"}\n{oops\n')
    good, bad = read(path)
    assert (good["output"], bad["evidence"][:24]) == ("b", "caf\\xe9.jsonl: line 2: n")


def rows_file(tmp_path: Path, *parts: object, name: str = "rows.jsonl", column: str = "split") -> str:
    """Write a row for each part, named after its place; None is a row without one."""
    lines = [{"instruction": f"{n}", "output": "x", **({} if part is None else {column: part})} for n, part in enumerate(parts)]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / name)


@pytest.mark.parametrize(
    ("parts", "split", "found", "said"),
    [
        (["train", "test", "train"], None, "02", "only train is read, not test (1 row); --split NAME"),
        (
            ["test", "Train ", "dev", "验证集"],
            None,
            "1",
            "not test (1 row), validation 'dev' (1 row), validation '验证集' (1 row)",
        ),
        (["test", None, "math"], None, "12", "only the rest is read (2 rows), not test (1 row)"),
        (["zh", "th", "test"], None, "01", "only the rest is read (2 rows), not test (1 row)"),
        (["train_sft", "test_sft", "train_test"], None, "0", "not test_sft (1 row), train or test 'train_test' (1 row)"),
        (["test", "test"], None, "01", "by its column 'split' it has test (2 rows) alone, which is read"),
        (["math", "a test of time", 3, ["test"]], None, "0123", ""),
        (["train", "test", None], "test", "1", ""),
        (["train", "dev"], "validation", "1", ""),
        (["train_sft", "train_gen"], "train_sft", "0", ""),
        (["zh", "th", None], "th", "1", ""),
        (["train", "test"], "all", "01", ""),
    ],
)
def test_a_column_of_the_rows_says_their_part(tmp_path, capsys, parts, split, found, said):
    assert "".join(names_of(rows_file(tmp_path, *parts), split=split)) == found
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == bool(said)


def test_the_column_may_stand_in_any_container_and_its_rows_lie_in_several_files(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("Split;instruction;output\ntrain;0;x\ntest;1;x\n")
    pq.write_table(pa.table({"instruction": ["2", "3"], "output": ["x", "x"], "split": ["test", None]}), tmp_path / "b.parquet")
    rows_file(tmp_path, "test", "test", name="c.jsonl")
    assert names_of(str(tmp_path)) == ["0", "3"]
    assert "only train is read, not test (4 rows)" in capsys.readouterr().err
    assert names_of(str(tmp_path), split="test") == ["1", "2", "0", "1"]


def test_what_cannot_be_read_comes_once_where_a_source_is_read_again(tmp_path):
    path = rows_file(tmp_path, "test")
    with Path(path).open("a") as f:
        f.write("{oops\n")
    found = list(read(path))
    assert sorted("reason" in row for row in found) == [False, True]


@pytest.mark.parametrize(
    ("parts", "split", "words"),
    [
        (["train", "test"], "tset", "has no part 'tset'; did you mean 'test'?; it has: train (1 row), test (1 row)"),
        (
            ["dev", "test"],
            None,
            "no part to train on, only validation 'dev' (1 row), test (1 row); --split NAME reads one of them",
        ),
        (["train", "test"], "one", "the parts train (1 row), test (1 row); write the rows of one of them to a file of its own"),
    ],
)
def test_a_part_that_no_row_names_or_parts_where_one_is_wanted_are_an_error(tmp_path, parts, split, words):
    with pytest.raises(DataError, match=re.escape(words)):
        names_of(rows_file(tmp_path, *parts), split=split)


def test_a_limit_says_what_was_passed_over_and_a_map_of_the_column_is_what_it_says(tmp_path, capsys):
    path = rows_file(tmp_path, "test", "train", "train")
    assert names_of(path, limit=1) == ["1"]
    assert "only train is read, not test (1 row)" in capsys.readouterr().err
    assert [r["output"] for r in read(path, mapping={"output": "split"})] == ["test", "train", "train"]


def test_a_file_that_is_named_itself_is_of_the_part_that_its_name_says(tmp_path, capsys):
    path = rows_file(tmp_path, None, name="test/0.jsonl")
    with pytest.raises(DataError, match=r"is of the part test, not of train: leave --split away to read it"):
        names_of(path, split="train")
    assert names_of(path) == names_of(path, split="eval") == ["0"]
    assert capsys.readouterr().err == ""
    assert names_of(rows_file(tmp_path, None, "math"), split="train") == ["0", "1"]
    assert "rows.jsonl: it names no part of a set: --split train changes nothing, it is read whole" in capsys.readouterr().err


def test_a_part_of_the_rows_is_a_run_of_its_own(tmp_path):
    path = rows_file(tmp_path, "train", "test", "test")
    kept = [
        execute(make(["rules"], input=(path,), split=split), tmp_path / "out").summary["rows_in"]
        for split in (None, "test", "all")
    ]
    assert kept == [1, 2, 3]
