"""`--estimate` of teachers: a few rows, evenly spread, whose answers the run does not buy again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen import recipe
from datagen.backtranslation import steps
from datagen.errors import BudgetError, DataError, UsageError
from datagen.runner import estimate, execute

ROWS = [{"instruction": f"Name {i} things.", "output": "x"} for i in range(40)]


def test_what_all_rows_would_take_holds_what_they_took(write_jsonl: Any, tmp_path: Path) -> None:
    path, out = write_jsonl("rows.jsonl", *ROWS), tmp_path / "out"
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url, "samples": 2, "price_in": 1.0, "price_out": 4.0}
        made = recipe.make([{"answer": given}], input=(str(path),))
        told = estimate(made, out, 8)
        assert (told["rows"], told["probes"], told["sent"], server.requests) == (40, 8, 16, 16)
        assert not (out / "run.json").exists() and estimate(made, out, 8)["sent"] == 0
        asked = [int(b["messages"][-1]["content"].split()[1]) for b in server.bodies]
        assert sorted({*asked}) == [0, 5, 10, 15, 20, 25, 30, 35]
        result = execute(made, out)
        assert server.requests == 80, "the probes are not bought again"
        stage = result.summary["stages"][1]
        for name, truth in (("requests", 80), ("usd", stage["cost"]["usd"]), ("tokens", sum_of(stage["usage"]))):
            _, low, high = told[name]
            assert low <= truth <= high, (name, told[name], truth)
        with pytest.raises(UsageError, match="holds a finished run, which --estimate would take away"):
            estimate(made, out, 8)


def sum_of(usage: dict[str, Any]) -> int:
    return int(usage["input_tokens"] + usage["output_tokens"])


def test_no_price_no_dollars_and_fewer_rows_than_probes(write_jsonl: Any, tmp_path: Path) -> None:
    path = write_jsonl("rows.jsonl", *ROWS[:3])
    with LocalEndpoint() as server:
        made = recipe.make([{"answer": {"model": "local", "base_url": server.base_url}}], input=(str(path),))
        told = estimate(made, tmp_path / "out", 8)
    assert (told["rows"], told["probes"], told["usd"], told["requests"]) == (3, 3, None, [3.0, 3.0, 3.0])


@pytest.mark.parametrize(
    "more",
    [{"probabilities": "off"}, {}, {"via": "batch"}, {"via": "batch", "samples": 3, "temperature": 0.7}],
    ids=["samples", "probabilities", "batch", "batch of samples"],
)
def test_judging_is_quoted_and_the_probes_are_not_bought_again(write_jsonl: Any, tmp_path: Path, more: dict[str, Any]) -> None:
    path, out = write_jsonl("rows.jsonl", *ROWS, {"instruction": "Nothing is said.", "output": ""}), tmp_path / "out"
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url, "price_in": 1.0, "price_out": 4.0, **more}
        made = recipe.make([{"judge": given}], input=(str(path),))
        told = estimate(made, out, 10)
        assert (told["rows"], told["probes"], told["kept"], told["not_counted"]) == (41, 10, 10, [])
        assert told["sent"] >= 10 and told["usd"][0] > 0
        assert (told["seconds"] is None) == ("via" in more)
        used = execute(made, out).summary["stages"][1]["notes"]["usage"]
        # An answer now and then has no score and is asked for again: ten rows need not meet one.
        assert told["requests"][0] == pytest.approx(used["recorded"], rel=0.2)
        assert told["usd"][0] == pytest.approx(used["usd"], rel=0.2)


def test_where_there_is_no_row_and_where_a_run_was_stopped_it_says_so(write_jsonl: Any, tmp_path: Path) -> None:
    page = tmp_path / "short.txt"
    page.write_text("Too short.", "utf-8")
    path = write_jsonl("rows.jsonl", *ROWS)
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url}
        with pytest.raises(DataError, match="no row is left to be asked about"):
            estimate(recipe.make(steps([str(page)], given)), tmp_path / "none", 5)
        made = recipe.make([{"answer": {**given, "max_requests": 20}}], input=(str(path),))
        assert execute(made, tmp_path / "out").stopped is not None
        with pytest.raises(UsageError, match="holds a run that was stopped: the same command without --estimate goes on"):
            estimate(made, tmp_path / "out", 5)
        small = recipe.make([{"answer": {**given, "max_requests": 3}}], input=(str(path),))
        with pytest.raises(BudgetError, match="the estimate needs more for 8 probes: try --probes 2, or a higher cap"):
            estimate(small, tmp_path / "small", 8)
        one = estimate(recipe.make([{"answer": given}], input=(str(path),), limit=1), tmp_path / "one", 8)
    assert (one["rows"], one["requests"]) == (1, [1.0, 1.0, 1.0])


def test_a_backtranslation_is_quoted_with_its_judge(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    for page in range(20):
        text = " ".join(
            f"The lake {page} of the valley lies {n} metres below the road, and nobody swims there." for n in range(9)
        )
        (tmp_path / "pages" / f"{page}.txt").write_text(text, "utf-8")
    out = tmp_path / "out"
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url, "price_in": 1.0, "price_out": 4.0, "min_score": 1.0}
        made = recipe.make(steps([str(tmp_path / "pages")], given))
        told = estimate(made, out, 5)
        assert (told["rows"], told["probes"], told["sent"]) == (20, 5, server.requests)
        assert told["requests"][0] >= 40, "one for the instruction, one for its score"
        assert not (out / "run.json").exists()
        summary = execute(made, out).summary
        spent = next(s for s in summary["stages"] if s["name"] == "judge")["notes"]["usage"]["usd"]
        assert told["usd"][1] <= spent <= told["usd"][2], (told["usd"], spent)
        again = estimate(recipe.make(steps([str(tmp_path / "pages")], {**given, "rounds": 2})), tmp_path / "rounds", 5)
        assert again["not_counted"] == ["forward_model", "judge_2"], "a model that the run itself tunes is asked nothing"
