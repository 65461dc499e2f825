"""Several processes take the steps of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from datagen.data.rows import Row, new_row
from datagen.errors import Stopped
from datagen.training.batches import Sample
from datagen.training.loop import TrainOptions, train
from datagen.training.parallel import World
from tests.training.conftest import stopping_after

pytestmark = pytest.mark.slow


@pytest.fixture
def rows() -> list[Row]:
    return [new_row(instruction=f"What is {i}?", output=" ".join(["It is", *["so"] * (i % 7)])) for i in range(24)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = [*folder.glob("adapter/adapter_model.safetensors"), *folder.glob("model/model.safetensors")]
    return load_file(path)


def ids_of(folder: Path) -> list[tuple[int, str]]:
    import pyarrow.parquet as pq

    return sorted((r["step"], r["id"]) for r in pq.read_table(folder / "steps.parquet").to_pylist())


def command(tmp_path: Path, rows: list[Row], *words: object) -> list[str]:
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"instruction": r["instruction"], "output": r["output"]}) + "\n" for r in rows), "utf-8"
    )
    return ["train", "rows.jsonl", "-o", "out", *map(str, words)]


def torchrun(port: int, *words: str) -> list[str]:
    options = ["--nproc-per-node", "2", "--max-restarts", "1", "--master-port", str(port)]
    return [sys.executable, "-m", "torch.distributed.run", *options, "-m", "datagen", *words]


def test_a_process_that_is_killed_ends_the_run_with_a_line_and_the_next_one_goes_on(
    tiny_dir: Path, rows: list[Row], tmp_path: Path
) -> None:
    words = command(tmp_path, rows, "--model", tiny_dir, "--steps", 400, "--save-every", 1, "--processes", 2)
    run = subprocess.Popen(
        [sys.executable, "-m", "datagen", *words], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    state = tmp_path / "out" / "checkpoint" / "state.safetensors"
    until = time.monotonic() + 120
    while not state.is_file() and time.monotonic() < until and run.poll() is None:
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(run.pid), "-f", "together"], capture_output=True, text=True, check=False)
    (child,) = children.stdout.split()
    began = time.monotonic()
    os.kill(int(child), signal.SIGKILL)
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 30 and run.returncode not in (0, None), (out, err)
    assert "another process of this run is gone" in err and "goes on from the last checkpoint" in err and "Traceback" not in err
    ended = subprocess.run(
        [sys.executable, "-m", "datagen", *words, "--set", f"steps={json_steps(tmp_path) + 2}"], cwd=tmp_path,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    written = [(tmp_path / "out" / name).stat().st_mtime_ns for name in ("metrics.jsonl", "adapter/adapter_model.safetensors")]
    again = subprocess.run(
        [sys.executable, "-m", "datagen", *words], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert again.returncode == 0, again.stderr
    assert written == [
        (tmp_path / "out" / name).stat().st_mtime_ns for name in ("metrics.jsonl", "adapter/adapter_model.safetensors")
    ]


@pytest.mark.slow
def test_torchrun_begins_again_from_the_checkpoint_where_a_process_is_killed(
    tiny_dir: Path, rows: list[Row], tmp_path: Path
) -> None:
    words = torchrun(29589, *command(tmp_path, rows, "--model", tiny_dir, "--steps", 40, "--save-every", 1))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    state = tmp_path / "out" / "checkpoint" / "state.safetensors"
    until = time.monotonic() + 120
    while not state.is_file() and time.monotonic() < until and run.poll() is None:
        time.sleep(0.05)
    found = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=False)
    second = next(pid for pid in found.stdout.split() if b"\0RANK=1\0" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes())
    os.kill(int(second), signal.SIGKILL)
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0 and "failed (exitcode: -9) local_rank: 1" in err, (out, err)
    lines = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 41))
    assert json.loads((tmp_path / "out" / "run.json").read_text())["stages"][-1]["training"]["steps"] == 40
    again = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0 and "nothing to do" in again.stdout, again.stderr


def json_steps(tmp_path: Path) -> int:
    return len((tmp_path / "out" / "metrics.jsonl").read_text().splitlines())


def test_shares_are_of_about_one_size_and_lose_nothing() -> None:
    samples = [Sample(str(n), "", 1, [n % 5] * (3 + n % 11), [-100] * (2 + n % 11) + [1], None) for n in range(50)]
    for size in (1, 2, 3, 7):
        parts = [World(rank, size).share(samples) for rank in range(size)]
        assert sorted(s.id for part in parts for s in part) == sorted(s.id for s in samples)
        lengths = [sum(len(s.input_ids) for s in part) for part in parts]
        assert max(lengths) - min(lengths) <= 30
    assert [len(World(rank, 4).share(samples[:2])) for rank in range(4)].count(1) == 2


@pytest.mark.parametrize(
    ("method", "parallel", "objective"),
    [("lora", "ddp", "sft"), ("full", "ddp", "dpo"), ("full", "fsdp", "sft"), ("lora", "fsdp", "dpo")],
)
def test_two_processes_take_the_steps_of_one(
    method: Any, parallel: Any, objective: Any, tiny_dir: Path, pair: Any, rows: list[Row], tmp_path: Path
) -> None:
    if objective == "dpo":
        both = [[{"text": t, "score": float(-n), "source": None} for n, t in enumerate((r["output"], "no idea"))] for r in rows]
        rows = [{**r, "candidates": c} for r, c in zip(rows, both, strict=True)]
    facts = {"model": str(tiny_dir), "method": method, "objective": objective, "steps": 3, "batch_size": 7, "lr": 1e-3}
    one = train(rows, TrainOptions(**facts), tmp_path / "one", rows[:5])
    two = pair(rows, TrainOptions(**facts, processes=2, parallel=parallel), tmp_path / "two")
    assert two.losses == pytest.approx(one.losses, rel=2e-6)
    assert one.eval_after and two.eval_after and two.eval_before and one.eval_before
    assert two.eval_before["loss"] == pytest.approx(one.eval_before["loss"], rel=1e-6)
    assert two.eval_after["loss"] == pytest.approx(one.eval_after["loss"], rel=2e-6)
    a, b = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert a.keys() == b.keys()
    # AdamW divides by the size of a gradient, which makes rounding as large as the gradient where that is near 0.
    moved = 3 * 1e-3
    assert max((a[k] - b[k]).abs().max().item() for k in a) < 0.05 * moved
    norms = [
        [json.loads(x)["grad_norm"] for x in (tmp_path / n / "metrics.jsonl").read_text().splitlines()] for n in ("one", "two")
    ]
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert ids_of(tmp_path / "one") == ids_of(tmp_path / "two")


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_run_goes_on_with_another_number_of_processes(
    parallel: Any, tiny_dir: Path, pair: Any, rows: list[Row], tmp_path: Path
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, batch_size=6, lr=1e-3, parallel=parallel)
    whole = train(rows, options, tmp_path / "whole", rows[:5])
    with pytest.raises(Stopped):
        pair(rows, options, tmp_path / "cut", stopping_after(4))
    cut = train(rows, options, tmp_path / "cut", rows[:5])
    assert cut.losses == pytest.approx(whole.losses, rel=2e-6)
    with pytest.raises(Stopped):
        train(rows, options, tmp_path / "back", rows[:5], stopping_after(4))
    back = pair(rows, options, tmp_path / "back")
    assert back.losses == pytest.approx(whole.losses, rel=2e-6)
