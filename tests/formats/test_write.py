"""Writing: containers by the target's name, repeats, whole files and the dataset card."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pytest
import yaml
import zstandard

from datagen.data.rows import new_row
from datagen.errors import UsageError
from datagen.formats.format import names
from datagen.formats.read import read
from datagen.formats.write import export

A = {"instruction": "Add.", "input": "2+2", "output": "4"}


def one(**more):
    return new_row(**{"instruction": "Add.", "input": "2+2", "output": "4", **more})


def test_json_lines_unless_the_name_asks_for_an_array(tmp_path):
    export([one(), one()], "alpaca", tmp_path / "a.jsonl")
    export([one(), one()], "alpaca", tmp_path / "a.json")
    export([], "alpaca", tmp_path / "empty.json")
    assert (tmp_path / "a.jsonl").read_text() == (json.dumps(A) + "\n") * 2
    assert json.loads((tmp_path / "a.json").read_text()) == [A, A]
    assert json.loads((tmp_path / "empty.json").read_text()) == []


def test_the_name_compresses_and_no_clock_is_written(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz", "a.json.zst"):
        export([one()], "alpaca", tmp_path / name)
    assert json.loads(gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes())) == A
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    unpacked = zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "a.json.zst").read_bytes())
    assert json.loads(unpacked) == [A]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_csv_holds_flat_formats_with_every_column(tmp_path, name):
    rows = [one(), one(system="Be brief.", extra='{"n": 1, "note": "a\\nb"}')]
    export(rows, "alpaca", tmp_path / name)
    first, second = read(str(tmp_path / name))
    assert (first["instruction"], first["input"], first["output"]) == ("Add.", "2+2", "4")
    assert second["system"] == "Be brief."
    assert json.loads(second["extra"])["note"] == "a\nb"


def test_csv_comes_back_equal(tmp_path):
    content = 'instruction,input,output,topic\r\n"a ""b""",,c,x\r\n"many\nlines",",",z,\r\n'
    (tmp_path / "in.csv").write_bytes(content.encode())
    export(read(str(tmp_path / "in.csv")), "alpaca", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == content.replace("\r\n", "\n").encode()


@pytest.mark.parametrize(
    ("to", "name", "message"),
    [
        ("alpacca", "a.jsonl", "there is no such format; did you mean 'alpaca'"),
        ("sharegpt", "a.csv", "csv cannot hold 'sharegpt'; name it .jsonl"),
        ("messages", "a.parquet", "use --to parquet"),
        ("parquet", "a.jsonl", "name a Parquet file .parquet"),
        ("parquet", "a.parquet.gz", "name a Parquet file .parquet"),
        ("parquet", None, "needs a file"),
        ("llamafactory", None, "needs a file"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(tmp_path, to, name, message):
    with pytest.raises(UsageError, match=message):
        export([one()], to, None if name is None else tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_repeat_writes_a_row_that_often_and_parquet_keeps_the_number(tmp_path):
    done = export([one(repeat=3), one(repeat=0), one()], "alpaca", tmp_path / "a.jsonl")
    assert (done.rows, done.records) == (3, 4)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 4
    export([one(repeat=3)], "parquet", tmp_path / "a.parquet")
    assert [r["repeat"] for r in read(str(tmp_path / "a.parquet"))] == [3]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_failure_leaves_what_was_there(tmp_path, name):
    def failing():
        yield one()
        raise RuntimeError("stop")

    (tmp_path / name).write_text("before")
    with pytest.raises(RuntimeError, match="stop"):
        export(failing(), "parquet" if name.endswith("parquet") else "alpaca", tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


def test_standard_output_gets_json_lines():
    code = "from datagen.formats.write import export; from datagen.data.rows import new_row\n"
    code += "export([new_row(output='ไทย')], 'alpaca', None)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
    assert json.loads(done.stdout) == {"instruction": "", "input": "", "output": "ไทย"}


def test_the_card_counts_and_can_be_read_by_the_hub(tmp_path):
    generation = {"model": "smollm2", "prompt_hash": "", "request_key": "", "input_tokens": 1, "output_tokens": 1}
    rows = [one(source="a|<b>", language="en", repeat=2), one(source="c", language="th", generation=generation)]
    done = export(rows, "alpaca", tmp_path / "train.jsonl", made="By hand.")
    assert done.card == tmp_path / "README.md"
    text = done.card.read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["language"] == ["en", "th"]
    assert front["size_categories"] == ["n<1K"]
    assert front["task_categories"] == ["text-generation"]
    assert front["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}]
    assert "2 rows, written as 3 records" in text
    assert "| a b | 2 |" in text and "| th | 1 |" in text
    assert "smollm2 (1)" in text and "By hand." in text
    assert "`instruction`, `input`, `output`" in text
    assert str(tmp_path) not in text


def test_a_card_never_overwrites_someone_elses_readme(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    assert export([one()], "alpaca", tmp_path / "a.jsonl").card == tmp_path / "a.card.md"
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_card_replaces_its_own_but_not_that_of_another_file(tmp_path):
    for name, card in [("a.jsonl", "README.md"), ("a.jsonl", "README.md"), ("b.v2.jsonl.gz", "b.v2.card.md")]:
        assert export([one()], "alpaca", tmp_path / name).card == tmp_path / card


@pytest.mark.parametrize("to", names())
def test_an_empty_set_can_be_written_and_read(tmp_path, to):
    target = tmp_path / ("a.parquet" if to == "parquet" else "a.jsonl")
    assert export([], to, target).records == 0
    assert list(read(str(target))) == []


def test_what_read_could_not_read_is_no_row_of_an_export(tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps(A) + "\n{broken\n")
    done = export(read(str(tmp_path / "in.jsonl")), "alpaca", tmp_path / "out.jsonl")
    assert (done.rows, done.notes) == (1, ("1 pieces of the input could not be read and are left out",))
    assert json.loads((tmp_path / "out.jsonl").read_text()) == A
