"""JSON that datagen writes is JSON: NaN and infinity are null, and nothing writes past the one place."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import Any

import pytest

from datagen.cli.notes import notes_of
from datagen.data.shards import read_json, write_json
from datagen.formats.read import read
from datagen.formats.write import export
from datagen.json_text import dumps, finite, storable

PACKAGE = Path(__file__).resolve().parents[1] / "datagen"
NAN, INF = math.nan, math.inf


def strict(text: str) -> Any:
    """Read JSON as other programs do: NaN is no word of it."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "read_back"),
    [
        (NAN, None),
        ({"a": [1.5, NAN, {"b": -INF}], "c": "NaN"}, {"a": [1.5, None, {"b": None}], "c": "NaN"}),
        ((1, INF), [1, None]),
        ({NAN: 1, 2.5: 2}, {"nan": 1, "2.5": 2}),
        ({"ไทย": "汉字"}, {"ไทย": "汉字"}),
    ],
)
def test_a_number_that_is_none_is_null(value: Any, read_back: Any) -> None:
    assert strict(dumps(value)) == strict(dumps(value, indent=2)) == read_back


def test_what_stands_for_another_type_is_held_to_it_too() -> None:
    assert strict(dumps({"a": {1, 2}, "b": NAN}, default=lambda _: [NAN, 2])) == {"a": [None, 2], "b": None}
    with pytest.raises(TypeError):
        dumps({"a": {1, 2}, "b": NAN})


def test_what_holds_no_such_number_stays_the_very_value() -> None:
    value = {"a": [1.0, {"b": ("x",)}]}
    assert finite(value) is value
    assert value == {"a": [1.0, {"b": ("x",)}]}


def test_files_hold_null(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"loss": NAN, "steps": 3})
    assert strict((tmp_path / "run.json").read_text("utf-8")) == {"loss": None, "steps": 3}
    assert read_json(tmp_path / "run.json") == {"loss": None, "steps": 3}


@pytest.mark.parametrize("to", ["alpaca", "messages", "sharegpt", "prompt_completion"])
def test_a_literal_nan_of_a_file_is_missing_and_written_as_null(tmp_path: Path, to: str) -> None:
    lines = [
        '{"instruction": "Name a metal.", "input": NaN, "output": "Iron is one.", "score": NaN, "range": [Infinity, 2]}',
        '{"instruction": "Name a colour.", "input": "", "output": NaN, "score": 1.5}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    rows = list(read(str(tmp_path / "rows.jsonl")))
    assert [(r["instruction"], r["input"], r["output"]) for r in rows] == [
        ("Name a metal.", "", "Iron is one."),
        ("Name a colour.", "", ""),
    ]
    export(rows, to, tmp_path / f"{to}.jsonl", with_card=False)
    written = [strict(line) for line in (tmp_path / f"{to}.jsonl").read_text("utf-8").splitlines()]
    assert len(written) == 2
    assert "NaN" not in json.dumps(written) and "Infinity" not in json.dumps(written)


@pytest.mark.parametrize("loss", [None, NAN])
def test_a_loss_that_is_no_number_is_said(loss: float | None) -> None:
    training = {
        "first_loss": 2.0, "last_loss": loss, "steps": 3, "dtype": "float32", "rows": 4,
        "eval_before": {"loss": 1.25}, "eval_after": {"loss": loss},
    }  # fmt: skip
    assert notes_of({"training": training}) == [
        "loss 2.000 -> not a number in 3 steps, float32",
        "held-out loss 1.2500 -> not a number",
    ]


def test_nothing_writes_json_past_the_one_place() -> None:
    """What is sent to a model, or hashed, may be made beside it: a number that is none is an error there."""
    past = []
    for path in PACKAGE.rglob("*.py"):
        if path in (PACKAGE / "json_text.py", PACKAGE / "data" / "rows.py"):  # ids are hashes of such text, and never change
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "json":
                past += [f"{path}:{node.lineno}" for alias in node.names if alias.name.startswith("dump")]
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("json.dumps", "json.dump", "json.JSONEncoder"):
                continue
            nan = [k.value for k in node.keywords if k.arg == "allow_nan"]
            if not (nan and isinstance(nan[0], ast.Constant) and nan[0].value is False):
                past.append(f"{path}:{node.lineno}")
    assert past == []


def test_half_of_a_character_is_replaced_and_two_halves_are_one() -> None:
    halves = [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ufeffx\ud800", "\ufeffx\ufffd"),
    ]
    assert [storable(text) for text, _ in halves] == [stored for _, stored in halves]
