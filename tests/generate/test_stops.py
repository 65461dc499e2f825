"""How a generation stops and goes on: at once where nothing would help, whole in the ledger, and on the embedded model too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen import assets
from datagen.chat.options import ModelOptions
from datagen.data.rows import Row
from datagen.data.shards import iterate_rows, read_json
from datagen.errors import DataError, ModelError, UsageError
from datagen.kinds.self_instruct import SelfInstruct
from datagen.recipe import make
from datagen.runner import execute


def made(out: Path, server: LocalEndpoint, **options: Any) -> tuple[list[Row], list[Row]]:
    settings = {"n": 12, "model": "local", "base_url": server.base_url, "concurrency": 4, **options}
    execute(make([{"self_instruct": settings}]), out)
    return list(iterate_rows(out / "kept")), list(iterate_rows(out / "dropped"))


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_what_every_request_would_meet_stops_at_once_though_the_first_one_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.generate.loop.STOP_S", 1.0)  # how long what is under way is waited for
    script = {1: "hang", **dict.fromkeys(range(2, 60), "quota")}
    with LocalEndpoint(script, delay_s=0.02) as server:
        with pytest.raises(ModelError, match="the quota of this API key is used up"):
            made(tmp_path / "out", server, n=200, concurrency=4, timeout_s=3600)  # the first one is not waited for
        assert server.requests <= 8


@pytest.mark.slow
def test_reparse_of_a_run_that_asked_again_keeps_its_rows(tmp_path: Path, datagen: Any) -> None:
    with LocalEndpoint({2: "context"}) as server:
        command = [
            "self-instruct",
            "-n",
            12,
            "-o",
            "out",
            "--model",
            "local",
            "--base-url",
            server.base_url,
            "--concurrency",
            1,
        ]
        assert datagen(*command, "--retry-failed").returncode == 0
    before = [r["id"] for r in iterate_rows(tmp_path / "out" / "kept")]
    assert "request_failed" in [r["reason"] for r in iterate_rows(tmp_path / "out" / "dropped")]
    done = datagen("reparse", "out")
    assert done.returncode == 0, done.stderr
    assert [r["id"] for r in iterate_rows(tmp_path / "out" / "kept")] == before


def test_a_request_for_sub_topics_that_is_given_up_is_a_ledger_row(tmp_path: Path, write_jsonl: Any) -> None:
    write_jsonl("topics.txt", "astronomy", "cooking")
    with LocalEndpoint({1: "context"}) as server:
        _, dropped = made(tmp_path / "out", server, n=12, topics=str(tmp_path / "topics.txt"), subtopics=2)
    failed = [r for r in dropped if r["reason"] == "request_failed"]
    assert len(failed) == 1
    assert failed[0]["evidence"].startswith("sub-topics of astronomy: HTTP 400")
    summary = read_json(tmp_path / "out" / "run.json")
    assert summary["rows_in"] == summary["rows_kept"] + summary["rows_dropped"]


@pytest.mark.parametrize("method", ["original", "one", "alpaca"])
def test_under_a_cap_the_first_tasks_are_finished_before_later_ones_are_begun(tmp_path: Path, method: str) -> None:
    with LocalEndpoint(delay_s=0.01) as server:
        kept, _ = made(tmp_path / "out", server, n=500, method=method, max_requests=32, concurrency=3)
    assert len(kept) >= 4


def test_a_cap_below_the_first_request_says_what_goes_on(datagen: Any, endpoint: LocalEndpoint) -> None:
    command = ["self-instruct", "-n", 5, "-o", "out", "--model", "local", "--base-url", endpoint.base_url]
    done = datagen(*command, "--price-in", 1, "--price-out", 1, "--budget-usd", 0.0001)
    assert done.returncode == 5
    assert "go on with: datagen self-instruct -n 5" in done.stderr
    assert "--budget-usd 0.0002" in done.stderr
    assert endpoint.requests == 0


def test_a_journal_that_lost_answers_is_not_taken_for_a_new_one(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    made(tmp_path / "out", endpoint, n=12)
    for path in (tmp_path / "out").glob("journal*"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds 0 answers, but \d+ were recorded: restore it"):
        made(tmp_path / "out", endpoint, n=30)


def test_no_request_carries_a_stop_sequence_or_a_bias_that_cuts_answers(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    for method in ("alpaca", "original", "one"):
        made(tmp_path / method, endpoint, n=4, method=method)
    assert endpoint.bodies
    assert not [b for b in endpoint.bodies if {"stop", "logit_bias"} & set(b)]


@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_the_requirements_of_the_alpaca_prompt_are_numbered_once_each(language: str) -> None:
    import re

    text = assets.prompt("self_instruct", language).partition("{%")[0]
    numbers = [int(n) for n in re.findall(r"^(\d+)[.．、]", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_local_model_is_told_the_language_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    options = SelfInstruct(model=str(tmp_path), language="zh")
    assert options.resolved_method == "one"
    assert options.steered and "magpie" in options.prompt_names
    assert not SelfInstruct().steered


def test_an_endpoint_needs_a_model_and_the_address_of_the_api() -> None:
    with pytest.raises(ValueError, match="base_url needs model"):
        ModelOptions(base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ValueError, match="leave /chat/completions off"):
        ModelOptions(model="m", base_url="http://127.0.0.1:1/v1/chat/completions")


def test_more_examples_than_there_are_seeds_is_an_error(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    with pytest.raises(UsageError, match="examples is 500, but there are 185 seed tasks"):
        made(tmp_path / "out", endpoint, examples=500)


@pytest.mark.slow
def test_a_larger_aim_replaces_nothing(tmp_path: Path, datagen: Any, endpoint: LocalEndpoint) -> None:
    command = ["self-instruct", "-o", "out", "--model", "local", "--base-url", endpoint.base_url]
    datagen(*command, "-n", 10)
    done = datagen(*command, "-n", 20)
    assert done.returncode == 0
    assert "replaced" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [{"self_instruct": {"method": "one", "concurrency": 2}}, {"magpie": {"concurrency": 2, "max_task_tokens": 48}}],
)
def test_every_method_runs_on_the_embedded_model(tmp_path: Path, step: dict[str, Any]) -> None:
    [(kind, options)] = step.items()
    result = execute(make([{kind: {"n": 1, **options}}]), tmp_path / "out")
    summary = result.summary
    assert summary["rows_in"] == summary["rows_kept"] + summary["rows_dropped"]
    kept = list(iterate_rows(tmp_path / "out" / "kept"))
    assert len(kept) == 1 or summary["stages"][0]["stopped"]
    assert all(r["instruction"] and r["output"] and r["generation"]["model"] in ("smollm2", "smollm2-q8_0") for r in kept)
    assert summary["stages"][0]["requests"]["cut_off"] == 0
