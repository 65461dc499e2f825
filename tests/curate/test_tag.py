"""`tag`: by the words without a model, by a real endpoint through the journal, into one vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capable_endpoint import ModelServer
from local_endpoint import LocalEndpoint

from datagen import recipe, stage
from datagen.curate.tag import SHOWN, shown
from datagen.data.rows import ROW, Row, new_row
from datagen.data.shards import ShardWriter, read_all
from datagen.errors import UsageError
from datagen.runner import Result, execute

TASKS = ["Write a poem about rain.", "Write a poem about snow.", "Name a river in Peru.", "Name the river of Egypt."]


def run_of(write_jsonl: Callable[..., Path], out: Path, rows: list[Row], **options: Any) -> Result:
    path = write_jsonl("rows.jsonl", *({"instruction": r["instruction"], "output": r["output"]} for r in rows))
    return execute(recipe.make([{"tag": options}], input=(str(path),)), out)


def rows_of(tasks: list[str]) -> list[Row]:
    return [new_row(instruction=t, output=f"answer {i}") for i, t in enumerate(tasks)]


def test_without_a_model_every_row_has_what_it_asks_for(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    result = run_of(write_jsonl, tmp_path / "out", rows_of(TASKS), distance="off")
    kept = read_all(result.folder / "kept").to_pylist()
    assert [r["tags"] for r in kept] == [["write poem"], ["write poem"], ["name river"], ["name river"]]
    assert [r["tag_count"] for r in kept] == [1, 1, 1, 1]
    notes = result.summary["stages"][1]["notes"]
    assert (notes["by"], notes["covered"], notes["tags_per_row"]) == ("words", 2, 1.0)
    assert notes["most_frequent"] == [["write poem", 2], ["name river", 2]]


def tagged(prompt: str) -> str:
    """Tag as a model would: the second and third word of the material, and its last one."""
    words = prompt.split("==========")[1].split()
    return json.dumps([{"tag": " ".join(words[1:3]).upper(), "explanation": "x"}, {"tag": words[-1], "explanation": "y"}])


def test_a_model_names_the_tags_and_equal_rows_are_one_request(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    rows = rows_of([*TASKS, TASKS[0]])
    with ModelServer(says=tagged) as server:
        options = {"model": "tiny-chat", "base_url": server.base_url, "distance": "off"}
        result = run_of(write_jsonl, tmp_path / "out", rows, **options)
        assert len(server.bodies) == 4
        prompts = [body["messages"][0]["content"] for body in server.bodies]
        assert sum("\nWrite a poem about rain.\n" in prompt for prompt in prompts) == 1
        assert {body["temperature"] for body in server.bodies} == {0}
        kept = read_all(result.folder / "kept").to_pylist()
        assert [r["tags"] for r in kept] == [["A POEM", "rain"], ["A POEM"], [], [], ["A POEM", "rain"]]
        assert kept[2]["open_tags"] == ["A RIVER", "Peru"]
        # Another threshold asks nothing; with everything else gone, the journal answers.
        run_of(write_jsonl, tmp_path / "out", rows, **options, min_count=1)
        execute(recipe.make([{"tag": options}], input=(str(tmp_path / "rows.jsonl"),)), tmp_path / "out", fresh=True)
        assert len(server.bodies) == 4


def test_a_row_that_the_model_does_not_tag_stays_and_says_why(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    with ModelServer(says=lambda prompt: "I cannot." if "Peru" in prompt else tagged(prompt)) as server:
        options = {"model": "tiny-chat", "base_url": server.base_url, "distance": "off"}
        result = run_of(write_jsonl, tmp_path / "out", rows_of(TASKS), **options)
    kept = read_all(result.folder / "kept").to_pylist()
    assert [r["tag_error"] for r in kept] == [None, None, "the answer names no tag", None]
    assert kept[2]["open_tags"] is None and kept[2]["tags"] == []
    assert result.summary["stages"][1]["notes"]["rows_not_tagged"] == 1


def test_what_was_bought_when_the_budget_ended_is_used_by_the_next_run(
    write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    rows = rows_of([f"Task number {i} about something." for i in range(12)])
    with LocalEndpoint() as server:
        options = {"model": "m", "base_url": server.base_url, "distance": "off", "concurrency": 2}
        with pytest.raises(stage.DatagenError, match="the limit of 5 requests is reached"):
            run_of(write_jsonl, tmp_path / "out", rows, **options, max_requests=5)
        assert server.requests == 5
        result = run_of(write_jsonl, tmp_path / "out", rows, **options)
        assert server.requests == 12
    assert result.summary["rows_kept"] == 12


def test_failures_are_asked_again_only_when_that_is_said(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    rows = rows_of(TASKS)
    with LocalEndpoint(script={2: "context"}) as server:
        options = {"model": "m", "base_url": server.base_url, "distance": "off", "concurrency": 1}
        first = run_of(write_jsonl, tmp_path / "out", rows, **options)
        assert first.summary["stages"][1]["notes"]["rows_not_tagged"] >= 1
        asked = server.requests
        run_of(write_jsonl, tmp_path / "out", rows, **options, min_count=3)
        assert server.requests == asked
        again = run_of(write_jsonl, tmp_path / "out", rows, **options, retry_failed=True)
        assert server.requests > asked
        errors = [r["tag_error"] for r in read_all(again.folder / "kept").to_pylist()]
        assert not [e for e in errors if e and "context" in e]


def test_own_tags_stay_unless_they_are_to_go(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    with ShardWriter(path, ROW) as writer:
        for task in TASKS:
            writer.add(new_row(instruction=task, output="x", tags=["mine"]))
    for existing, tags in (("keep", ["mine", "write poem"]), ("replace", ["write poem"])):
        made = recipe.make([{"tag": {"existing": existing, "distance": "off"}}], input=(str(path),))
        result = execute(made, tmp_path / existing)
        assert read_all(result.folder / "kept").column("tags").to_pylist()[0] == tags


def test_balance_takes_the_tags_that_were_made(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    path = write_jsonl("rows.jsonl", *({"instruction": t, "output": f"{i}"} for i, t in enumerate(TASKS)))
    made = recipe.make([{"tag": {"distance": "off"}}, {"balance": {"by": "diversity", "size": 2}}], input=(str(path),))
    kept = read_all(execute(made, tmp_path / "out").folder / "kept")
    assert kept.column("tags").to_pylist() == [["write poem"], ["name river"]]


def test_a_long_text_is_shown_with_its_beginning_and_its_end() -> None:
    assert shown("short") == "short"
    text = "a" * 5000 + "b" * 5000
    assert len(shown(text)) < SHOWN + 20 and shown(text).startswith("aaa") and shown(text).endswith("bbb")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_count": 0}, "min_count must be 1 or more"),
        ({"distance": 2}, "distance must be above 0 and at most 1"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "base_url needs model"),
        ({"by": "magic"}, "is not one of auto, model, words"),
        ({"model": "m", "base_url": "http://127.0.0.1:9/v1", "budget_usd": 1}, "needs a price"),
    ],
)
def test_wrong_options_are_told_before_anything_is_asked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        stage.make("tag", options).identity()


def test_tags_that_the_rows_came_with_are_those_of_this_input(tmp_path: Path) -> None:
    for own in ("one", "two"):
        with ShardWriter(tmp_path / own, ROW) as writer:
            for task in TASKS:
                writer.add(new_row(instruction=task, output="x", tags=[own]))
        made = recipe.make([{"tag": {"distance": "off"}}], input=(str(tmp_path / own),))
        kept = read_all(execute(made, tmp_path / "out").folder / "kept")
        assert kept.column("tags").to_pylist()[0] == [own, "write poem"]


@pytest.mark.slow
def test_a_lost_file_of_scores_is_made_again(write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    rows = rows_of([f"Write poem number {i}." for i in range(5000)])
    first = run_of(write_jsonl, tmp_path / "out", rows, distance="off", topics=0)
    scores = tmp_path / "out" / "01-tag" / "scores"
    assert sorted(p.name for p in scores.glob("*.arrow")) == ["00000.arrow", "00001.arrow"]
    (scores / "00000.arrow").unlink()
    (tmp_path / "out" / "01-tag" / "_done.json").unlink()
    again = run_of(write_jsonl, tmp_path / "out", rows, distance="off", topics=0)
    assert again.summary["stages"][1]["notes"] == first.summary["stages"][1]["notes"]
