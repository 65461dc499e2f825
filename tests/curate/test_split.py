"""`split`: which rows are held out, by hand; no near duplicates on two sides; the folder that it leaves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_reference import rouge_l_of

from datagen import stage
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.data.shards import iterate_rows, read_all
from datagen.errors import UsageError
from datagen.formats.read import read
from datagen.stage import Context
from datagen.text.tokens import tokens

WORDS = ["moon", "tea", "river", "lamp", "bread", "cloud", "wheel", "salt", "iron", "leaf", "stone", "bird", "wolf", "sea"]


def held_of(rows: list[Row], **options: Any) -> tuple[list[int], dict[str, Any]]:
    """The places of the rows that are held out, and what is noted."""
    made = stage.make("split", options)
    scores = stage.scored(made, table_of(rows), Context())
    done = stage.apply(made, scores, alive := np.ones(len(rows), bool), Context())
    return np.flatnonzero(~alive).tolist(), dict(done.notes)


def tasks(n: int, **fields: Any) -> list[Row]:
    """Rows that are not alike: each of words of its own."""
    return [new_row(instruction=f"w{i}a w{i}b w{i}c", output=f"o{i}a o{i}b", **fields) for i in range(n)]


def test_as_many_rows_as_were_asked_for_the_same_ones_again_and_others_by_another_seed() -> None:
    rows = tasks(50)
    held, notes = held_of(rows, test=10)
    assert len(held) == 10 and held_of(rows, test=10)[0] == held
    assert notes == {"groups": 50, "largest_group": 1, "groups_held_out": 10}
    assert held_of(rows, test=10, seed=1)[0] != held


def test_each_source_gives_its_share() -> None:
    rows = [*tasks(60, source="a"), *(new_row(instruction=f"v{i}a v{i}b v{i}c", output=f"p{i}", source="b") for i in range(20))]
    held, _ = held_of(rows, test=8)
    assert [sum(at < 60 for at in held), sum(at >= 60 for at in held)] == [6, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"instruction": "Name the largest moon of the planet Saturn please", "output": "Titan"},
         {"instruction": "Name the largest moon of the planet Saturn now", "output": "It is Rhea, as I said"}),
        ({"instruction": "说出土星最大的卫星的名字是什么", "output": "土卫六"},
         {"instruction": "说出木星最大的卫星的名字是什么", "output": "木卫三"}),
        ({"instruction": "ดวงจันทร์ที่ใหญ่ที่สุดของดาวเสาร์คืออะไร", "output": "ไททัน"},
         {"instruction": "ดวงจันทร์ที่ใหญ่ที่สุดของดาวพุธคืออะไร", "output": "ไม่มี"}),
        ({"instruction": "Sum", "output": " ".join(f"word{i}" for i in range(60))},
         {"instruction": "Tell it again", "output": " ".join(f"word{i}" for i in range(60))}),
        ({"output": "A page about tea and how it grows in the hills."},
         {"output": "A page about tea and how it grows in hills."}),
    ],
)  # fmt: skip
def test_near_duplicates_are_on_one_side_whatever_their_answers(one: dict[str, str], other: dict[str, str]) -> None:
    for seed in range(12):
        rows = [new_row(**one), *tasks(4), new_row(**other)]
        held, _ = held_of(rows, test=3, seed=seed)
        assert (0 in held) == (5 in held)
        assert len(held) == 3 or (len(held) == 2 and 0 not in held)


@pytest.mark.parametrize(
    ("by", "fields"),
    [
        ("document", [{"extra": json.dumps({"document": "tea.txt"})}, {"extra": json.dumps({"document": "tea.txt"})}]),
        ("source", [{"source": "one"}, {"source": "one"}]),
        ("cluster", [{}, {"parents": ["PARENT"]}]),
        ("cluster", [{"parents": ["gone"]}, {"parents": ["gone"]}]),
    ],
)
def test_what_belongs_together_is_on_one_side(by: str, fields: list[dict[str, Any]]) -> None:
    first = new_row(instruction="Say moon", output="Io", **fields[0])
    given = {name: [first["id"]] if value == ["PARENT"] else value for name, value in fields[1].items()}
    others = [new_row(instruction=f"w{i}a w{i}b", output=f"x{i}", source=f"s{i}") for i in range(4)]
    rows = [first, *others, new_row(instruction="Another thing", output="No", **given)]
    found = {tuple(at in held_of(rows, test=2, by=by, seed=seed)[0] for at in (0, 5)) for seed in range(20)}
    assert found == {(True, True), (False, False)}


def test_turns_of_one_conversation_are_on_one_side() -> None:
    def chat(*said: str) -> Row:
        return new_row(messages=[turn(("user", "assistant")[n % 2], text) for n, text in enumerate(said)])

    start = ("Plan a trip to the sea", "Gladly: when do you go?")
    rows = [chat(*start, "In May", "Then pack a coat"), *tasks(4), chat(*start, "Never mind, what of wolves?", "They howl")]
    found = {tuple(at in held_of(rows, test=2, by="conversation", seed=seed)[0] for at in (0, 5)) for seed in range(20)}
    assert found == {(True, True), (False, False)}


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), min_size=2, max_size=16), st.integers(1, 15))
def test_no_pair_at_the_threshold_crosses_the_cut(asked: list[list[str]], test: int) -> None:
    rows = [new_row(instruction=" ".join(words), output=f"answer{n}") for n, words in enumerate(asked)]
    held, _ = held_of(rows, test=test)
    assert len(held) <= min(test, len(rows) - 1)
    left = [at for at in range(len(rows)) if at not in held]
    assert all(rouge_l_of(tokens(rows[a]["instruction"]), tokens(rows[b]["instruction"])) <= 0.7 for a in held for b in left)


def test_what_cannot_be_divided_is_one_line(datagen: Callable[..., Any], write_jsonl: Callable[..., Path]) -> None:
    rows = [new_row(instruction=f"Name the largest moon of the planet number {n}", output=str(n)) for n in range(9)]
    held, notes = held_of(rows, test=3)
    assert not held and notes["undivided"].startswith("split: there is nothing to divide: all 9 rows belong together")
    others = [new_row(instruction=f"说出第{n}颗行星最大的卫星的名字是什么", output=str(n)) for n in range(7)]
    told = held_of([*rows, *others], test=3)[1]["undivided"]
    assert "the smallest has 7 rows that belong together; give --test 7, a higher --threshold" in told
    assert held_of([*rows, *others], test=7)[0] == list(range(9, 16))
    assert len(held_of(rows, test=3, threshold=None)[0]) == 3
    assert held_of([])[0] == held_of(rows[:1])[0] == []
    write_jsonl("rows.jsonl", *({"instruction": r["instruction"], "output": r["output"]} for r in rows))
    done = datagen("split", "rows.jsonl", "-o", "out", "--test", 3)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"datagen: {notes['undivided']}"


def test_fewer_than_were_asked_for_is_noted_and_something_stays() -> None:
    held, notes = held_of(tasks(5), test=200)
    assert len(held) == 4 and notes["short_of"] == 196


@pytest.mark.parametrize("wrong", [{"test": 0}, {"threshold": 0.0}, {"threshold": 2.0}, {"by": "row"}, {"seed": -1}])
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, UsageError)):
        stage.make("split", wrong)


def test_the_folder_of_a_split(datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    rng = random.Random(3)
    write_jsonl("rows.jsonl", *(
        {"instruction": " ".join(rng.sample(WORDS, 6)), "output": f"It is {n}.", "mine": n} for n in range(60)
    ))  # fmt: skip
    done = datagen("split", "rows.jsonl", "-o", "out", "--test", 12)
    assert done.returncode == 0, done.stderr
    assert f"next: datagen train out -o out-trained --eval {Path('out', 'test')}" in done.stdout
    out = tmp_path / "out"
    held = list(iterate_rows(out / "test"))
    dropped = read_all(out / "dropped").to_pylist()
    assert len(held) == 12 and [r["id"] for r in held] == [r["id"] for r in dropped]
    assert {r["reason"] for r in dropped} == {"held_out"}
    kept = list(iterate_rows(out / "kept"))
    assert len(kept) == 48 and not {r["id"] for r in held} & {r["id"] for r in kept}
    assert [json.loads(r["extra"])["mine"] for r in held] == sorted(json.loads(r["extra"])["mine"] for r in held)
    assert [r["id"] for r in read(str(out / "test"))] == [r["id"] for r in held]
    assert [r["id"] for r in read(str(out))] == [r["id"] for r in kept], "a run folder is its kept rows"
    assert "nothing to do" in datagen("split", "rows.jsonl", "-o", "out", "--test", 12).stdout
    (shard,) = (out / "test").glob("*.parquet")
    shard.unlink()
    assert datagen("split", "rows.jsonl", "-o", "out", "--test", 12).returncode == 0
    assert list(iterate_rows(out / "test")) == held
    datagen("split", "rows.jsonl", "-o", "out", "--test", 6)
    assert len(list(iterate_rows(out / "test"))) == 6


def test_its_rows_are_measured_by_a_run(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *({"instruction": f"w{i}a w{i}b", "output": f"It is {i}."} for i in range(20)))
    datagen("split", "rows.jsonl", "-o", "parts", "--test", 5)
    done = datagen("train", "parts", "-o", "out", "--model", tiny_dir, "--steps", 1, "--eval", "parts/test")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "out" / "run.json").read_text())["stages"][-1]["training"]
    assert told["rows"] == 15 and told["eval_before"]["tokens"] > 0
