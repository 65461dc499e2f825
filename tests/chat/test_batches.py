"""The Batch API: the same requests, the same journal, whichever way they went."""

from __future__ import annotations

import copy
import shutil
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

ROWS = [{"instruction": f"Tell me about the number {i}.", "output": str(i)} for i in range(20)]


@pytest.fixture
def words(write_jsonl: Callable[..., Path]) -> Callable[..., list[str]]:
    """Give the command line of `answer` at an endpoint."""
    write_jsonl("rows.jsonl", *ROWS)

    def line(server: LocalEndpoint, out: str, *more: str) -> list[str]:
        prices = ["--price-in", "1", "--price-out", "1"]
        return ["answer", "rows.jsonl", "-o", out, "--model", "local", "--base-url", server.base_url, *prices, *more]

    return line


def attempts(out: Path) -> dict[str, int]:
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        return dict(db.execute("SELECT coalesce(outcome, 'cut off'), count(*) FROM attempt GROUP BY outcome"))


def test_a_batch_gives_the_same_rows_as_online(words: Any, datagen: Any, tmp_path: Path, folder_bytes: Any) -> None:
    with LocalEndpoint() as server:
        done = datagen(*words(server, "batch", "--via", "batch"))
        assert done.returncode == 0, done.stderr
        assert [b.total for b in server.batches.batches.values()] == [20]
        assert "batch batch_0: 20 requests sent" in done.stderr
        assert datagen(*words(server, "online")).returncode == 0
        asked = server.requests
        assert datagen(*words(server, "batch")).returncode == 0
        assert server.requests == asked
    assert folder_bytes(tmp_path / "batch") == folder_bytes(tmp_path / "online")
    assert attempts(tmp_path / "batch") == {"answered": 20}


def test_what_fails_in_a_batch_is_asked_again_in_the_next_or_given_up(words: Any, datagen: Any, tmp_path: Path) -> None:
    with LocalEndpoint(faults={"500": 0.2, "429": 0.1, "hang": 0.1, "context": 0.1}, seed=2) as server:
        done = datagen(*words(server, "out", "--via", "batch", "--json"))
        assert done.returncode == 0, done.stderr
        assert len(server.batches.batches) > 1
    assert '"request_failed"' in done.stdout
    told = attempts(tmp_path / "out")
    assert told["answered"] + 2 >= 18 and told["free"] > 2 and "cut off" not in told


