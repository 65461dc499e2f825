"""The loop under every generator: order, what a request sees, caps, interruption; with real processes and endpoints."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.data.rows import Row
from datagen.data.shards import iterate_rows, read_json
from datagen.errors import BudgetError
from datagen.recipe import make
from datagen.runner import execute

PRICES = {"price_in": 1.0, "price_out": 2.0}


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def made(out: Path, server: LocalEndpoint, *, fresh: bool = False, **options: Any) -> tuple[list[Row], list[Row]]:
    settings = {"n": 12, "model": "local", "base_url": server.base_url, "concurrency": 4, **options}
    execute(make([{"self_instruct": settings}]), out, fresh=fresh)
    return list(iterate_rows(out / "kept")), list(iterate_rows(out / "dropped"))


def bodies(out: Path) -> set[str]:
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        return {body for (body,) in db.execute("SELECT body FROM request")}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"machine_examples": 2}, {"method": "original"}, {"method": "one"}])
def test_where_requests_look_at_the_kept_rows_concurrency_and_faults_change_nothing(
    tmp_path: Path, options: dict[str, Any], folder_bytes: Callable[..., Any]
) -> None:
    with LocalEndpoint() as server:
        made(tmp_path / "a", server, n=30, concurrency=1, window=4, **options)
    with LocalEndpoint({2: "429", 3: "500", 7: "hang_up", 11: "500"}, delay_s=0.01) as server:
        made(tmp_path / "b", server, n=30, concurrency=16, window=4, **options)
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")
    assert bodies(tmp_path / "a") == bodies(tmp_path / "b"), "the same requests were bought"


def test_prompts_show_rows_of_the_run_as_the_window_left_them(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, _ = made(tmp_path / "out", endpoint, n=30, machine_examples=2, window=4)
    own = {r["id"] for r in kept}
    shown = [[p for p in r["parents"] if p in own] for r in kept]
    assert shown[0] == [] and any(len(s) == 2 for s in shown)
    before: set[str] = set()
    for row, parents in zip(kept, shown, strict=True):
        assert set(parents) <= before, "a request saw a row that was not judged yet"
        before.add(row["id"])


def test_a_larger_n_buys_only_the_rest_though_prompts_look_at_the_rows(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    few, _ = made(tmp_path / "out", endpoint, n=15, machine_examples=2)
    many, _ = made(tmp_path / "out", endpoint, n=30, machine_examples=2)
    assert [r["id"] for r in many[:15]] == [r["id"] for r in few]
    sent = [json.dumps(b, sort_keys=True) for b in endpoint.bodies]
    assert len(set(sent)) == len(sent)


def test_a_changed_filter_buys_nothing_more_than_its_rows_need(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    made(tmp_path / "out", endpoint, n=30)
    bought = endpoint.requests
    looser, _ = made(tmp_path / "out", endpoint, n=20, threshold=0.9, rules="off")
    assert len(looser) == 20
    assert endpoint.requests == bought


@pytest.mark.slow
def test_the_last_requests_are_not_more_than_what_is_missing_needs(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    made(tmp_path / "out", endpoint, n=60, concurrency=32, window=32)
    requests = read_json(tmp_path / "out" / "run.json")["stages"][0]["requests"]
    assert requests["recorded"] <= requests["judged"] + 64
    made(tmp_path / "more", endpoint, n=300, concurrency=32, window=32)
    requests = read_json(tmp_path / "more" / "run.json")["stages"][0]["requests"]
    assert requests["recorded"] - requests["judged"] <= 16, "64 were under way, and the end was foreseen"


def test_a_cap_ends_with_what_was_made_and_a_larger_one_goes_on(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    cap = {**PRICES, "max_output_tokens": 400}
    few, _ = made(tmp_path / "out", endpoint, n=100, budget_usd=0.01, **cap)
    entry = read_json(tmp_path / "out" / "run.json")["stages"][0]
    assert entry["stopped"]["exit_code"] == BudgetError.exit_code
    assert "budget of $0.01 is reached" in entry["stopped"]["message"]
    assert 0 < len(few) < 100
    assert 0.004 < entry["cost"]["usd"] <= 0.01
    bought = endpoint.requests
    same, _ = made(tmp_path / "out", endpoint, n=100, budget_usd=0.01, **cap)
    assert endpoint.requests == bought
    assert [r["id"] for r in same] == [r["id"] for r in few]
    many, _ = made(tmp_path / "out", endpoint, n=100, budget_usd=2, **cap)
    assert [r["id"] for r in many[: len(few)]] == [r["id"] for r in few]
    assert len(many) == 100
    assert read_json(tmp_path / "out" / "run.json")["stages"][0]["stopped"] is None


def test_the_steps_after_a_generator_wait_for_all_of_its_rows(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    settings = {"n": 50, "model": "local", "base_url": endpoint.base_url}
    result = execute(make([{"self_instruct": {**settings, "max_requests": 4}}, "rules"]), tmp_path / "out")
    assert result.stopped and [s["name"] for s in result.summary["stages"]] == ["self_instruct"]
    result = execute(make([{"self_instruct": settings}, "rules"]), tmp_path / "out")
    assert [s["name"] for s in result.summary["stages"]] == ["self_instruct", "rules"]
    assert result.summary["rows_kept"] == 50


def test_a_mistaken_command_leaves_the_earlier_result_as_it_was(
    tmp_path: Path, endpoint: LocalEndpoint, folder_bytes: Callable[..., Any]
) -> None:
    made(tmp_path / "out", endpoint)
    before, told = folder_bytes(tmp_path / "out"), (tmp_path / "out" / "run.json").read_bytes()
    with pytest.raises(BudgetError, match=r"answers in the journal: \d+, but no task has all of its own yet"):
        made(tmp_path / "out", endpoint, temperature=0.1, max_requests=1)
    assert folder_bytes(tmp_path / "out") == before
    assert json.loads((tmp_path / "out" / "run.json").read_bytes()) == json.loads(told)


def test_reparse_makes_the_rows_again_without_any_endpoint(
    tmp_path: Path, datagen: Callable[..., Any], folder_bytes: Callable[..., Any]
) -> None:
    with LocalEndpoint() as server:
        made(tmp_path / "out", server, n=30, **PRICES)
    before = folder_bytes(tmp_path / "out")
    for shard in (tmp_path / "out" / "kept").glob("*"):
        shard.unlink()
    done = datagen("reparse", "out")
    assert done.returncode == 0, done.stderr
    assert folder_bytes(tmp_path / "out") == before


def test_reparse_of_an_interrupted_run_says_where_the_journal_ends(tmp_path: Path, datagen: Callable[..., Any]) -> None:
    with LocalEndpoint() as server:
        made(tmp_path / "out", server, n=400, max_requests=9)
    done = datagen("reparse", "out")
    assert done.returncode == 0, done.stderr
    assert "the journal ends at request 9" in done.stdout
    assert list(iterate_rows(tmp_path / "out" / "kept"))


def test_reparse_of_another_folder_is_one_line(datagen: Callable[..., Any]) -> None:
    done = datagen("reparse", "nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_an_estimate_buys_the_first_requests_of_the_run_and_quotes_the_rest(
    tmp_path: Path, datagen: Callable[..., Any]
) -> None:
    with LocalEndpoint() as server:
        command = ["self-instruct", "-n", 150, "-o", "out", "--model", "local", "--base-url", server.base_url]
        prices = ["--price-in", 1, "--price-out", 2]
        done = datagen(*command, *prices, "--estimate", "--probes", 10, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["probes"], server.requests) == (10, 10)
        for name in ("requests", "usd", "tokens", "seconds"):
            middle, low, high = told[name]
            assert low <= middle <= high
        assert not (tmp_path / "out" / "kept").exists()
        done = datagen(*command, *prices, "--json")
        summary = json.loads(done.stdout)
        sent = [json.dumps(b, sort_keys=True) for b in server.bodies]
        assert len(set(sent)) == len(sent), "a probe was bought again"
    entry = summary["stages"][0]
    assert told["usd"][1] * 0.7 <= entry["cost"]["usd"] <= told["usd"][2] * 1.5
    assert told["requests"][1] * 0.7 <= entry["requests"]["judged"] <= told["requests"][2] * 1.5


@pytest.mark.slow
def test_ctrl_c_ends_with_every_answer_saved(tmp_path: Path, clean_environment: dict[str, str]) -> None:
    with LocalEndpoint(delay_s=0.05) as server:
        command = [sys.executable, "-m", "datagen", "self-instruct", "-n", "5000", "-o", "out", "--model", "local"]
        child = subprocess.Popen(
            [*command, "--base-url", server.base_url], cwd=tmp_path, env=clean_environment, stderr=subprocess.PIPE, text=True
        )
        while server.requests < 16:
            time.sleep(0.02)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)  # 5,000 rows take longer
        asked = server.requests
    assert child.returncode == 130 and said.splitlines()[-1].startswith("datagen: stopped"), said
    with closing(sqlite3.connect(tmp_path / "out" / "journal.sqlite")) as db:
        counts = dict(db.execute("SELECT coalesce(outcome, 'cut off'), count(*) FROM attempt GROUP BY outcome"))
    # What is recorded may not have left this machine; what left it is recorded.
    assert asked <= sum(counts.values()) <= asked + counts.get("cut off", 0)
    assert counts["answered"] >= asked - 1  # an answer takes 0.05 s, and GRACE_S is waited for those under way


def test_topics_steer_the_prompts_and_are_counted(tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any) -> None:
    write_jsonl("topics.txt", "astronomy / planets", "cooking", "law / contracts")
    kept, dropped = made(tmp_path / "out", endpoint, n=30, topics=str(tmp_path / "topics.txt"))
    prompts = [b["messages"][0]["content"] for b in endpoint.bodies]
    named = [next(t for t in ("astronomy / planets", "cooking", "law / contracts") if t in p) for p in prompts]
    assert set(named) == {"astronomy / planets", "cooking", "law / contracts"}
    told = {t["topic"]: t for t in read_json(tmp_path / "out" / "run.json")["stages"][0]["topics"]}
    assert sum(t["kept"] for t in told.values()) == len(kept) == 30
    assert sum(t["items"] for t in told.values()) == len(kept) + len(dropped)
    assert {tuple(r["tags"]) for r in kept} == {(name,) for name in told}
    assert max(t["requests"] for t in told.values()) - min(t["requests"] for t in told.values()) <= 1


def test_the_command_that_a_cap_prints_goes_on(tmp_path: Path, datagen: Callable[..., Any]) -> None:
    with LocalEndpoint() as server:
        command = ["self-instruct", "-n", 25, "-o", "out", "--model", "local", "--base-url", server.base_url]
        done = datagen(*command, "--max-requests=5")
        assert done.returncode == 5
        printed = done.stderr.strip().rpartition("go on with: datagen ")[2].split()
        assert printed[-1] == "--max-requests=10"
        again = datagen(*printed[:-1], "--max-requests=100")
        assert again.returncode == 0, again.stderr
    assert len(list(iterate_rows(tmp_path / "out" / "kept"))) == 25


def test_a_stop_sends_nothing_that_was_only_waiting(tmp_path: Path) -> None:
    with LocalEndpoint({2: "401"}, delay_s=0.05) as server:
        made(tmp_path / "out", server, n=500, concurrency=1, rpm=600)
        assert server.requests == 2
    assert "refuses the API key" in read_json(tmp_path / "out" / "run.json")["stages"][0]["stopped"]["message"]


def test_a_small_run_does_not_begin_with_a_whole_window(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    made(tmp_path / "out", endpoint, n=6, concurrency=16)
    assert endpoint.requests <= 5
