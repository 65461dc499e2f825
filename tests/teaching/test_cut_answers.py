"""Whatever cuts an answer, no teacher keeps it; and a step of which nothing comes stops before it has spent on every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_endpoint import Endpoint, encoded
from local_endpoint import LocalEndpoint

from datagen import recipe
from datagen.chat.asking import Stall
from datagen.data.rows import Row
from datagen.errors import ModelError
from datagen.runner import execute

Taught = Callable[..., tuple[list[Row], list[Row], Any]]
ROWS = [
    {"instruction": f"Tell what happens when number {i} meets the river.", "output": f"Then {i} of them turn green. " * 8}
    for i in range(3)
]
OPTIONS: dict[str, dict[str, Any]] = {
    "answer": {"samples": 2}, "rewrite": {}, "evolve": {}, "translate": {"to": ("zh",)}, "backtranslate": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "reason", "told"),
    [("cut", "cut_off", "(length)"), ("filtered", "filtered", "(content_filter)"), ("broke_off", "endpoint_error", "(error)")],
)
@pytest.mark.parametrize("kind", OPTIONS)
def test_a_cut_answer_is_a_ledger_row_that_says_what_cut_it(
    taught: Taught, kind: str, fault: str, reason: str, told: str
) -> None:
    with LocalEndpoint(always=fault) as server:
        kept, dropped, _ = taught(kind, ROWS, server, **OPTIONS[kind])
    assert {r["reason"] for r in dropped} == {reason}
    assert all(r["evidence"].startswith(told) for r in dropped)
    assert [r["instruction"] for r in kept] == ([r["instruction"] for r in ROWS] if kind in ("evolve", "translate") else [])


@pytest.mark.parametrize("probabilities", ["on", "off"])
@pytest.mark.parametrize("fault", ["cut", "filtered", "broke_off"])
def test_a_cut_judgement_is_no_score(taught: Taught, probabilities: str, fault: str) -> None:
    with LocalEndpoint(always=fault) as server:
        kept, dropped, _ = taught("judge", ROWS, server, min_score=1, probabilities=probabilities)
    assert not kept
    assert {r["reason"] for r in dropped} == {"no_score"}
    assert all(r["evidence"].startswith(("cut_off", "filtered", "endpoint_error")) for r in dropped)


MAKERS: dict[str, dict[str, Any]] = {
    "one": {"self_instruct": {"method": "one"}}, "alpaca": {"self_instruct": {}}, "magpie": {"magpie": {"template": "llama3"}},
    "original": {"self_instruct": {"method": "original"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def ends_oddly() -> Iterator[Endpoint]:
    """Give an endpoint whose every answer is good, and ends for a reason that nobody has heard of."""
    text = "1. Instruction: Name a river that flows to the sea.\nInput: <noinput>\nOutput: The Mekong. Score: 5"
    choice = {"text": text, "message": {"content": text}, "finish_reason": "something_new"}
    with Endpoint(lambda n: encoded({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}})) as server:
        yield server


@pytest.mark.parametrize("kind", OPTIONS)
def test_an_end_that_nobody_has_heard_of_is_a_cut_for_every_teacher(taught: Taught, ends_oddly: Any, kind: str) -> None:
    kept, dropped, _ = taught(kind, ROWS, ends_oddly, **OPTIONS[kind])
    assert [r["instruction"] for r in kept] == ([r["instruction"] for r in ROWS] if kind in ("evolve", "translate") else [])
    assert {r["reason"] for r in dropped} == {"cut_off"}
    assert all(r["evidence"].startswith("(something_new) 1. Instruction") for r in dropped)


@pytest.mark.parametrize("probabilities", ["on", "off"])
def test_it_is_one_for_a_judge(taught: Taught, ends_oddly: Any, probabilities: str) -> None:
    kept, dropped, _ = taught("judge", ROWS, ends_oddly, min_score=1, probabilities=probabilities)
    assert not kept and all(r["evidence"].startswith("cut_off (something_new): 1. Inst") for r in dropped)


def test_it_is_one_where_rows_are_tagged(taught: Taught, ends_oddly: Any) -> None:
    kept, _, result = taught("tag", ROWS, ends_oddly)
    assert len(kept) == len(ROWS) and not any(r["tags"] for r in kept)
    assert "cut_off (something_new): 1. Inst" in str(result.summary["stages"][1]["notes"])


@pytest.mark.parametrize("kind", MAKERS)
def test_it_is_one_for_every_generator(tmp_path: Path, ends_oddly: Any, kind: str) -> None:
    [(name, options)] = MAKERS[kind].items()
    given = {"n": 2, "model": "m", "base_url": ends_oddly.base_url, "stall": 2, **options}
    result = execute(recipe.make([{name: given}]), tmp_path / "out")
    told = result.summary["stages"][0]
    assert (told["rows_kept"], set(told["dropped"])) == (0, {"cut_off"})
    assert told["stopped"]["message"].startswith("the last 2 requests kept nothing")


def many(n: int) -> list[dict[str, Any]]:
    return [{"instruction": f"Name {i} things that float on water.", "output": f"Wood, and {i} more."} for i in range(n)]


@pytest.mark.parametrize("kind", ["answer", "translate"])
def test_a_step_of_which_nothing_comes_stops_with_the_reason(taught: Taught, kind: str) -> None:
    with LocalEndpoint(always="null_text") as server:
        kept, dropped, result = taught(kind, many(40), server, **OPTIONS[kind], stall=5, concurrency=1)
        assert server.requests < 40
    assert result.summary["stages"][-1]["stopped"]["exit_code"] == 4
    message = result.summary["stages"][-1]["stopped"]["message"]
    assert message.startswith("the last 5 rows that the model was asked about came to nothing (request_failed 5): the answer")
    if kind == "answer":
        assert [r["reason"] for r in dropped].count("request_failed") == 5
        assert len(kept) + len(dropped) == 40 and [r["reason"] for r in dropped].count("not_reached") == 35
    else:
        assert len(kept) == 40


def test_a_judge_that_gives_no_score_stops_too(taught: Taught) -> None:
    with LocalEndpoint(always="null_text") as server:
        with pytest.raises(ModelError, match=r"the last 5 rows .* came to nothing \(no_score 5\)"):
            taught("judge", many(40), server, stall=5, concurrency=1)
        assert server.requests < 40


def test_rows_that_nothing_was_asked_about_and_rows_that_came_between_are_no_stall() -> None:
    vain = Stall(2, "rows")
    for asked, why in ((True, "cut_off"), (False, "needs_tools"), (False, "empty_task"), (True, None), (True, "cut_off")):
        vain.note(asked, why, "said")
    with pytest.raises(ModelError, match=r"the last 2 rows .*\(cut_off 2\): said; try another model"):
        vain.note(asked=True, why="cut_off", said="said")


def test_rows_with_tools_at_the_begin_are_no_stall(taught: Taught, tmp_path: Path) -> None:
    tools = '[{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]'
    rows = [{**one, "tools": tools} if i < 6 else one for i, one in enumerate(many(8))]
    with LocalEndpoint() as server:
        kept, dropped, _ = taught("answer", rows, server, stall=5)
    assert (len(kept), [r["reason"] for r in dropped]) == (2, ["needs_tools"] * 6)
