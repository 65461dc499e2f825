"""`datagen ablate`: its arms, which rows each trains on, that a planted fault is found, and nothing where there is none."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import new_row
from datagen.data.shards import read_json
from datagen.errors import UsageError
from datagen.recipe import make
from datagen.studies.arms import alike_in_length, drawn, length, recipes

WORDS = ["red", "blue", "green", "black", "white"]


def sums(count: int, first: int = 0) -> list[dict[str, str]]:
    """Tasks with one right answer, which a tiny model learns in a few steps."""
    said = "as everybody in this town has said for many a year"
    return [
        {"instruction": f"Say the colour, {n}.", "output": f"The colour is {WORDS[n % 2]}, {said}."}
        for n in range(first, first + count)
    ]


def spoiled(rows: list[dict[str, str]], share: float) -> list[dict[str, str]]:
    """The rows, and many whose answers are a long mark again and again: what the rule `repetition` drops."""
    draw = random.Random(1)
    bad = [{**row, "output": ("zq " * 40)[: len(row["output"])]} for row in rows]
    return [b if draw.random() < share else r for r, b in zip(rows, bad, strict=True)]


def written(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def a_recipe(folder: Path, *steps: Any, rows: str = "rows.jsonl") -> None:
    (folder / "recipe.json").write_text(json.dumps({"input": [rows], "steps": list(steps)}))


def test_each_quality_stage_is_left_out_once_and_what_protects_never() -> None:
    steps: list[Any] = [
        "rules", {"clean": {"do": ["pii"]}}, {"decontaminate": {"against": ["b.jsonl"]}}, "minhash",
        {"rules": {"use": ["toxic"]}}, "split", "train",
    ]  # fmt: skip
    found = {name: [s.name for s in recipe.steps] for name, recipe in recipes(make(steps, input=["rows.jsonl"])).items()}
    stays = ["clean", "decontaminate", "rules_2", "split"]
    assert found == {
        "whole": ["rules", "clean", "decontaminate", "minhash", "rules_2", "split"],
        "without rules": ["clean", "decontaminate", "minhash", "rules_2", "split"],
        "without minhash": ["rules", "clean", "decontaminate", "rules_2", "split"],
        "random": stays,
    }


def test_a_step_that_makes_the_model_of_a_stage_goes_with_it() -> None:
    steps = ["minhash", {"pre_experience": {"model": "tiny"}}, {"ifd": {"model": "pre_experience", "keep": 0.5}}]
    found = {name: [s.name for s in recipe.steps] for name, recipe in recipes(make(steps, input=["rows.jsonl"])).items()}
    assert found["without ifd"] == ["minhash"] and found["without minhash"] == ["pre_experience", "ifd"]


@pytest.mark.parametrize(
    ("steps", "given", "says"),
    [
        (["self_instruct", "rules"], (), "the recipe makes its rows"),
        (["rules", {"judge": {"model": "gpt-4o", "min_score": 3}}], ("rows.jsonl",), "asks a model at an endpoint"),
        ([{"clean": {"do": ["pii"]}}], ("rows.jsonl",), "no stage that can be left out"),
    ],
    ids=["generator", "judge", "nothing"],
)
def test_what_cannot_be_ablated_is_one_line(steps: list[Any], given: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        recipes(make(steps, input=given))


def test_arms_that_share_rows_draw_the_same_ones() -> None:
    rows = [new_row(instruction=f"Task {n}", output=f"{n}", source="s") for n in range(100)]
    some = [row for n, row in enumerate(rows) if n % 5]
    first, second = drawn(rows, 40, 3), drawn(some, 40, 3)
    assert [row for row in first if row in some] == second[: len([row for row in first if row in some])]
    assert drawn(rows[::-1], 40, 3) == first != drawn(rows, 40, 4)


def test_random_rows_have_the_lengths_of_others_and_none_stands_twice() -> None:
    draw = random.Random(2)
    rows = [new_row(instruction=f"Task {n}", output="x" * draw.randint(1, 2000), source="s") for n in range(400)]
    long = sorted(rows, key=length)[-150:]
    found = alike_in_length(rows, long[:100], 5)
    assert len({row["id"] for row in found}) == 100 and found != long[:100]
    mean = sum(map(length, found)) / 100
    assert mean == pytest.approx(sum(map(length, long[:100])) / 100, rel=0.05)
    assert sum(map(length, rows)) / 400 < 0.75 * mean


@pytest.fixture
def ablated(datagen: Callable[..., Any], tiny_dir: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run the command on rows; return what ablation.json says."""

    def run(rows: list[dict[str, str]], *words: Any, out: str = "out") -> dict[str, Any]:
        written(tmp_path, "rows.jsonl", rows)
        written(tmp_path, "tasks.jsonl", sums(20, 1000))
        a_recipe(tmp_path, {"rules": {"use": ["repetition"]}})
        told = ("--model", tiny_dir, "--steps", 12, "--lr", "3e-3", "--seeds", 4, "--rows", 60)
        done = datagen("ablate", "recipe.json", "--eval", "tasks.jsonl", "-o", out, *told, *words, "--allow-wipeout")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = read_json(tmp_path / out / "ablation.json")
        return {**found, "said": done.stdout}

    return run


