"""`datagen tune`: a planted best learning rate is found and confirmed with other seeds; a search that was killed goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.shards import read_json

optuna = pytest.importorskip("optuna", reason="the extra `tune` is not installed")
WORDS = ["red", "blue", "green", "black", "white", "brown", "grey"]
ROWS = [
    {"instruction": f"What colour has the {a} of {b}?", "output": f"The {a} of {b} is {WORDS[(n + m) % 7]}."}
    for n, a in enumerate(("roof", "door", "boat", "coat", "wall", "hat", "cup", "lamp", "road", "cart"))
    for m, b in enumerate(("Anna", "Bert", "Carl", "Dora", "Emil", "Fritz", "Gina", "Hugo"))
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    return path


def test_on_a_tiny_model_a_larger_step_is_found_and_confirmed(
    datagen: Callable[..., Any], rows: Path, tiny_dir: Path, tmp_path: Path
) -> None:
    words = ("--trials", 8, "--rows", 64, "--search", "lr,batch_size", "--model", tiny_dir, "--eval", rows, "--confirm", 3)
    done = datagen("tune", rows, "-o", "out", *words)
    assert done.returncode == 0, done.stderr
    told = read_json(tmp_path / "out" / "tune.json")
    assert len(told["trials"]) == 8 and told["trials"][0]["settings"] == told["defaults"] == {"lr": 2e-4, "batch_size": 16}
    assert told["best"]["lr"] > 5e-4  # random weights learn little at the usual rate
    assert told["gained"]["shown"] and told["gained"]["low"] > 0
    assert set(told["second"]["seeds"]).isdisjoint({17})
    assert f"--lr {told['best']['lr']:.3g}" in done.stdout.splitlines()[-2]
    again = datagen("tune", rows, "-o", "out", *words)
    assert again.returncode == 0 and read_json(tmp_path / "out" / "tune.json") == told
    ended = [trial for trial in told["trials"] if trial["loss"] is None]
    assert all(len(trial["losses"]) < 10 for trial in ended)


def test_without_rows_to_judge_by_a_tenth_is_held_out(
    datagen: Callable[..., Any], rows: Path, tiny_dir: Path, tmp_path: Path
) -> None:
    texts = [f"{n} {n * 7} {n * 13} {'abcdefghijklmnop'[n % 16] * (3 + n % 9)}" for n in range(80)]  # no two alike
    lines = [json.dumps({"instruction": text, "output": text[::-1]}) for text in texts]
    rows.write_text("\n".join(lines), encoding="utf-8")
    done = datagen("tune", rows, "-o", "out", "--trials", 2, "--rows", 60, "--model", tiny_dir, "--confirm", 2)
    assert done.returncode == 0, done.stderr
    told = read_json(tmp_path / "out" / "tune.json")
    assert (tmp_path / "out" / "parts" / "test").is_dir() and told["tasks"] >= 1 and told["rows"] <= 60


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--trials", 1), "trials"), (("--search", "depth"), "depth"), (("--method", "full", "--search", "lora_r"), "no")],
)
def test_a_wrong_word_is_one_line(words: tuple[Any, ...], says: str, datagen: Callable[..., Any], rows: Path) -> None:
    done = datagen("tune", rows, "-o", "out", *words)
    assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_killed_search_goes_on_and_comes_to_the_same(
    rows: Path, tiny_dir: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    words = ["tune", *map(str, (rows, "--trials", 6, "--rows", 48, "--model", tiny_dir, "--eval", rows, "--confirm", 2))]

    def begun(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "datagen", *words, "-o", out], cwd=tmp_path, env=clean_environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    assert begun("whole").wait() == 0
    process = begun("killed")
    while process.poll() is None and len(list((tmp_path / "killed" / "trials").glob("*.json"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "tune.json").exists()
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed" / "trials").glob("*.json")}
    assert begun("killed").wait() == 0
    assert there.items() <= {p: p.stat().st_mtime_ns for p in (tmp_path / "killed" / "trials").glob("*.json")}.items()
    assert read_json(tmp_path / "killed" / "tune.json") == read_json(tmp_path / "whole" / "tune.json")
