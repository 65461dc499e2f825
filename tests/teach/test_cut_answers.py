"""Whatever cuts an answer, no teacher keeps it; and a step of which nothing comes stops before it has spent on every row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.errors import ModelError
from datagen.models.asking import Stall
from datagen.rows import Row

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
