"""Folders with train, validation and test parts, folders that `datasets` saved, pipes, and names that are not UTF-8."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from datagen.errors import DataError
from datagen.formats.read import read
from datagen.formats.sources import files
from datagen.formats.splits import part_of


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
    ],
)
def test_the_name_of_a_file_or_folder_says_its_part(name, part):
    assert part_of(name) == part


def test_of_a_set_with_parts_train_alone_is_read_and_the_others_are_named(tmp_path, capsys):
    path = folder(tmp_path, "train-00000-of-00002.json", "train-00001-of-00002.json", "test.json", "valid.json", "more.json")
    assert names_of(path) == ["more.json", "train-00000-of-00002.json", "train-00001-of-00002.json"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "only train is read, not test (1 file), validation (1 file)" in said


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


@pytest.mark.parametrize("names", [("a.json", "b.json"), ("test.json", "b.json"), ("train.json", "b.json")])
def test_a_folder_without_parts_is_read_whole(tmp_path, names, capsys):
    assert sorted(names_of(folder(tmp_path, *names))) == sorted(names)
    assert capsys.readouterr().err == ""


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
