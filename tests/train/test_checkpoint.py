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