def test_the_stage_that_removes_a_planted_fault_is_found(ablated: Callable[..., dict[str, Any]]) -> None:
    found = ablated(spoiled(sums(240), 0.6))
    (stage, chain) = found["effects"]
    assert (stage["stage"], stage["shown"], chain["stage"], chain["shown"]) == ("rules", True, None, True)
    assert 0 < stage["low"] < stage["bought"] < stage["high"]
    assert found["arms"]["without rules"]["kept"] == 240 > found["arms"]["whole"]["kept"] >= 60
    assert "the stage rules: bought " in found["said"] and "beside random rows of equal length" in found["said"]


def test_where_nothing_is_planted_nothing_is_shown_and_equal_runs_are_run_once(
    ablated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    found = ablated(sums(120))
    stage, chain = found["effects"]
    assert (stage["shown"], stage["bought"], stage["could_see"]) == (False, 0, 0)  # it drops nothing
    assert not chain["shown"] and chain["could_see"] > 0
    assert "not shown in nats per token" in found["said"] and "all runs are the same" in found["said"]
    assert len(list((tmp_path / "out" / "runs").glob("*.json"))) == 2 * 4  # whole and random


def test_accuracy_is_counted_by_asking_each_trained_model(ablated: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    found = ablated(spoiled(sums(240), 0.6), "--accuracy", 4, "--seeds", 2)
    assert {one["measure"] for one in found["effects"]} == {"loss", "accuracy"}
    assert all(0 <= run["accuracy"] <= 1 for arm in found["arms"].values() for run in arm["runs"])
    assert (tmp_path / "out" / "runs" / "whole-17" / "eval" / "report.html").is_file()


def test_tasks_that_are_trained_on_are_refused(datagen: Callable[..., Any], tiny_dir: Path, tmp_path: Path) -> None:
    written(tmp_path, "rows.jsonl", sums(60))
    written(tmp_path, "tasks.jsonl", sums(5, 58))
    a_recipe(tmp_path, "rules")
    done = datagen("ablate", "recipe.json", "--eval", "tasks.jsonl", "-o", "out", "--model", tiny_dir)
    assert done.returncode == 2 and "2 tasks of --eval are among the rows that are trained on" in done.stderr
    for words, says in ((("--rows", 1000), "keeps 60: give that, or less"), (("--seeds", 1), "seeds"), ((), "others")):
        tasks = () if says == "others" else ("--eval", "tasks.jsonl")
        written(tmp_path, "tasks.jsonl", sums(5, 100))
        done = datagen("ablate", "recipe.json", *tasks, "-o", "out", "--model", tiny_dir, *words)
        assert done.returncode == 2 and (says in done.stderr or "name rows to measure on" in done.stderr), done.stderr


@pytest.mark.slow
def test_a_killed_study_goes_on_and_comes_to_the_same(
    tiny_dir: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    written(tmp_path, "rows.jsonl", spoiled(sums(160), 0.3))
    written(tmp_path, "tasks.jsonl", sums(10, 1000))
    a_recipe(tmp_path, {"rules": {"use": ["repetition"]}})
    words = ["ablate", "recipe.json", "--eval", "tasks.jsonl", "--model", str(tiny_dir), "--seeds", "3", "--steps", "6", "-o"]

    def begun(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "datagen", *words, out], cwd=tmp_path, env=clean_environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    assert begun("whole").wait() == 0
    process = begun("killed")
    runs = tmp_path / "killed" / "runs"
    while process.poll() is None and len(list(runs.glob("*.json"))) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path: path.stat().st_mtime_ns for path in runs.glob("*.json")}
    assert len(there) >= 2 and not (tmp_path / "killed" / "ablation.json").exists()
    assert begun("killed").wait() == 0
    assert there.items() <= {path: path.stat().st_mtime_ns for path in runs.glob("*.json")}.items()
    one, other = (read_json(tmp_path / name / "ablation.json")["effects"] for name in ("whole", "killed"))
    assert one == other
