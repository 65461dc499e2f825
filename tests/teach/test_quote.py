"""`--estimate` of teachers: a few rows, evenly spread, whose answers the run does not buy again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen import recipe
from datagen.backtranslation import steps
from datagen.errors import UsageError
from datagen.run import estimate, execute

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


def test_judging_is_quoted_and_the_probes_are_not_bought_again(write_jsonl: Any, tmp_path: Path) -> None:
    path, out = write_jsonl("rows.jsonl", *ROWS), tmp_path / "out"
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url, "price_in": 1.0, "price_out": 4.0, "probabilities": "off"}
        made = recipe.make([{"judge": given}], input=(str(path),))
        told = estimate(made, out, 8)
        assert (told["rows"], told["probes"], told["kept"], told["not_counted"]) == (40, 8, 8, [])
        sent = server.requests
        assert told["sent"] == sent >= 8 and told["usd"][0] > 0 and told["seconds"] is not None
        execute(made, out)
        _, low, high = told["requests"]
        assert low <= server.requests <= high
        assert len({str(b) for b in server.bodies}) == server.requests, "no request went out twice"


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
        local = recipe.make(steps([str(tmp_path / "pages")], {**given, "judge_model": "smollm2"}))
        assert estimate(local, tmp_path / "other", 5)["not_counted"] == ["judge"]
