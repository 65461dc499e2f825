"""Self-Instruct against a real endpoint: exactly N rows, everything else in the ledger, nothing bought twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen import assets
from datagen.answers.tasks import items
from datagen.data.rows import Row
from datagen.data.shards import iterate_rows, read_json
from datagen.errors import ModelError
from datagen.formats.read import read
from datagen.kinds.self_instruct import SelfInstruct
from datagen.recipe import make
from datagen.runner import execute
from datagen.similarity.rouge_pool import RougePool
from datagen.text.tokens import tokens

SECRET = "sk-this-key-is-written-nowhere"


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def made(out: Path, server: LocalEndpoint, n: int = 12, *, fresh: bool = False, **options: Any) -> tuple[list[Row], list[Row]]:
    """Run self_instruct in a folder; return kept and dropped rows."""
    settings = {"n": n, "model": "local", "base_url": server.base_url, "concurrency": 4, **options}
    execute(make([{"self_instruct": settings}]), out, fresh=fresh)
    return list(iterate_rows(out / "kept")), list(iterate_rows(out / "dropped"))


def answers(out: Path) -> list[dict[str, Any]]:
    """The recorded answers of a run folder."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        return [json.loads(raw) for (raw,) in db.execute("SELECT raw FROM answer")]


def test_exactly_n_rows_are_kept_and_each_says_what_it_comes_from(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, _ = made(tmp_path / "out", endpoint)
    assert len(kept) == 12
    assert len({r["id"] for r in kept}) == 12
    seeds = {r["id"] for r in read(str(assets.seed_file("en")))}
    for row in kept:
        assert (row["source"], row["language"]) == ("self_instruct:local", "en")
        assert set(row["parents"]) <= seeds and len(row["parents"]) == 3
        told = row["generation"]
        assert told["model"] == "local"
        assert told["request_key"] and told["prompt_hash"]


def test_what_a_request_used_is_shared_by_its_rows_to_the_last_token(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, dropped = made(tmp_path / "out", endpoint, n=30, price_in=1.0, price_out=2.0)
    entry = read_json(tmp_path / "out" / "run.json")["stages"][0]
    with closing(sqlite3.connect(tmp_path / "out" / "journal.sqlite")) as db:
        used = dict(db.execute("SELECT key, input_tokens FROM attempt"))
        bought = dict(db.execute("SELECT key, usd FROM attempt"))
    rows_of: Counter[str] = Counter()
    for row in kept + dropped:
        rows_of[row["generation"]["request_key"]] += row["generation"]["input_tokens"]
    assert rows_of == {key: used[key] for key in rows_of}
    cost_of: Counter[str] = Counter()
    for row in kept + dropped:
        cost_of[row["generation"]["request_key"]] += row["generation"]["cost_usd"]
    assert all(cost_of[key] == pytest.approx(bought[key]) for key in cost_of)
    assert entry["usage"]["input_tokens"] == sum(used.values()), "what was in flight at the end is counted too"
    assert entry["cost"]["usd"] == pytest.approx(
        sum(a["usage"]["prompt_tokens"] + 2 * a["usage"]["completion_tokens"] for a in answers(tmp_path / "out")) / 1e6
    )


def test_every_item_of_every_answer_read_is_a_kept_or_a_dropped_row(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, dropped = made(tmp_path / "out", endpoint, n=63)
    read_keys = [r["generation"]["request_key"] for r in kept + dropped]
    with closing(sqlite3.connect(tmp_path / "out" / "journal.sqlite")) as db:
        raw = dict(db.execute("SELECT key, raw FROM answer"))
    found = {key: items(json.loads(raw[key])["choices"][0]["message"]["content"], cut=False) for key in set(read_keys)}
    assert Counter(read_keys) == {key: len(of) for key, of in found.items()}
    summary = read_json(tmp_path / "out" / "run.json")
    assert summary["rows_in"] == len(kept) + len(dropped)
    assert {r["reason"] for r in dropped} >= {"too_similar", "empty_answer"}
    assert {r["reason"] for r in dropped} <= {"too_similar", "empty_answer", "over_quota", "rule_length", "wrong_language"}


def test_a_repeated_task_names_the_row_or_the_seed_that_it_repeats(
    tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any
) -> None:
    seeds = [{"instruction": f"Write word number {i} of the list", "output": str(i)} for i in range(8)]
    path = write_jsonl("seeds.jsonl", {"instruction": "Name three fruits that grow in winter", "output": "Kiwi"}, *seeds)
    for name, options in (("own", {}), ("given", {"seeds": str(path)})):
        kept, dropped = made(tmp_path / name, endpoint, n=50, **options)
        ids = {r["id"]: r["instruction"] for r in kept}
        repeats = [r for r in dropped if r["reason"] == "too_similar"]
        assert repeats
        for row in repeats:
            like = ids.get(row["witness_id"], "Name three fruits that grow in winter")
            assert row["evidence"] == (None if row["witness_id"] in ids else f"seed task: {like}")
            pool = RougePool(0.7)
            pool.add(tokens(like))
            assert pool.nearest(tokens(row["instruction"])) == (0, row["score"])
            assert row["threshold"] == 0.7 < row["score"] <= 1
        assert any(r["evidence"] is None for r in repeats) or name == "given"
        assert any(r["evidence"] is not None for r in repeats) == (name == "given")


def test_no_two_kept_rows_are_alike(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, _ = made(tmp_path / "out", endpoint, n=25)
    pool = RougePool(0.7)
    for row in [*read(str(assets.seed_file("en"))), *kept]:
        if row.get("generation"):
            assert pool.nearest(tokens(row["instruction"])) is None
        pool.add(tokens(row["instruction"]))


def test_the_same_journal_gives_the_same_rows_and_no_request(
    tmp_path: Path, endpoint: LocalEndpoint, folder_bytes: Callable[..., Any]
) -> None:
    made(tmp_path / "a", endpoint)
    bought = endpoint.requests
    (tmp_path / "b").mkdir()
    for name in (".datagen", "journal.sqlite"):
        shutil.copy(tmp_path / "a" / name, tmp_path / "b")
    made(tmp_path / "b", endpoint, concurrency=1)
    made(tmp_path / "a", endpoint, fresh=True)
    assert endpoint.requests == bought
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


def test_the_order_in_which_answers_come_changes_nothing(tmp_path: Path, folder_bytes: Callable[..., Any]) -> None:
    with LocalEndpoint() as server:
        made(tmp_path / "a", server, concurrency=1)
    with LocalEndpoint({1: "429", 3: "500", 4: "429", 9: "500"}) as server:
        made(tmp_path / "b", server, concurrency=8)
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


def test_a_larger_n_buys_only_the_rest(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    few, _ = made(tmp_path / "out", endpoint, n=10)
    bought = endpoint.requests
    many, _ = made(tmp_path / "out", endpoint, n=40)
    assert [r["id"] for r in many[:10]] == [r["id"] for r in few]
    assert len(many) == 40
    sent = [json.dumps(b, sort_keys=True) for b in endpoint.bodies]
    assert len(sent) > bought
    assert len(set(sent)) == len(sent), "a recorded request was sent again"


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("zh", "请为一个处理文字的助手"), ("th", "ช่วยคิดชุดงาน")])
def test_prompts_and_seeds_of_other_languages(tmp_path: Path, endpoint: LocalEndpoint, language: str, words: str) -> None:
    kept, _ = made(tmp_path / "out", endpoint, n=5, language=language)
    assert {r["language"] for r in kept} == {language}
    prompt = endpoint.bodies[0]["messages"][0]["content"]
    assert prompt.startswith(words)
    shown = [s for s in read(str(assets.seed_file(language))) if f"Instruction: {s['instruction']}" in prompt]
    assert len(shown) == 3
    assert "{{" not in prompt and "{%" not in prompt


def test_a_request_given_up_is_a_ledger_row_and_the_run_goes_on(tmp_path: Path) -> None:
    script = {1: "broken", 2: "no_choices", 3: "null_text", 4: "no_usage"}
    with LocalEndpoint(script) as server:
        kept, dropped = made(tmp_path / "out", server, concurrency=1)
    assert len(kept) == 12
    failed = [r for r in dropped if r["reason"] == "request_failed"]
    assert [r["evidence"] for r in failed] == [
        "the answer cannot be read: JSONDecodeError",
        "the answer holds no text",
    ]
    assert None in {r["generation"]["input_tokens"] for r in kept}, "what was not reported is not made up"
    assert read_json(tmp_path / "out" / "run.json")["stages"][0]["usage"]["without_usage"] == 2


@pytest.mark.slow
def test_a_request_that_fails_at_every_retry_is_given_up_until_it_is_asked_for_again(tmp_path: Path) -> None:
    with LocalEndpoint(dict.fromkeys(range(1, 7), "500")) as server:
        _, dropped = made(tmp_path / "out", server, concurrency=1)
        [said] = [r["evidence"] for r in dropped if r["reason"] == "request_failed"]
        assert said.startswith("HTTP 500: ") and said.endswith("(6 attempts)")
        bought = server.requests
        _, same = made(tmp_path / "out", server, concurrency=1, fresh=True)
        assert server.requests == bought
        assert [r["reason"] for r in same] == [r["reason"] for r in dropped]
        kept, ledger = made(tmp_path / "out", server, concurrency=1, fresh=True, retry_failed=True)
        assert server.requests == bought + 1
    assert len(kept) == 12
    assert "request_failed" not in {r["reason"] for r in ledger}


def test_a_cut_answer_loses_its_last_task_only(tmp_path: Path) -> None:
    with LocalEndpoint({1: "cut"}) as server:
        kept, dropped = made(tmp_path / "out", server, concurrency=1)
    [cut] = [r for r in dropped if r["reason"] == "cut_off"]
    of_it = [r for r in kept + dropped if r["generation"]["request_key"] == cut["generation"]["request_key"]]
    assert len(of_it) == 5
    assert cut["instruction"]


@pytest.mark.parametrize(("fault", "reason"), [("filtered", "filtered"), ("broke_off", "endpoint_error")])
@pytest.mark.parametrize("method", ["alpaca", "one", "original"])
def test_what_a_filter_or_an_error_cut_is_no_task(tmp_path: Path, method: str, fault: str, reason: str) -> None:
    with LocalEndpoint({1: fault, 2: fault}) as server:
        _, dropped = made(tmp_path / "out", server, concurrency=1, n=4, method=method)
    cut = [r for r in dropped if r["reason"] == reason]
    assert cut and all(r["evidence"] for r in cut)
    assert "cut_off" not in {r["reason"] for r in dropped}


def test_a_refused_key_ends_with_one_line_and_is_written_nowhere(tmp_path: Path, datagen: Callable[..., Any]) -> None:
    with LocalEndpoint(dict.fromkeys(range(3, 99), "401")) as server:
        key = {"OPENAI_API_KEY": SECRET}
        done = datagen(
            "self-instruct",
            "-n",
            50,
            "-o",
            "out",
            "--model",
            "local",
            "--concurrency",
            1,
            "--base-url",
            server.base_url,
            env=key,
        )
    assert done.returncode == 4
    refused = f"datagen: {server.base_url} refuses the API key; set OPENAI_API_KEY to one that it accepts; "
    assert done.stderr.startswith(refused) and done.stderr.count("\n") == 1
    assert "go on with: datagen self-instruct -n 50 -o out" in done.stderr
    assert len(answers(tmp_path / "out")) == 2
    kept = list(iterate_rows(tmp_path / "out" / "kept"))
    assert f"{len(kept)} of 50 rows are in out/kept" in done.stderr
    assert kept, "what was bought before is read"
    written = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(written) >= 2
    assert not [p for p in written if SECRET.encode() in p.read_bytes()]
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("always", "says"),
    [("404", "does not know the model 'local'"), ("quota", "the quota of this API key is used up")],
)
def test_a_refusal_that_no_retry_heals_ends_the_run(tmp_path: Path, always: str, says: str) -> None:
    with LocalEndpoint(always=always) as server, pytest.raises(ModelError, match=says):
        made(tmp_path / "out", server, concurrency=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_endpoint_that_is_not_there_ends_the_run(datagen: Callable[..., Any], tmp_path: Path) -> None:
    with LocalEndpoint() as server:
        address = server.base_url
    done = datagen("self-instruct", "-n", 1, "-o", "out", "--model", "local", "--base-url", address)
    assert done.returncode == 4
    assert done.stderr.startswith(f"datagen: cannot reach {address}: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_embedded_model_refuses_other_languages_and_names_the_way(datagen: Callable[..., Any], tmp_path: Path) -> None:
    done = datagen("self-instruct", "-n", 1, "-o", "out", "--language", "zh")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "English only" in done.stderr and "--model" in done.stderr
    assert not (tmp_path / "out").exists()


def test_requests_in_a_row_that_keep_nothing_stop_the_run(tmp_path: Path) -> None:
    assert SelfInstruct().stall == 100
    with LocalEndpoint() as server:
        _, dropped = made(tmp_path / "out", server, n=5000, threshold=0.0, stall=20)
    stopped = read_json(tmp_path / "out" / "run.json")["stages"][0]["stopped"]
    assert stopped["exit_code"] == 4
    assert stopped["message"].startswith("the last 20 requests kept nothing")
    assert "too_similar" in stopped["message"]
    assert len(answers(tmp_path / "out")) >= 20
    assert len(dropped) > 20
