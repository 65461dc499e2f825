"""Head to head: a judge who sees both orders, ties where it contradicts itself, the share at equal length, caps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from capable_endpoint import ModelServer

from datagen.evaluation.head_to_head import at_equal_length

ROWS = [{"instruction": f"Tell of day {n}.", "output": f"On day {n} it rained, and rained again. " * 3} for n in range(12)]


def world(prompt: str) -> str:
    """Two models and a judge: `good` says much, `bad` little; the judge prefers what holds `sun`."""
    if "Two assistants" not in prompt:
        return "rain"
    first, second = prompt.partition("Answer A:")[2].split("Answer B:")
    one, two = "sun" in first, "sun" in second
    return f"Why not.\nBetter: {'tie' if one == two else 'A' if one else 'B'}"


class Several(ModelServer):
    """A server whose model `sunny` speaks of the sun."""

    def choice(self, body: dict[str, Any], prompt: str, *rest: Any) -> Any:
        before = self.says
        if body["model"] == "sunny":
            self.says = lambda prompt: "sun"
        try:
            return super().choice(body, prompt, *rest)
        finally:
            self.says = before


@pytest.fixture
def server() -> Any:
    with Several(says=world, models=("rainy", "sunny", "judge")) as server:
        yield server


def test_the_better_model_wins_in_both_orders(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], server: Any, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    words = ("rainy", "sunny", "rows.jsonl", "--judge", "judge", "--base-url", server.base_url, "--concurrency", "1")
    found = evaluated(*words)
    (one,) = found["evaluation"]["head_to_head"]
    assert (one["model"], one["than"], one["judge"], one["items"]) == ("sunny", "rainy", "judge", 12)
    assert (one["won"], one["lost"], one["ties"], one["contradicted"]) == (12, 0, 0, 0)
    assert one["preferred"]["value"] == 1.0 and 0.7 < one["preferred"]["low"] < 0.8  # twelve of twelve are no certainty
    assert one["at_equal_length"]["value"] > 0.9 and one["longer_by"] == -1.0
    asked = [body for body in server.bodies if body["model"] == "judge"]
    assert len(asked) == 24 and len(server.bodies) == 48
    assert found["requests"]["sent"] == 48
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    said = [one["said"] for one in items if one["measure"] == "preferred"]
    assert len(said) == 12 and all("Why not." in one for one in said)


def test_a_judge_that_always_prefers_the_first_finds_ties(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    with ModelServer(says=lambda p: "Better: A" if "Two assistants" in p else "rain", models=("a", "b", "j")) as server:
        found = evaluated("a", "b", "rows.jsonl", "--judge", "j", "--base-url", server.base_url)
    (one,) = found["evaluation"]["head_to_head"]
    assert (one["ties"], one["contradicted"], one["preferred"]["value"]) == (12, 12, 0.5)


def test_a_cap_in_the_midst_of_judging_stops_it_and_the_same_command_goes_on(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], server: Any
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    words = ("rainy", "sunny", "rows.jsonl", "--judge", "judge", "--base-url", server.base_url)
    first = evaluated(*words, "--max-requests", "30", code=5)
    assert first["evaluation"]["head_to_head"] == [] and len(server.bodies) == 30
    (one,) = evaluated(*words)["evaluation"]["head_to_head"]
    assert one["won"] == 12 and len(server.bodies) == 48


def test_what_the_judge_does_not_say_is_no_verdict(evaluated: Callable[..., Any], write_jsonl: Callable[..., Path]) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    with ModelServer(says=lambda p: "I cannot say" if "day 3" in p else world(p), models=("a", "b", "j")) as server:
        found = evaluated("a", "b", "rows.jsonl", "--judge", "j", "--base-url", server.base_url)
    (one,) = found["evaluation"]["head_to_head"]
    assert one["items"] == 11 and list(found["evaluation"]["not_judged"].values()) == [1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("one", "rows.jsonl", "--judge", "j"), "judge compares two models"),
        (("one", "two", "rows.jsonl", "--judge", "j", "--measures", "loss"), "judge compares answers"),
        (("one", "two", "rows.jsonl", "--rubric", "r.txt"), "name one with --judge"),
        (("one", "two", "rows.jsonl", "--judge", "j", "--budget-usd", "1"), "none is known for 'one'"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_a_wrong_word_is_one_line_that_names_the_fix(
    words: tuple[str, ...], says: str, datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    done = datagen("eval", *words, "--base-url", "http://127.0.0.1:9/v1", "-o", "out")
    assert done.returncode == 2 and says in done.stderr.splitlines()[-1], done.stderr


def test_length_alone_is_no_merit_at_equal_length() -> None:
    draw = np.random.default_rng(2)
    longer = draw.normal(200, 100, 400)
    by_length = (draw.random(400) < 1 / (1 + np.exp(-longer / 100))).astype(float)
    raw, fair = by_length.mean(), at_equal_length(by_length, longer, 1)
    assert raw > 0.8 and fair.low < 0.5 < fair.high
    same = np.full(50, 30.0)
    scores = np.repeat([1.0, 0.0, 0.5], (30, 10, 10))
    assert at_equal_length(scores, same, 1).value == pytest.approx(0.7, abs=0.01)
    won = at_equal_length(np.ones(5), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 1)
    assert won.value == won.high == 1.0 and 0.5 < won.low < 0.6  # five of five are no certainty


def test_the_share_at_equal_length_lies_in_its_interval_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    inside = 0
    for seed in range(100):
        longer = draw.normal(0, 100, 120)
        chance = 1 / (1 + np.exp(-(0.4 + np.tanh(longer / 100))))
        found = at_equal_length((draw.random(120) < chance).astype(float), longer, seed)
        inside += found.low <= 1 / (1 + np.exp(-0.4)) <= found.high
    assert inside >= 90


def test_another_rubric_is_another_evaluation(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], server: Any, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    rubric = tmp_path / "rubric.txt"
    words = ("rainy", "sunny", "rows.jsonl", "--judge", "judge", "--rubric", "rubric.txt", "--base-url", server.base_url)
    rubric.write_text("Prefer what speaks of the weather.")
    evaluated(*words)
    asked = len(server.bodies)
    evaluated(*words)
    assert len(server.bodies) == asked  # nothing to do
    rubric.write_text("Prefer what is short.")
    evaluated(*words)
    assert len(server.bodies) == asked + 24 and "Prefer what is short." in str(server.bodies[-1])


def test_a_model_that_is_here_has_no_price_and_needs_none(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], server: Any, tiny_dir: Path
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    priced = ("--budget-usd", "1", "--price-in", "1", "--price-out", "2")
    found = evaluated(str(tiny_dir), "rainy", "rows.jsonl", "--measures", "overlap", "--base-url", server.base_url, *priced)
    assert found["evaluation"]["models"] == [str(tiny_dir), "rainy"]
    assert found["requests"]["sent"] == 24 and len(server.bodies) == 12
    words = sum(len(body["messages"][-1]["content"].split()) for body in server.bodies)
    assert found["cost"]["usd"] == pytest.approx((words + 12 * 7 + 12 * 2) / 1e6)  # no token of the local model


def test_what_was_measured_stands_where_the_next_model_cannot_be_asked(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], server: Any
) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    words = ("rainy", "nowhere", "rows.jsonl", "--measures", "overlap", "--base-url", server.base_url)
    found = evaluated(*words, code=4)
    assert {n["model"] for n in found["evaluation"]["numbers"]} == {"rainy"} and "nowhere" in found["stopped"]["message"]
