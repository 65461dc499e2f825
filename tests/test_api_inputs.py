"""The Python face takes the same options of its input wherever it takes rows."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import datagen as dg
from datagen.errors import DataError, UsageError

GBK = "gb18030"
OF_INPUT = {"mapping", "roles", "limit", "split", "encoding"}
HOW = {
    "mapping": {"messages": "thread", "role": "author", "content": "body"},
    "roles": {"client": "user", "agent": "assistant"}, "limit": 3, "split": "test", "encoding": GBK,
}  # fmt: skip


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Return a folder of helpdesk threads in GB 18030 with a train and a test part."""
    folder = tmp_path / "set"
    folder.mkdir()
    for part, words in (("train", "训练"), ("test", "测试")):
        records = [
            {"thread": [{"author": "client", "body": f"{words}{i}？"}, {"author": "agent", "body": f"好的{i}。"}]}
            for i in range(4)
        ]
        text = "".join(f"{json.dumps(r, ensure_ascii=False)}\n" for r in records)
        (folder / f"{part}.jsonl").write_bytes(text.encode(GBK))
    return folder


@pytest.mark.parametrize("name", ["filter", "mix", "read", "answer", "train", "write"])
def test_the_options_have_the_same_names_everywhere(name: str) -> None:
    assert set(inspect.signature(getattr(dg, name)).parameters) >= OF_INPUT
    given = {"filter": ("x",), "mix": ({"a": "x"}, "out"), "read": ("x",)}
    with pytest.raises(UsageError, match="limit must be 1 or more, not 0"):
        getattr(dg, name)(*given.get(name, ("x", "out") if name in ("answer", "train") else ("x", "alpaca", "out")), limit=0)


def test_they_do_the_same(parts: Path, tmp_path: Path) -> None:
    expected = [(f"测试{i}？", f"好的{i}。") for i in range(3)]
    assert [(r["instruction"], r["output"]) for r in dg.read(parts, **HOW)] == expected
    for run in (
        dg.filter(str(parts), ["rules"], tmp_path / "kept", **HOW),
        dg.mix({"mine": parts}, tmp_path / "mixed", **HOW),
    ):
        assert [(r["instruction"], r["output"]) for r in run.kept.to_pylist()] == expected
    dg.write(parts, "alpaca", tmp_path / "made.jsonl", **HOW)
    made = [json.loads(line) for line in (tmp_path / "made.jsonl").read_text("utf-8").splitlines()]
    assert [(r["instruction"], r["output"]) for r in made] == expected


def test_other_roles_read_the_sources_of_a_mixture_again(parts: Path, tmp_path: Path) -> None:
    swapped = {**HOW, "roles": {"client": "system", "agent": "assistant"}}
    first = dg.mix({"mine": parts}, tmp_path / "mixed", **HOW)
    again = dg.mix({"mine": parts}, tmp_path / "mixed", **swapped)
    assert first.folder == again.folder and set(again.kept.column("system").to_pylist()) == {f"测试{i}？" for i in range(3)}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mapping": {"output": "reply"}}, "no record has the mapped field 'reply'"),
        ({"roles": {"client": "friend"}}, "'friend' .* is no role"),
        ({"split": "validation"}, "no part 'validation'"),
        ({"encoding": "gb18031"}, "gb18031"),
        ({"roles": {"client": "user", "agent": "user"}}, "no record has an answer"),
    ],
)
def test_training_takes_them_too(parts: Path, tmp_path: Path, tiny_dir: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises((UsageError, DataError), match=words):
        dg.train(parts, tmp_path / "trained", **{**HOW, **changed}, model=str(tiny_dir), steps=1)


def test_training_takes_a_table(tmp_path: Path, tiny_dir: Path) -> None:
    with pytest.raises(DataError, match=r"table\.jsonl: no record has an answer"):
        dg.train([{"instruction": "Say it.", "reply": "It."}], tmp_path / "out", model=str(tiny_dir), steps=1)


RECORD = {"instruction": "Name a moon.", "input": "", "output": "ไอโอ"}


@pytest.mark.parametrize("kind", ["list", "pandas", "arrow", "iterator", "run", "folder", "paths"])
def test_write_takes_rows_as_filter_does(tmp_path: Path, kind: str) -> None:
    import pandas as pd
    import pyarrow as pa

    run = dg.filter([RECORD], ["rules"], tmp_path / "run")
    (tmp_path / "in.jsonl").write_text(json.dumps(RECORD), "utf-8")
    given = {
        "list": [RECORD], "pandas": pd.DataFrame([RECORD]), "arrow": pa.Table.from_pylist([RECORD]), "iterator": iter([RECORD]),
        "run": run, "folder": run.folder, "paths": [tmp_path / "in.jsonl"],
    }  # fmt: skip
    done = dg.write(given[kind], "alpaca", tmp_path / "out.jsonl")
    assert (done.records, json.loads((tmp_path / "out.jsonl").read_text("utf-8"))) == (1, RECORD)


@pytest.mark.parametrize(("rows", "words"), [(3, "not as int"), ({"a": 1}, "not as a map"), ([3], "not as a list of int")])
def test_write_says_what_it_takes(tmp_path: Path, rows: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        dg.write(rows, "alpaca", tmp_path / "out.jsonl")


def test_a_mixture_takes_tables_too(tmp_path: Path) -> None:
    import pandas as pd

    other = {**RECORD, "output": "木卫一"}
    run = dg.mix({"a": pd.DataFrame([RECORD]), "b": [other]}, tmp_path / "mixed")
    assert sorted(run.kept.column("output").to_pylist()) == ["ไอโอ", "木卫一"]


def test_an_unknown_option_of_a_stage_names_the_near_one() -> None:
    with pytest.raises(UsageError, match=r"Minhash has no option 'treshold'; did you mean 'threshold'\?"):
        dg.stages.Minhash(treshold=0.5)
    assert dg.stages.Minhash(0.5) == dg.stages.Minhash(threshold=0.5)


def test_a_limit_given_as_text_is_that_limit(tmp_path: Path) -> None:
    rows = [{"instruction": f"Name river {n}.", "output": "The Mekong."} for n in range(3)]
    assert dg.write(rows, "alpaca", tmp_path / "made.jsonl", limit="2").rows == 2  # type: ignore[arg-type]
