"""Tables as one JSON object: each orient of pandas gives the rows of the table; a record with lists or maps in it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datagen.formats.one_file import table_records
from datagen.formats.read import read

ROWS = [("Name a river.", "The Danube."), ("Name a lake.", "Baikal."), ("说出一座山。", "泰山。")]
FRAME = pd.DataFrame(ROWS, columns=["instruction", "output"])


def said(path: Path, **options: Any) -> list[tuple[str, str]]:
    return [(row["instruction"], row["output"]) for row in read(str(path), **options)]


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
@pytest.mark.parametrize("indent", [0, 2])
def test_every_orient_of_pandas_gives_its_rows(orient: Any, indent: int, tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(FRAME.to_json(orient=orient, indent=indent, force_ascii=False), "utf-8")
    assert said(path) == ROWS


def test_a_dictionary_of_lists_gives_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(FRAME.to_dict("list")), "utf-8")
    assert said(path) == ROWS


def test_one_row_is_a_table_too_and_an_index_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('{"instruction": {"a": "Name a sea."}, "output": {"a": "The Baltic."}}', "utf-8")
    assert said(path) == [("Name a sea.", "The Baltic.")]


def test_columns_of_other_names_are_known_by_the_map(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('{"frage": {"0": "Ein Fluss?"}, "antwort": {"0": "Der Rhein."}}', "utf-8")
    assert said(path, mapping={"instruction": "frage", "output": "antwort"}) == [("Ein Fluss?", "Der Rhein.")]


def test_what_the_index_holds_besides_is_kept_and_a_missing_value_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    frame = FRAME.assign(input=[None, "the deepest", None], note=[1, 2, 3])
    path.write_text(frame.to_json(), "utf-8")
    rows = list(read(str(path)))
    assert [row["input"] for row in rows] == ["", "the deepest", ""]
    assert [json.loads(row["extra"])["note"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Name two.", "output": ["a", "b"]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}], "tags": ["a", "b"]},
        {"prompt": [{"role": "user", "content": "Hi"}], "chosen": [{"role": "assistant", "content": "Hello."}]},
        {"question": {"stem": "What?"}, "answer": {"text": "That."}},
        {"a": {"instruction": "Name a sea."}, "b": {"instruction": "Name a moon."}},
        {"columns": ["instruction"], "data": "x"},
        {"data": [{"instruction": "Name a sea."}]},
        {"instruction": ["Name two."]},
        [],
        None,
    ],
)
def test_a_record_is_no_table(record: Any) -> None:
    assert table_records(record) is None


def test_two_objects_are_two_records(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    one = {"instruction": {"0": "Name a sea."}, "output": {"0": "The Baltic."}}
    path.write_text(f"{json.dumps(one)}\n{json.dumps({'instruction': 'Name a moon.', 'output': 'Io.'})}\n", "utf-8")
    assert ("Name a moon.", "Io.") in said(path) and len(said(path)) == 2