def killed_after_it_was_sent(command: list[str], server: LocalEndpoint, cwd: Path, env: dict[str, str]) -> None:
    """Start a command and kill it as soon as its batch is at the endpoint."""
    child = subprocess.Popen(
        [sys.executable, "-m", "datagen", *command], cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not server.batches.batches:
        time.sleep(0.005)
        assert child.poll() is None
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    for batch in server.batches.batches.values():  # from now on it takes no time
        batch.left = 1


@pytest.mark.slow
def test_a_batch_that_a_kill_left_behind_is_taken_up_and_nothing_is_bought_twice(
    words: Any, datagen: Any, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    with LocalEndpoint() as server:
        server.batches.polls = 1000
        killed_after_it_was_sent(words(server, "out", "--via", "batch"), server, tmp_path, clean_environment)
        assert attempts(tmp_path / "out") == {"cut off": 20}
        left = copy.deepcopy(server.batches.batches)
        for name, how in (("batch", ["--via", "batch"]), ("online", []), ("unheard", ["--via", "batch"])):
            out, before = tmp_path / name, server.requests
            shutil.copytree(tmp_path / "out", out)
            server.batches.batches = copy.deepcopy(left)
            if name == "unheard":  # killed before the endpoint's name of the batch came: it is found by its mark
                with closing(sqlite3.connect(out / "journal.sqlite")) as db:
                    db.execute("UPDATE batch SET id = NULL")
                    db.commit()
            done = datagen(*words(server, name, *how))
            assert done.returncode == 0, done.stderr
            # Online the batch is ended, half of it done, and the rest is asked for.
            assert len(server.batches.batches) == 1 and server.requests - before == 20
            told = attempts(out)
            assert told["answered"] == 20 and "cut off" not in told
        # At another address it cannot be looked for, whether its name had come or not.
        for name, change in (("named", ""), ("unnamed", "UPDATE batch SET id = NULL")):
            shutil.copytree(tmp_path / "out", tmp_path / name)
            with closing(sqlite3.connect(tmp_path / name / "journal.sqlite")) as db:
                db.execute(change)
                db.commit()
            with LocalEndpoint() as other:
                done = datagen(*words(other, name))
                assert done.returncode != 0 and other.requests == 0
                assert f"under way at {server.base_url}: give that as --base-url" in done.stderr
            assert attempts(tmp_path / name) == {"cut off": 20}
        # One that never reached the endpoint is let go.
        with closing(sqlite3.connect(tmp_path / "unheard" / "journal.sqlite")) as db:
            db.execute("INSERT INTO batch (mark, path, endpoint) VALUES ('lost', 'chat/completions', ?)", (server.base_url,))
            db.commit()
        assert datagen(*words(server, "unheard", "--samples", "2")).returncode == 0


@pytest.mark.parametrize(
    ("spoilt", "answered"),
    [
        (lambda line: {**line, "response": "oops"}, 19), (lambda line: {**line, "response": {"status_code": "abc"}}, 19),
        (lambda line: {**line, "response": {"status_code": 200, "body": None}}, 19),
        (lambda line: {**line, "response": {"status_code": 200, "body": ["odd"]}}, 20), (lambda line: None, 19),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_costs_no_other_and_may_have_been_paid_for(
    words: Any, datagen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: Any, answered: int
) -> None:
    with LocalEndpoint() as server:
        server.batches.spoil = spoilt
        assert datagen(*words(server, "out", "--via", "batch")).returncode == 0
        sent = server.requests
        assert datagen(*words(server, "out", "--via", "batch")).returncode == 0
        assert (sent, server.requests) == (20, 20), "nothing is bought again unasked"
    told = attempts(tmp_path / "out")
    assert told["answered"] == answered and told.get("unknown", 0) == 20 - answered
    [raw] = [p for p in (tmp_path / "out" / "journal.sqlite.batches").iterdir() if "error" not in p.name]
    assert raw.read_text().count("custom_id") in (19, 20), "the file of the batch is on disk as it came"


def test_requests_in_line_are_no_attempts_before_their_batch_is_begun(
    words: Any, datagen: Any, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    with LocalEndpoint(delay_s=3.0) as server:
        command = words(server, "out", "--via", "batch")
        child = subprocess.Popen(
            [sys.executable, "-m", "datagen", *command], cwd=tmp_path, env=clean_environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not (tmp_path / "out" / "journal.sqlite").exists():
            time.sleep(0.01)
            assert child.poll() is None
        time.sleep(0.2)  # less than a batch waits for more requests
        child.kill()
        child.wait()
        assert server.batches.batches == {} and attempts(tmp_path / "out") == {}


def test_the_cap_holds_in_batches(words: Any, datagen: Any, tmp_path: Path) -> None:
    with LocalEndpoint() as server:
        done = datagen(*words(server, "out", "--via", "batch", "--max-requests", "7"))
        assert (done.returncode, server.requests) == (5, 7), done.stderr
        assert datagen(*words(server, "out", "--via", "batch")).returncode == 0
        assert server.requests == 20


def test_an_endpoint_without_batches_and_a_local_model_are_one_line(words: Any, datagen: Any) -> None:
    with LocalEndpoint(lacks=["batches"]) as server:
        done = datagen(*words(server, "out", "--via", "batch"))
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "has it a Batch API?" in done.stderr
    done = datagen("answer", "rows.jsonl", "-o", "o", "--via", "batch")
    assert done.returncode == 2 and "via=batch needs an endpoint" in done.stderr
