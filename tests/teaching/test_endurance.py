"""Kills, caps and faults, for every command that asks a model about what there is: as for the generators."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from local_endpoint import LocalEndpoint

COMMANDS: dict[str, list[str]] = {
    "answer": ["--samples", "2"], "judge": ["--probabilities", "off"], "rewrite": [], "evolve": ["--rounds", "2"],
    "translate": ["--to", "zh,th"], "backtranslate": ["--min-words", "5"],
}  # fmt: skip
FAULTS = {
    "429": 0.05,
    "500": 0.05,
    "reset": 0.03,
    "hang_up": 0.03,
    "cut": 0.1,
    "broken": 0.05,
    "null_text": 0.05,
    "context": 0.03,
}
ROWS = [
    {
        "instruction": f"Tell me what happens when number {i} meets the garden and the river.",
        "output": f"Then {i} of them turn green.",
    }
    for i in range(12)
]


# All take the same road; two of them show it in the quick suite.
SOME = [pytest.param(n, marks=[] if n in ("answer", "judge") else [pytest.mark.slow]) for n in COMMANDS]


@pytest.fixture
def words(write_jsonl: Callable[..., Path]) -> Callable[..., list[str]]:
    """Give the command line of one of the commands over ROWS at an endpoint."""
    write_jsonl("rows.jsonl", *ROWS)
    pages = [f"{r['instruction']} {r['output']} It is a long story about gardens, and nobody knows its end." for r in ROWS]
    write_jsonl("pages.jsonl", *({"text": text} for text in pages))

    def line(name: str, server: LocalEndpoint, out: str, *more: str) -> list[str]:
        given = "pages.jsonl" if name == "backtranslate" else "rows.jsonl"
        model = ["--model", "local", "--base-url", server.base_url, "--price-in", "1", "--price-out", "1"]
        return [name, given, "-o", out, *COMMANDS[name], *model, *more]

    return line


def answered(out: Path) -> Counter[str]:
    """How often each request was answered, by the attempts of the journal."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        return Counter(key for (key,) in db.execute("SELECT key FROM attempt WHERE outcome = 'answered'"))


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_any_moment_a_command_ends_with_the_same_bytes_and_buys_nothing_twice(
    name: str, words: Any, datagen: Any, tmp_path: Path, clean_environment: dict[str, str], folder_bytes: Any,
    some_of: Any,
) -> None:  # fmt: skip
    with LocalEndpoint(delay_s=0.05) as server:
        assert datagen(*words(name, server, "whole")).returncode == 0
        whole = server.requests
    with LocalEndpoint(delay_s=0.05) as server:
        for share in some_of(0.0, 0.3, 0.6):
            before = server.requests
            child = subprocess.Popen(
                [sys.executable, "-m", "datagen", *words(name, server, "killed")], cwd=tmp_path, env=clean_environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            while child.poll() is None and server.requests - before <= share * whole / 2:
                time.sleep(0.005)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        assert datagen(*words(name, server, "killed")).returncode == 0
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")
    assert set(answered(tmp_path / "killed").values()) == {1}
    assert answered(tmp_path / "killed").keys() == answered(tmp_path / "whole").keys()


@pytest.mark.parametrize("name", SOME)
def test_a_cap_is_never_passed_and_the_rest_is_named_until_the_next_run(
    name: str, words: Any, datagen: Any, tmp_path: Path, folder_bytes: Any
) -> None:
    less = ["--rounds", "1"] if name == "evolve" else []  # so that some rows are done before the cap
    with LocalEndpoint() as server:
        stopped = datagen(*words(name, server, "out", *less, "--max-requests", "9", "--concurrency", "2"))
        assert (stopped.returncode, server.requests) == (5, 9), stopped.stderr
        assert "go on with: datagen" in stopped.stderr and "--max-requests 18" in stopped.stderr
        if name != "judge":
            dropped = pq.read_table(tmp_path / "out" / "dropped").to_pylist()
            kept = pq.read_table(tmp_path / "out" / "kept").to_pylist()
            late = [r for r in dropped if r["reason"] == "not_reached"]
            if name in ("evolve", "translate"):  # rows that were there stay
                assert len(kept) >= len(ROWS) and not late
            else:
                assert late and len(kept) + len(dropped) == len(ROWS)
        assert datagen(*words(name, server, "out", *less)).returncode == 0
        assert datagen(*words(name, server, "whole", *less)).returncode == 0
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize("name", SOME)
def test_faults_cost_no_row(name: str, words: Any, datagen: Any, tmp_path: Path) -> None:
    with LocalEndpoint(faults=FAULTS, seed=5) as server:
        done = datagen(*words(name, server, "out"), "--json")
    assert done.returncode == 0, done.stderr
    kept, dropped = (pq.read_table(tmp_path / "out" / part).to_pylist() for part in ("kept", "dropped"))
    known = {
        "cut_off", "request_failed", "changed_numbers", "wrong_language", "copies_prompt", "no_information_gain", "low_score",
        "copies_text", "changed_code", "no_score",
    }  # fmt: skip
    assert {r["reason"] for r in dropped} <= known
    assert all(r["evidence"] for r in dropped if r["reason"] in ("request_failed", "cut_off"))
    if name in ("answer", "rewrite", "judge", "backtranslate"):
        assert len(kept) + len(dropped) == len(ROWS)
    else:
        assert {r["instruction"] for r in kept} >= {r["instruction"] for r in ROWS}
    assert set(answered(tmp_path / "out").values()) == {1}


def test_a_refused_key_ends_a_command_with_one_line_and_leaves_nothing(words: Any, datagen: Any, tmp_path: Path) -> None:
    with LocalEndpoint(always="401") as server:
        done = datagen(*words("answer", server, "out"))
    assert (done.returncode, done.stderr.count("\n")) == (4, 1) and "refuses the API key" in done.stderr
    assert not (tmp_path / "out" / "kept").exists()


def test_the_rows_are_made_again_from_the_journal_alone(words: Any, datagen: Any, tmp_path: Path, folder_bytes: Any) -> None:
    with LocalEndpoint() as server:
        assert datagen(*words("translate", server, "out")).returncode == 0
    before = folder_bytes(tmp_path / "out")
    done = datagen("reparse", "out")
    assert done.returncode == 0, done.stderr
    assert folder_bytes(tmp_path / "out") == before
