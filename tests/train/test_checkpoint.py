from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from datagen.rows import Row
from datagen.train.loop import TrainOptions, train

KILLED_RUN = """
import json, os, signal, sys
from pathlib import Path
from datagen.train.loop import TrainOptions, train

def die(line):
    if line["step"] == 7:
        os.kill(os.getpid(), signal.SIGKILL)

rows, options, out = json.loads(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
train(rows, TrainOptions(**options), out, eval_rows=rows[:3], on_step=die)
"""


def metrics(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_killed_at_step_7_and_resumed_is_the_unbroken_run(
    method: str, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"model": str(tiny_dir), "method": method, "steps": 20, "batch_size": 5, "lr": 1e-2}
    facts |= {"save_every": 3, "weight_decay": 0.1, "device": "cpu"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(sums, TrainOptions(**facts), whole, eval_rows=sums[:3])
    command = [sys.executable, "-c", KILLED_RUN, json.dumps(sums), json.dumps(facts), str(broken)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(metrics(broken)) == 7
    (broken / "checkpoint" / ".state.safetensors").write_bytes(b"a save that was killed half way")

    steps: list[int] = []
    found = train(sums, TrainOptions(**facts), broken, eval_rows=sums[:3], on_step=lambda line: steps.append(line["step"]))
    assert steps == list(range(7, 21))  # the last checkpoint was after step 6
    assert found.losses == expected.losses
    assert (found.eval_before, found.eval_after) == (expected.eval_before, expected.eval_after)
    assert (found.tokens, found.label_tokens) == (expected.tokens, expected.label_tokens)
    assert metrics(broken) == metrics(whole)
    name = "adapter/adapter_model.safetensors" if method == "lora" else "model/model.safetensors"
    ours, theirs = load_file(broken / name), load_file(whole / name)
    assert ours.keys() == theirs.keys()
    assert all(ours[k].equal(theirs[k]) for k in ours)
    assert not (broken / "checkpoint").exists()


def stopped(rows: list[Row], options: TrainOptions, out: Path) -> None:
    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 4:  # before its checkpoint is written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, options, out, on_step=stop)


def test_a_checkpoint_of_other_rows_or_options_is_not_resumed(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2)
    other = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, lr=1e-3)
    fresh = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, fresh=True)
    for number, (rows, again, first) in enumerate(
        [(sums, options, 3), (sums[:-1], options, 1), (sums, other, 1), (sums, fresh, 1)]
    ):
        stopped(sums, options, tmp_path / str(number))
        seen: list[dict[str, Any]] = []
        train(rows, again, tmp_path / str(number), on_step=seen.append)
        assert seen[0]["step"] == first
        assert [line["step"] for line in metrics(tmp_path / str(number))] == [1, 2, 3, 4, 5, 6]


SLOW_RUN = """
import json, sys, time
from pathlib import Path
from datagen.train.loop import TrainOptions, train

def wait(line):
    print(line["step"], flush=True)
    time.sleep(0.2)

rows, options, out = json.loads(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
try:
    train(rows, TrainOptions(**options), out, eval_rows=rows[:3], on_step=wait)
except KeyboardInterrupt as e:
    print(e, flush=True)
    sys.exit(e.exit_code)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_hears_a_signal_saves_its_step_and_goes_on_from_the_next(
    how: signal.Signals, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"model": str(tiny_dir), "steps": 12, "batch_size": 5, "lr": 1e-2, "device": "cpu"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(sums, TrainOptions(**facts), whole, eval_rows=sums[:3])
    command = [sys.executable, "-c", SLOW_RUN, json.dumps(sums), json.dumps(facts), str(broken)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline() != "4\n":
            pass
        child.send_signal(how)
        said, complained = child.communicate(timeout=120)
    assert child.returncode == 128 + how
    *lines, last = said.splitlines()
    done = int(lines[-1]) if lines else 4
    assert last == f"stopped after step {done} of 12, which a checkpoint holds; the same command goes on from step {done + 1}"
    assert "stopping after this step" in complained

    steps: list[int] = []
    found = train(sums, TrainOptions(**facts), broken, eval_rows=sums[:3], on_step=lambda line: steps.append(line["step"]))
    assert steps[0] == done + 1
    assert found.losses == expected.losses
    assert metrics(broken) == metrics(whole)
    name = "adapter/adapter_model.safetensors"
    assert (broken / name).read_bytes() == (whole / name).read_bytes()


def test_the_second_signal_ends_a_run_at_once(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    facts = {"model": str(tiny_dir), "steps": 12, "batch_size": 5, "device": "cpu"}
    slow = SLOW_RUN.replace("0.2", "60")  # as a step that takes long
    command = [sys.executable, "-c", slow, json.dumps(sums), json.dumps(facts), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "1\n"
        child.send_signal(signal.SIGINT)
        while "stopping after this step" not in child.stderr.readline():
            pass
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == -signal.SIGINT


def test_checkpoints_by_time_change_nothing(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=5, batch_size=5)
    expected = train(sums, options, tmp_path / "rarely")
    monkeypatch.setattr("datagen.train.loop.SAVE_EVERY_S", 0.0)
    saved: list[bool] = []
    state = tmp_path / "often" / "checkpoint" / "state.safetensors"
    assert train(sums, options, tmp_path / "often", on_step=lambda _: saved.append(state.exists())).losses == expected.losses
    assert saved == [False, True, True, True, True]
    name = "adapter/adapter_model.safetensors"
    assert (tmp_path / "often" / name).read_bytes() == (tmp_path / "rarely" / name).read_bytes()
