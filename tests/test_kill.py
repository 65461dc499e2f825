"""A process killed with SIGKILL at any moment goes on to the very bytes of a process that nobody killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.data.shards import SHARD_ROWS, iterate_rows

SCRIPTS = [
    "".join(map(chr, range(0x61, 0x7B))),
    "".join(map(chr, range(0x4E00, 0x4E00 + 300))),
    "".join(map(chr, range(0x0E01, 0x0E2F))),
]

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]


def records(seed: int, n: int) -> Iterator[str]:
    """Rows of English-like, Chinese and Thai text as lines: some repeated, some nearly, some without an answer, one broken."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(SCRIPTS[0], k=draw.randint(3, 7))) for _ in range(800)]
    last = {"instruction": "first", "output": "row"}
    for i in range(n):
        spaced, letters = i % 3 == 0, SCRIPTS[i % 3]
        task, answer = (
            " ".join(draw.choices(words, k=k)) if spaced else "".join(draw.choices(letters, k=2 * k)) for k in (9, 25)
        )
        row = {"instruction": task, "output": "" if i % 50 == 7 else answer}
        if i % 10 == 3:
            row = {**last, "instruction": f"{last['instruction']} {words[i % 800]}"}
        if i % 40 == 9:
            row = dict(last)
        last = row
        yield json.dumps(row, ensure_ascii=False)
    yield '{"instruction": "cut'


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Three files, 8,100 rows."""
    paths = [tmp_path / f"{name}.jsonl" for name in "abc"]
    for seed, path in enumerate(paths):
        path.write_text("\n".join(records(seed, 2700)), "utf-8")
    return paths


@pytest.fixture
def started(tmp_path: Path, clean_environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command in a process group of its own."""

    def start(*args: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "datagen", *map(str, args)], cwd=tmp_path, env=clean_environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    return start


def killed_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill a process and all that it started after so long; return whether it was still at work."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(10) == -signal.SIGKILL


def interrupted_everywhere(
    started: Callable[..., subprocess.Popen[bytes]], command: Callable[[Path], list[Any]], tmp_path: Path, moments: int
) -> Iterator[Path]:
    """Run a command whole, then kill it at moments spread over that time; yield each folder after the second, whole run."""
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert started(*command(whole)).wait() == 0
    seconds = time.monotonic() - began
    yield whole
    struck = 0
    for moment in range(moments):
        out = tmp_path / f"killed-{moment}"
        for _ in range(4):
            began = time.monotonic()
            if killed_after(started(*command(out)), seconds * (moment + 0.5) / moments):
                struck += 1
                break
            seconds = min(seconds, time.monotonic() - began)  # it was done sooner: the machine has more time now
            shutil.rmtree(out)
        else:
            continue
        yield out  # as the kill left it
        assert started(*command(out)).wait() == 0
        yield out
        shutil.rmtree(out)
    assert struck >= moments * 3 // 4, f"only {struck} of {moments} processes were still at work: nothing was tested"


def check_every_kill(runs: Iterator[Path], folder_bytes: Callable[..., dict[str, bytes]]) -> int:
    """Compare every resumed folder with the whole one; return how many kills left a folder without run.json."""
    expected = folder_bytes(next(runs))
    partial = 0
    for left in runs:
        partial += not (left / "run.json").exists()
        out = next(runs)
        assert folder_bytes(out) == expected
        assert not [p for p in out.rglob("*") if p.name.endswith((".tmp", ".old"))], "scraps were left"
    return partial


def test_a_filter_killed_at_any_moment_ends_with_the_same_bytes(
    sources: list[Path], started: Any, tmp_path: Path, folder_bytes: Callable[..., Any], moments: int
) -> None:
    runs = interrupted_everywhere(started, lambda out: ["filter", *sources, "-o", out], tmp_path, moments)
    assert check_every_kill(runs, folder_bytes) >= moments // 2


