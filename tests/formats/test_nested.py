"""Exports that wrap or nest their records: a list under one key is read, and dotted names lead to what lies deeper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.errors import DataError
from datagen.formats.dotted import NOTHING, leaves, value_at
from datagen.formats.read import read, records

ROW = {"instruction": "Name a river.", "output": "The Rhine."}
THAI = {"คำถาม": "แม่น้ำคืออะไร", "คำตอบ": "ทางน้ำ"}
TURNS = [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "The Rhine."}]
ARGILLA = {"id": "a", "fields": {"prompt": "Name a river."}, "responses": [{"value": "The Rhine."}, {"value": "The Po."}]}
LABEL_STUDIO = {
    "id": 1, "data": {"prompt": "Name a river."},
    "annotations": [{"result": [{"value": {"text": ["The Rhine."]}, "from_name": "answer"}]}],
}  # fmt: skip
ASKED = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": TURNS}}


def file(tmp_path: Path, value: Any) -> str:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return str(path)


def said(path: str, **options: Any) -> list[tuple[str, str]]:
    return [("", r["evidence"]) if "reason" in r else (r["instruction"], r["output"]) for r in read(path, **options)]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"data": [ROW, ROW]}, "'data' is read as the rows (2)"),
        ({"version": 1, "data": [ROW, ROW], "n": 2}, "'data' is read as the rows (2), not what stands beside it (version, n)"),
        ({"语料": [ROW, ROW]}, "'语料' is read as the rows (2)"),
        ({"result": {"data": [ROW, ROW]}, "ok": True}, "'result.data' is read as the rows (2)"),
        ([{"rows": [ROW, ROW]}], "'rows' is read as the rows (2)"),
        ({"conversations": [{"messages": TURNS}, {"messages": TURNS}]}, "'conversations' is read as the rows (2)"),
        (
            {
                "features": [{"name": "instruction"}],
                "rows": [{"row_idx": n, "row": ROW, "truncated_cells": []} for n in (0, 1)],
            },
            "'rows' is read as the rows (2), not what stands beside it (features)",
        ),
    ],
)
def test_the_one_list_of_an_object_is_its_rows_and_that_is_said(tmp_path: Path, capsys: Any, value: Any, name: str) -> None:
    assert said(file(tmp_path, value)) == [(ROW["instruction"], ROW["output"])] * 2
    assert name in capsys.readouterr().err


def test_names_in_other_languages_and_the_users_map_are_known_in_the_list(tmp_path: Path) -> None:
    assert said(file(tmp_path, {"ข้อมูล": [THAI]})) == [(THAI["คำถาม"], THAI["คำตอบ"])]
    path = file(tmp_path, {"things": [{"q1": "a", "a1": "b"}]})
    assert said(path, mapping={"instruction": "q1", "output": "a1"}) == [("a", "b")]


@pytest.mark.parametrize(
    "record",
    [
        {"source": "x", "conversation": [{"input": "Name a river.", "output": "The Rhine."}]},
        {"messages": TURNS, "tools": [{"name": "f", "description": "x"}]},
        {**ROW, "examples": [ROW]},
    ],
)
def test_a_record_that_is_a_row_stays_one(tmp_path: Path, capsys: Any, record: Any) -> None:
    assert said(file(tmp_path, record)) == [(ROW["instruction"], ROW["output"])]
    assert capsys.readouterr().err == ""


def test_a_file_that_holds_no_rows_is_given_as_it_stands(tmp_path: Path, capsys: Any) -> None:
    """Benchmarks name their fields from the top: `fields=data.question`."""
    ((_, piece),) = records(file(tmp_path, {"data": [{"question": "a"}, {"question": "b"}]}))
    assert list(piece.record) == ["data"] and capsys.readouterr().err == ""


def test_an_object_of_several_lists_asks_for_one_of_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several lists of records: train \(2\), test \(1\); write one of them as a file"):
        said(file(tmp_path, {"train": [ROW, ROW], "test": [ROW]}))


def test_a_row_whose_cells_a_server_cut_off_is_none(tmp_path: Path, jsonl: Callable[..., Path]) -> None:
    lines = [{"row_idx": 0, "row": ROW, "truncated_cells": []}, {"row_idx": 1, "row": ROW, "truncated_cells": ["output"]}]
    good, (_, bad) = said(str(jsonl(*lines)))
    assert good == (ROW["instruction"], ROW["output"])
    assert "line 2: the server cut off its cells output" in bad


@pytest.mark.parametrize(
    ("record", "mapping"),
    [
        (ARGILLA, {"instruction": "fields.prompt", "output": "responses.0.value"}),
        (LABEL_STUDIO, {"instruction": "data.prompt", "output": "annotations.0.result.0.value.text.0"}),
        (ASKED, {"messages": "body.messages"}),
        ({"fields.prompt": "Name a river.", "a.b": ["The Rhine."]}, {"instruction": "fields.prompt", "output": "a.b.0"}),
        ({"x": '{"q": "Name a river.", "a": "The Rhine."}'}, {"instruction": "x.q", "output": "x.a"}),
        ({"字段": {"问": "Name a river.", "答": ["The Rhine."]}}, {"instruction": "字段.问", "output": "字段.答.0"}),
        ({"prompt": {"text": "Name a river."}, "response": {"text": "The Rhine."}},
         {"prompt": "prompt.text", "completion": "response.text"}),
        ({"thread": [{"by": {"role": t["role"]}, "content": {"parts": [t["content"]]}} for t in TURNS]},
         {"messages": "thread", "role": "by.role", "content": "content.parts.0"}),
    ],
)  # fmt: skip
def test_a_dotted_name_leads_to_what_lies_deeper(jsonl: Callable[..., Path], record: Any, mapping: dict[str, str]) -> None:
    assert said(str(jsonl(record, record)), mapping=mapping) == [(ROW["instruction"], ROW["output"])] * 2


def test_what_is_around_a_mapped_value_stays_in_the_row(jsonl: Callable[..., Path]) -> None:
    mapping = {"instruction": "fields.prompt", "output": "responses.0.value"}
    (row,) = read(str(jsonl(ARGILLA)), mapping=mapping)
    extra = json.loads(row["extra"])
    assert extra["fields"] == ARGILLA["fields"] and extra["responses_"] == ARGILLA["responses"]


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        (ARGILLA, "it has: id, fields.prompt, responses.0.value; name them with --map instruction=fields.prompt,output="),
        (LABEL_STUDIO, "instruction=data.prompt,output=annotations.0.result.0.value.text.0; a number takes that one of a list"),
        (ASKED, "it has: custom_id, method, url, body.model, body.messages; name the turns with --map messages=body.messages"),
        ({"字段": {"提示": "说 吧"}, "回复": [{"值": "好 的"}]}, "--map instruction=字段.提示,output=回复.0.值"),
        ({"custom_id": "1", "response": {"body": {}}}, "an answer of a batch without what was asked"),
        ({"custom_id": "1", "result": {"type": "succeeded"}}, "an answer of a batch without what was asked"),
    ],
)  # fmt: skip
def test_the_hint_shows_names_that_work(jsonl: Callable[..., Path], record: Any, hint: str) -> None:
    with pytest.raises(DataError) as told:
        said(str(jsonl(record, record)))
    assert hint in str(told.value)


def test_a_dotted_name_that_leads_nowhere_is_an_error_that_names_the_others(jsonl: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"mapped field 'responses\.0\.text'; the fields are: id, fields\.prompt, responses"):
        said(str(jsonl(ARGILLA)), mapping={"instruction": "fields.prompt", "output": "responses.0.text"})


@pytest.mark.parametrize("name", ["a.2", "a.-1", "a.b", "a.0.b", "c", "a.99999999999999", "t.x"])
def test_a_name_that_leads_nowhere(name: str) -> None:
    assert value_at({"a": ["x", "y"], "t": "{oops"}, name) is NOTHING


def test_the_names_of_a_deep_record_end_somewhere() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = {"a": deep}
    assert len(leaves({"x": deep, **{str(n): n for n in range(1000)}})) == 60
