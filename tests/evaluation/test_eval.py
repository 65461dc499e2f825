"""`datagen eval`: what is measured of which model, what becomes of the rows, and what a wrong word says."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from capable_endpoint import ModelServer
from local_endpoint import LocalEndpoint

from datagen.data.shards import read_all, read_json

Evaluated = Callable[..., dict[str, Any]]
CHOICES = [
    {"instruction": f"Which is number {n}?\nA. {n}\nB. {n + 1}\nC. {n + 2}\nD. {n + 3}", "output": "A"} for n in range(40)
]
SUMS = [{"instruction": f"What is {n} and one?", "output": f"It is one more.\n#### {n + 1}"} for n in range(12)]
LONG = [
    {"instruction": f"Tell of day {n}.", "output": f"On day {n} it rained, and then it rained again. " * 3} for n in range(4)
]

PRICED = ("--budget-usd", "1", "--price-in", "1", "--price-out", "1")


def oracle(prompt: str) -> str:
    """What knows the sums and the choices."""
    words = prompt.split()
    return f"#### {int(words[-3]) + 1}" if prompt.endswith("and one?") else "The answer is A."


def guess(prompt: str) -> str:
    return "ABCD"[hashlib.sha256(prompt.encode()).digest()[0] % 4]


def test_an_oracle_is_at_one_and_a_guess_at_chance(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], value: Callable[..., Any]
) -> None:
    write_jsonl("rows.jsonl", *CHOICES)
    write_jsonl("sums.jsonl", *SUMS)
    for says, low, high in ((oracle, 0.9, 1.01), (guess, 0.1, 0.5)):
        with ModelServer(says=says) as server:
            words = ("tiny-chat", "rows.jsonl", "sums.jsonl", "--base-url", server.base_url)
            found = evaluated(*words, out=says.__name__)
        chosen = value(found, "chosen")
        assert low <= chosen["low"] <= chosen["value"] <= chosen["high"] < high and chosen["items"] == 40
        assert (says is oracle) == (value(found, "final", "sums")["value"] == 1.0)
        assert value(found, "named")["value"] == value(found, "ended")["value"] == 1.0
    assert found["evaluation"]["not_measured"] == [
        "tiny-chat: loss, for its weights are not here", "tiny-chat: choice, for its weights are not here",
    ]  # fmt: skip


def test_each_row_is_measured_or_dropped_with_the_reason(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *CHOICES[:8], {"instruction": "Say nothing."})
    write_jsonl("long.jsonl", *LONG)
    with ModelServer(says=oracle) as server:
        words = ("tiny-chat", "rows.jsonl", "long.jsonl", "--base-url", server.base_url, "--items", "5", "--shots", "2")
        found = evaluated(*words)
    kept, dropped = (read_all(tmp_path / "out" / name).to_pylist() for name in ("kept", "dropped"))
    reasons = sorted((row["source"], row["reason"]) for row in dropped)
    assert reasons == [
        ("long", "not_comparable"), ("long", "not_comparable"), ("long", "shown_as_example"), ("long", "shown_as_example"),
        ("rows", "no_answer"), ("rows", "not_drawn"), ("rows", "shown_as_example"), ("rows", "shown_as_example"),
    ]  # fmt: skip
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert {row["id"] for row in kept} == {one["id"] for one in items} and len(kept) == 5
    shown = [row["instruction"] for row in dropped if row["reason"] == "shown_as_example" and row["source"] == "rows"]
    for body in server.bodies:
        assert [m["role"] for m in body["messages"]] == ["user", "assistant"] * 2 + ["user"]
        assert sorted(m["content"] for m in body["messages"][:4:2]) == sorted(shown)
        assert [m["content"] for m in body["messages"][1:4:2]] == ["A", "A"]
        assert body["temperature"] == 0
    assert found["evaluation"]["items"] == 7


def test_what_is_drawn_does_not_depend_on_the_order_of_the_rows(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    drawn = []
    for out, rows in (("a", SUMS), ("b", SUMS[::-1])):
        write_jsonl("rows.jsonl", *rows)
        with ModelServer(says=oracle) as server:
            evaluated("tiny-chat", "rows.jsonl", "--base-url", server.base_url, "--items", "4", "--shots", "1", out=out)
        drawn.append({row["id"]: row["reason"] for row in read_all(tmp_path / out / "dropped").to_pylist()})
    assert drawn[0] == drawn[1] and sorted(drawn[0].values()).count("not_drawn") == 7


def test_two_models_are_compared_item_by_item(
    evaluated: Evaluated,
    datagen: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    tiny_dir: Path,
    tmp_path: Path,
    value: Callable[..., Any],
) -> None:
    write_jsonl("rows.jsonl", *CHOICES[:10], *LONG)
    done = datagen("train", "rows.jsonl", "-o", "lora", "--model", tiny_dir, "--steps", "20", "--lr", "3e-3")
    assert done.returncode == 0, done.stderr
    found = evaluated("lora/adapter", "rows.jsonl", "--base", "--measures", "loss", "--measures", "choice")
    base, adapter = found["evaluation"]["models"]
    assert (base, adapter) == (str(tiny_dir), "lora/adapter")
    numbers = {(d["measure"], d["part"]): d for d in found["evaluation"]["differences"]}
    assert numbers["loss", ""]["better"] is True and numbers["loss", ""]["than"] == base
    less = value(found, "loss", model=adapter)["value"] - value(found, "loss", model=base)["value"]
    assert numbers["loss", ""]["value"] == pytest.approx(less, abs=1e-5) and less < -0.1
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert {one["model"] for one in items} == {base, adapter}
    assert len(items) == 2 * (2 * 14 + 2 * 10)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rows.jsonl",), "no model is named beside the tasks"),
        (("tiny-chat",), "no file or folder of rows"),
        (("tiny-chat", "gone.jsonl"), "no such file or directory: gone.jsonl"),
        (("tiny-chat", "rows.jsonl", "--measures", "los"), "did you mean 'loss'?"),
        (("tiny-chat", "rows.jsonl", "--shots", "-1"), "shots"),
        (("tiny-chat", "rows.jsonl", "--items", "0"), "items"),
        (("tiny-chat", "tiny-chat", "rows.jsonl"), "compared with itself"),
        (("tiny-chat", "rows.jsonl", "--base"), "'tiny-chat' is no adapter"),
        (("one", "two", "rows.jsonl", *PRICED), "--price-in is one price"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
def test_a_wrong_word_is_one_line_that_names_the_fix(
    words: tuple[str, ...], says: str, datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *SUMS)
    done = datagen("eval", *words, "--base-url", "http://127.0.0.1:9/v1", "-o", "out")
    assert done.returncode == (3 if "gone.jsonl" in words else 2) and says in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_cap_ends_it_and_the_same_command_goes_on(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], tmp_path: Path, value: Callable[..., Any]
) -> None:
    write_jsonl("rows.jsonl", *SUMS)
    with ModelServer(says=oracle) as server:
        words = ("tiny-chat", "rows.jsonl", "--base-url", server.base_url)
        first = evaluated(*words, "--max-requests", "5", code=5)
        assert value(first, "final")["items"] == 5
        left = read_all(tmp_path / "out" / "dropped").to_pylist()
        assert [row["reason"] for row in left] == ["not_reached"] * 7
        second = evaluated(*words)
        assert value(second, "final")["items"] == 12 and len(server.bodies) == 12


def test_answers_that_never_came_are_said(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], tmp_path: Path, value: Callable[..., Any]
) -> None:
    write_jsonl("rows.jsonl", *SUMS)
    with LocalEndpoint(script={3: "context", 5: "moderated"}) as server:
        found = evaluated("m", "rows.jsonl", "--base-url", server.base_url, "--concurrency", "1")
    assert value(found, "final")["items"] == 10
    assert found["evaluation"]["not_scored"] == {"request_failed": 2}
    assert [row["reason"] for row in read_all(tmp_path / "out" / "dropped").to_pylist()] == ["request_failed"] * 2


def test_a_cut_answer_has_no_final_answer_and_has_not_ended(
    evaluated: Evaluated, write_jsonl: Callable[..., Path], value: Callable[..., Any]
) -> None:
    write_jsonl("rows.jsonl", *SUMS)
    with LocalEndpoint(always="cut") as server:
        found = evaluated("m", "rows.jsonl", "--base-url", server.base_url)
    assert (value(found, "ended")["value"], value(found, "final")["value"]) == (0.0, 0.0)


def started(tmp_path: Path, environment: dict[str, str], *words: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "datagen", *map(str, words)], cwd=tmp_path, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_comes_to_the_same_bytes(
    write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path, clean_environment: dict[str, str], folder_bytes: Any
) -> None:
    rows = [{**row, "instruction": f"{n}: {row['instruction']}"} for n in range(10) for row in CHOICES]
    write_jsonl("rows.jsonl", *rows)
    words = ("eval", tiny_dir, "rows.jsonl", "--measures", "loss", "--measures", "choice", "-o")
    assert started(tmp_path, clean_environment, *words, "whole").wait() == 0
    scores = tmp_path / "killed" / "01-eval" / "scores"
    process = started(tmp_path, clean_environment, *words, "killed")
    while process.poll() is None and len(list(scores.glob("*.parquet"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    written = {path: path.stat().st_mtime_ns for path in scores.glob("*.parquet")}
    assert len(written) >= 3 and not (tmp_path / "killed" / "run.json").exists()
    assert started(tmp_path, clean_environment, *words, "killed").wait() == 0
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")
    assert written.items() <= {path: path.stat().st_mtime_ns for path in scores.glob("*.parquet")}.items()


@pytest.mark.slow
def test_killed_while_it_asks_it_buys_no_recorded_answer_twice(
    write_jsonl: Callable[..., Path], tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    write_jsonl("rows.jsonl", *({**row, "instruction": f"{n}: {row['instruction']}"} for n in range(5) for row in SUMS))
    with LocalEndpoint(delay_s=0.05) as server:
        words = ("eval", "m", "rows.jsonl", "--base-url", server.base_url, "--concurrency", "4", "-o", "out")
        process = started(tmp_path, clean_environment, *words)
        while process.poll() is None and server.requests < 25:
            time.sleep(0.01)
        process.kill()
        process.wait()
        recorded = len(list((tmp_path / "out").rglob("journal*")))
        assert recorded and server.requests < 60
        assert started(tmp_path, clean_environment, *words).wait() == 0
        assert server.requests <= 60 + 4  # those that were under way when it was killed
    found = read_json(tmp_path / "out" / "run.json")["stages"][-1]
    assert found["rows_kept"] == 60


def test_it_is_a_step_of_a_recipe_too(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *CHOICES[:6])
    recipe = {"input": ["rows.jsonl"], "steps": ["rules", {"eval": {"model": str(tiny_dir), "measures": ["choice"]}}]}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    done = datagen("run", "recipe.json", "-o", "out")
    assert done.returncode == 0, done.stderr
    stages = read_json(tmp_path / "out" / "run.json")["stages"]
    assert [s["name"] for s in stages] == ["input", "rules", "eval"]
    assert {n["measure"] for n in stages[-1]["evaluation"]["numbers"]} == {"choice", "choice_by_length"}
    again = datagen("run", "recipe.json", "-o", "out")
    assert again.returncode == 0 and "nothing to do" in again.stderr + again.stdout