def test_a_filter_killed_again_and_again_still_comes_to_its_end(
    sources: list[Path], started: Any, tmp_path: Path, folder_bytes: Callable[..., Any], some_of: Any
) -> None:
    command = ["filter", *sources, "-o"]
    assert started(*command, "whole").wait() == 0
    for tenths in some_of(6, 9, 12, 15, 18):
        killed_after(started(*command, "killed"), tenths / 10)
    assert started(*command, "killed").wait() == 0
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")


def test_a_mix_killed_at_any_moment_ends_with_the_same_bytes(
    sources: list[Path], started: Any, tmp_path: Path, folder_bytes: Callable[..., Any], moments: int
) -> None:
    named = [f"{path.stem}={path}" for path in sources]
    command = ["mix", *named, "--method", "temperature", "--rows", 9000, "-o"]
    runs = interrupted_everywhere(started, lambda out: [*command, out], tmp_path, moments)
    assert check_every_kill(runs, folder_bytes) >= moments // 2


def recorded(out: Path) -> set[str]:
    """The bodies of the requests whose answers a folder's journal holds."""
    if not (out / "journal.sqlite").exists():
        return set()
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'answer'").fetchone() == (0,):
            return set()
        found = db.execute("SELECT body FROM request JOIN answer USING (key)").fetchall()
    return {json.dumps(json.loads(body), sort_keys=True) for (body,) in found}


def arrived(server: LocalEndpoint) -> list[str]:
    return [json.dumps({k: v for k, v in body.items() if k != "model"}, sort_keys=True) for body in server.bodies]


def test_a_killed_generation_buys_no_recorded_answer_twice_and_gives_the_rows_of_its_journal(
    started: Any, tmp_path: Path, folder_bytes: Callable[..., Any], some_of: Any
) -> None:
    with LocalEndpoint(delay_s=0.05) as server:
        recipe = tmp_path / "recipe.yaml"
        options = f"{{n: 60, model: local, base_url: '{server.base_url}', concurrency: 4}}"
        recipe.write_text(f"steps:\n  - self_instruct: {options}\n  - rules\n  - rouge: {{field: instruction}}\n")
        assert started("run", recipe, "-o", "whole").wait() == 0
        whole, needed = folder_bytes(tmp_path / "whole"), server.requests
        for after in some_of(1, needed // 3, 2 * needed // 3, needed - 1):
            out, copy, sent = tmp_path / f"killed-{after}", tmp_path / f"copy-{after}", server.requests
            process = started("run", recipe, "-o", out)
            while server.requests < sent + after and process.poll() is None:
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
            time.sleep(0.3)  # what was on its way to the server arrives
            paid, sent = recorded(out), server.requests
            assert len(paid) < needed

            assert started("run", recipe, "-o", out).wait() == 0
            asked = arrived(server)[sent:]
            assert not paid & set(asked), "a recorded request was sent again"
            assert len(asked) == len(set(asked)) == needed - len(paid)
            assert folder_bytes(out) == whole

            copy.mkdir()
            for name in (".datagen", "journal.sqlite"):
                shutil.copy(out / name, copy)
            sent = server.requests
            assert started("run", recipe, "-o", copy, "--fresh").wait() == 0
            assert server.requests == sent, "the journal did not hold every answer"
            assert list(iterate_rows(copy / "kept")) == list(iterate_rows(out / "kept"))
            assert folder_bytes(copy) == whole


def test_the_workers_of_a_killed_process_end_soon_after_it(started: Any, tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_text("\n".join(records(9, 2 * SHARD_ROWS)), "utf-8")
    parent = started("filter", path, "-o", "out", "--stage", "minhash")
    while not list((tmp_path / "out" / "01-minhash").glob("scores/*")) and parent.poll() is None:
        time.sleep(0.01)
    time.sleep(1.0)  # the workers are at work, or starting
    os.kill(parent.pid, signal.SIGKILL)  # the parent alone
    assert parent.wait(10) == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while group_lives(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group_lives(parent.pid)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
