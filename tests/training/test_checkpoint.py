from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from shown import Shown

from datagen.data.rows import Row
from datagen.errors import UsageError
from datagen.training import checkpoint
from datagen.training.loop import TrainOptions, train

# One process imports torch and peft; each run that is to be killed is a fork of it, which takes milliseconds to start.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["datagen.training.loop", "peft", "transformers.models.llama.modeling_llama"])


def killed_run(rows: list[Row], facts: dict[str, Any], out: Path) -> None:
    """Train until the process kills itself in its fifth step."""

    def die(line: dict[str, Any]) -> None:
        if line["step"] == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    train(rows, TrainOptions(**facts), out, eval_rows=rows[:3], on_step=die)


def slow_run(rows: list[Row], facts: dict[str, Any], out: Path, stepped: Any, errors: Path) -> None:
    """Train with a step that takes a minute, which it says has begun."""
    os.dup2(os.open(errors, os.O_CREAT | os.O_WRONLY), 2)

    def wait(line: dict[str, Any]) -> None:
        stepped.set()
        time.sleep(60)

    train(rows, TrainOptions(**facts), out, on_step=wait)


def metrics(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_run_that_goes_on_elsewhere_says_what_differs(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    facts: dict[str, Any] = {"model": str(tiny_dir), "steps": 7, "batch_size": 5, "save_every": 2, "device": "cpu"}
    child = FORKS.Process(target=killed_run, args=(sums, facts, tmp_path))
    child.start()
    child.join(60)
    path = tmp_path / "checkpoint" / "state.safetensors"
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
    progress = json.loads(told["progress"])
    assert progress["environment"]["torch"] == torch.__version__
    progress["environment"] |= {"torch": "2.0.1", "card": "a card"}
    save_file(load_file(path), path, metadata={**told, "progress": json.dumps(progress)})
    shown = Shown()
    found = train(sums, TrainOptions(**facts), tmp_path, eval_rows=sums[:3], show=shown)
    differs = f"torch 2.0.1 → {torch.__version__}, card a card → none"
    assert shown.said[0] == f"it goes on after step 4 in another environment, equal but for rounding: {differs}"
    assert found.environment["torch"] == torch.__version__ and "card" not in found.environment


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_killed_at_step_5_and_resumed_is_the_unbroken_run(
    method: str, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"model": str(tiny_dir), "method": method, "steps": 9, "batch_size": 5, "lr": 1e-2}
    facts |= {"save_every": 2, "weight_decay": 0.1, "device": "cpu"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(sums, TrainOptions(**facts), whole, eval_rows=sums[:3])
    child = FORKS.Process(target=killed_run, args=(sums, facts, broken))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert len(metrics(broken)) == 5
    (broken / "checkpoint" / ".state.safetensors").write_bytes(b"a save that was killed half way")

    steps: list[int] = []
    found = train(sums, TrainOptions(**facts), broken, eval_rows=sums[:3], on_step=lambda line: steps.append(line["step"]))
    assert steps == list(range(5, 10))  # the last checkpoint was after step 4
    assert found.losses == expected.losses
    assert (found.eval_before, found.eval_after) == (expected.eval_before, expected.eval_after)
    assert (found.tokens, found.label_tokens) == (expected.tokens, expected.label_tokens)
    assert metrics(broken) == metrics(whole)
    name = "adapter/adapter_model.safetensors" if method == "lora" else "model/model.safetensors"
    ours, theirs = load_file(broken / name), load_file(whole / name)
    assert ours.keys() == theirs.keys()
    assert all(ours[k].equal(theirs[k]) for k in ours)
    assert not (broken / "checkpoint").exists()


@pytest.mark.slow
def test_a_run_that_goes_on_on_another_day_shows_the_day_that_it_began(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    template = tmp_path / "dated.jinja"
    template.write_text("Today: {{ strftime_now('%d %B %Y') }}\n" + (tiny_dir / "chat_template.jinja").read_text())
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, chat_template=str(template))

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Later:
            return cls(2031, 5, 6)

    today = datetime.now().astimezone().date().isoformat()
    stopped(sums, options, tmp_path / "broken")
    expected = train(sums, options, tmp_path / "whole")
    assert expected.date == today
    monkeypatch.setattr("datagen.training.prepare.datetime", Later)
    steps: list[int] = []
    caplog.clear()
    found = train(sums, options, tmp_path / "broken", on_step=lambda line: steps.append(line["step"]))
    assert (steps, found.losses, found.date) == ([3, 4, 5, 6], expected.losses, today)
    assert [r.getMessage() for r in caplog.records] == [
        f"every text of this run shows {today} as today, for the chat template asks for the date; --date gives another"
    ]
    other = train(sums, options, tmp_path / "later")
    assert other.date == "2031-05-06" and other.losses != expected.losses
    caplog.clear()
    again = train(sums, replace(options, date=today), tmp_path / "again")
    assert (again.losses, caplog.records) == (expected.losses, [])
    stopped(sums, replace(options, seed=1), tmp_path / "other")
    with pytest.raises(UsageError, match="holds 2 steps of a run of seed 1, not 17; give the same, or --fresh begins again"):
        train(sums, options, tmp_path / "other")


def cut_in_half(state: Path) -> None:
    os.truncate(state, state.stat().st_size // 2)


def emptied(state: Path) -> None:
    os.truncate(state, 0)


def rewritten(state: Path, facts: dict[str, str] | None, less: int = 0, shape: int = 0) -> None:
    """Write a checkpoint without some of its tensors, or with others of another shape, and with these facts."""
    tensors = dict(list(load_file(state).items())[less:])
    save_file({k: v[..., shape:].contiguous() if v.ndim else v for k, v in tensors.items()}, state, metadata=facts)


def facts_of(state: Path) -> dict[str, str]:
    with safe_open(state, framework="pt") as file:
        return dict(file.metadata())


HARMS: dict[str, Callable[[Path], None]] = {
    "cut in half": cut_in_half,
    "emptied": emptied,
    "zeroed": lambda state: state.write_bytes(bytes(state.stat().st_size)) and None,
    "no facts": lambda state: rewritten(state, None),
    "no mark": lambda state: rewritten(state, {"progress": "{}"}),
    "progress cut off": lambda state: rewritten(state, facts_of(state) | {"progress": facts_of(state)["progress"][:40]}),
    "progress is a list": lambda state: rewritten(state, facts_of(state) | {"progress": "[]"}),
    "progress of other fields": lambda state: rewritten(state, facts_of(state) | {"progress": '{"before": null, "x": 1}'}),
    "losses gone": lambda state: rewritten(
        state, facts_of(state) | {"progress": json.dumps({**json.loads(facts_of(state)["progress"]), "losses": []})}
    ),
    "a tensor gone": lambda state: rewritten(state, facts_of(state), less=9),
    "tensors of another shape": lambda state: rewritten(state, facts_of(state), shape=1),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_checkpoint_is_named_and_counts_as_none(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    progress = checkpoint.Progress(2, [1.5, 1.25], 20, 10, 0.5, None, "2031-05-06", norms=[2.0, 1.0])
    checkpoint.save(tmp_path, "mark", progress, dict(layer.named_parameters()), optimiser)
    new = torch.nn.Linear(3, 2)
    fresh = torch.optim.AdamW(new.parameters(), lr=0.1)
    begun = {k: v.clone() for k, v in new.state_dict().items()}
    trained = dict(new.named_parameters())
    state = tmp_path / "checkpoint" / "state.safetensors"
    HARMS[name](state)
    assert checkpoint.restore(tmp_path, "mark", trained, fresh) is None
    assert all(new.state_dict()[k].equal(v) for k, v in begun.items()) and not fresh.state
    [told] = [r.getMessage() for r in caplog.records]
    assert told.startswith(f"{state} is damaged (") and told.count("\n") == 0
    assert told.endswith("); training begins again from the start, and replaces it")
    assert checkpoint.read_mark(tmp_path) in (None, ("mark", progress))  # its tensors are not read for that
    checkpoint.save(tmp_path, "mark", progress, dict(layer.named_parameters()), optimiser)
    assert checkpoint.restore(tmp_path, "mark", trained, fresh) == progress and new.weight.equal(layer.weight)


@pytest.mark.slow
def test_training_begins_again_where_its_checkpoint_is_damaged(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=4, save_every=2)
    expected = train(sums, options, tmp_path / "whole")
    stopped(sums, options, tmp_path / "out")
    cut_in_half(tmp_path / "out" / "checkpoint" / "state.safetensors")
    seen: list[int] = []
    found = train(sums, options, tmp_path / "out", on_step=lambda line: seen.append(line["step"]))
    assert (seen, found.losses) == ([1, 2, 3, 4], expected.losses)
    assert sum("is damaged (" in r.getMessage() for r in caplog.records) == 1
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_a_damaged_line_of_the_metrics_stops_nothing(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=4, save_every=2)
    stopped(sums, options, tmp_path / "out")
    lines = (tmp_path / "out" / "metrics.jsonl").read_bytes().split(b"\n")
    (tmp_path / "out" / "metrics.jsonl").write_bytes(b"\n".join([b"\xff\xfe\x00", *lines[1:]]))
    train(sums, options, tmp_path / "out")
    after = (tmp_path / "out" / "metrics.jsonl").read_bytes().split(b"\n")
    assert (after[:2], len(after)) == ([b"\xff\xfe\x00", lines[1]], 5)


def stopped(rows: list[Row], options: TrainOptions, out: Path) -> None:
    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 4:  # before its checkpoint is written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, options, out, on_step=stop)


@pytest.mark.slow
def test_a_checkpoint_of_other_rows_or_options_is_not_resumed(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2)
    other = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, lr=1e-3)
    fresh = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, fresh=True)
    stopped(sums, options, tmp_path / "stopped")
    for number, (rows, again, differs) in enumerate([(sums[:-1], options, "other rows"), (sums, other, "lr off, not 0.001")]):
        out = tmp_path / f"other-{number}"
        shutil.copytree(tmp_path / "stopped", out)
        before = (out / "metrics.jsonl").read_bytes()
        with pytest.raises(UsageError, match=differs) as caught:
            train(rows, again, out)
        assert f"holds 2 steps of a run of {differs}" in str(caught.value) and "--fresh begins again" in str(caught.value)
        assert (out / "metrics.jsonl").read_bytes() == before
    for number, (rows, again, first) in enumerate([(sums, options, 3), (sums, fresh, 1)]):
        shutil.copytree(tmp_path / "stopped", tmp_path / str(number))
        seen: list[dict[str, Any]] = []
        train(rows, again, tmp_path / str(number), on_step=seen.append)
        assert seen[0]["step"] == first
        assert [line["step"] for line in metrics(tmp_path / str(number))] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_hears_a_signal_saves_its_step_and_goes_on_from_the_next(
    how: signal.Signals, tiny_dir: Path, sums: list[Row], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, batch_size=5, lr=1e-2, device="cpu")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(sums, options, whole, eval_rows=sums[:3])

    def hear(line: dict[str, Any]) -> None:
        if line["step"] == 3:
            os.kill(os.getpid(), how)  # as one that comes while the step is taken

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # so that one nobody hears does not end the tests
    try:
        with pytest.raises(KeyboardInterrupt) as ended:
            train(sums, options, broken, eval_rows=sums[:3], on_step=hear)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.exit_code == 128 + how
    assert str(ended.value) == "stopped after step 3 of 6, which a checkpoint holds; the same command goes on from step 4"
    assert "stopping after this step" in capfd.readouterr().err

    steps: list[int] = []
    found = train(sums, options, broken, eval_rows=sums[:3], on_step=lambda line: steps.append(line["step"]))
    assert steps == [4, 5, 6]
    assert found.losses == expected.losses
    assert metrics(broken) == metrics(whole)
    name = "adapter/adapter_model.safetensors"
    assert (broken / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_the_second_signal_ends_a_run_at_once(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    facts = {"model": str(tiny_dir), "steps": 12, "batch_size": 5, "device": "cpu"}
    stepped, errors = FORKS.Event(), tmp_path / "errors"
    child = FORKS.Process(target=slow_run, args=(sums, facts, tmp_path / "out", stepped, errors))
    child.start()
    assert child.pid is not None and stepped.wait(60)
    os.kill(child.pid, signal.SIGINT)
    while "stopping after this step" not in errors.read_text():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGINT)
    child.join(30)
    assert child.exitcode == -signal.SIGINT


def test_checkpoints_by_time_change_nothing(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=5, batch_size=5)
    expected = train(sums, options, tmp_path / "rarely")
    monkeypatch.setattr("datagen.training.loop.SAVE_EVERY_S", 0.0)
    saved: list[bool] = []
    state = tmp_path / "often" / "checkpoint" / "state.safetensors"
    assert train(sums, options, tmp_path / "often", on_step=lambda _: saved.append(state.exists())).losses == expected.losses
    assert saved == [False, True, True, True, True]
    name = "adapter/adapter_model.safetensors"
    assert (tmp_path / "often" / name).read_bytes() == (tmp_path / "rarely" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("hurt", ["cut", "gone"])
def test_a_log_that_is_lost_is_said_and_costs_nothing_else(
    hurt: str, tiny_dir: Path, sums: list[Row], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=3, batch_size=4)
    stopped_at(4, sums, options, tmp_path)
    for name in ("steps.parquet", "metrics.jsonl"):
        path = tmp_path / name
        if hurt == "gone":
            path.unlink()
        elif name == "steps.parquet":
            path.write_bytes(path.read_bytes()[:40])
    ran = train(sums, options, tmp_path)
    assert len(ran.losses) == 6
    said = caplog.text
    assert "steps.parquet of the steps so far is lost" in said
    assert ("metrics.jsonl of the steps so far is lost" in said) == (hurt == "gone")


def stopped_at(step: int, rows: list[Row], options: TrainOptions, out: Path, **more: Any) -> None:
    """Train until a step, and end there."""

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == step:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(rows, options, out, on_step=stop, **more)


@pytest.mark.slow
def test_fresh_leaves_nothing_to_go_on_from(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=8, save_every=3, batch_size=4)
    stopped_at(4, sums, options, tmp_path)
    stopped_at(2, sums, replace(options, fresh=True), tmp_path)
    train(sums, options, tmp_path)
    lines = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == list(range(1, 9))


@pytest.mark.slow
def test_a_given_base_is_known_by_its_weights(tiny: tuple[Any, Any], tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, batch_size=4)
    stopped_at(3, sums, options, tmp_path, base=tiny)
    with torch.no_grad():
        tiny[0].model.layers[0].mlp.up_proj.weight.mul_(1.5)
    with pytest.raises(UsageError, match="of a run of other rows, or of another model"):
        train(sums, options, tmp_path, base=tiny)


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_a_change_that_is_noted(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=8, save_every=1, batch_size=4, lr=1e-3, schedule="constant", warmup=0.0)
    stopped_at(4, sums, options, tmp_path)
    with pytest.raises(UsageError, match=r"a run of lr 0.001, not 0.0005; give the same, or --set goes on with the change"):
        train(sums, replace(options, lr=5e-4), tmp_path)
    changed = replace(options, set={"lr": "5e-4", "steps": "10"})
    stopped_at(6, sums, changed, tmp_path)
    ran = train(sums, options, tmp_path)  # it stays changed
    assert ran.history == [{"step": 3, "changed": {"lr": "5e-4", "steps": "10"}}] and ran.steps == 10
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == [1e-3] * 3 + [5e-4] * 7
    with pytest.raises(UsageError, match="--set: 'batch_size' cannot be changed while a run is under way; these can: lr, "):
        replace(options, set={"batch_size": "8"})
    with pytest.raises(UsageError, match="option 'lr' must be a number above 0"):
        replace(options, set={"lr": "-1"})


@pytest.mark.slow
def test_texts_are_not_made_again_when_a_run_goes_on(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from datagen.training import prepare

    both = [[{"text": t, "score": s, "source": None} for t, s in ((r["output"], 1.0), ("no", 0.0))] for r in sums]
    pairs = [{**r, "candidates": c} for r, c in zip(sums, both, strict=True)]
    options = TrainOptions(model=str(tiny_dir), objective="dpo", steps=6, save_every=2, batch_size=4)
    whole = train(pairs, options, tmp_path / "whole", pairs)
    stopped_at(3, pairs, options, tmp_path / "cut", eval_rows=pairs)
    made = prepare.samples_of
    monkeypatch.setattr(prepare, "samples_of", None)  # whoever called it would fail
    stopped_at(5, pairs, options, tmp_path / "cut", eval_rows=pairs)
    monkeypatch.setattr(prepare, "samples_of", made)
    (tmp_path / "cut" / "checkpoint" / "texts.parquet").write_bytes(b"PAR1 cut off")
    cut = train(pairs, options, tmp_path / "cut", pairs)
    assert cut.losses == whole.losses and "texts.parquet is damaged" in caplog.text
    stopped_at(3, pairs, options, tmp_path / "other", eval_rows=pairs)
    with pytest.raises(UsageError, match="of a run of other rows"):
        train([{**pairs[0], "repeat": 2}, *pairs[1:]], options, tmp_path / "other", pairs)


def test_what_is_stopped_after_its_last_step_has_all_of_them(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=3, lr=1e-2)

    class Stopping(Shown):
        def step(self, name: str, total: int | None, unit: str) -> None:
            super().step(name, total, unit)
            if name == "the adapter's latency":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(sums, options, tmp_path / "out", show=Stopping())
    seen: list[int] = []
    found = train(sums, options, tmp_path / "out", on_step=lambda line: seen.append(line["step"]))
    assert seen == [] and len(found.losses) == 3
    expected = train(sums, options, tmp_path / "whole").losses
    assert found.losses == expected
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_metrics_that_lost_their_end_are_said(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2)
    stopped(sums, options, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_bytes(lines[0])
    train(sums, options, tmp_path)
    assert "metrics.jsonl: 1 lines of the 2 steps so far are lost" in caplog.text


def test_the_start_of_pairs_is_computed_again_where_it_is_damaged(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    both = [[{"text": t, "score": float(-n), "source": None} for n, t in enumerate((r["output"], "no idea"))] for r in sums]
    rows = [{**r, "candidates": c} for r, c in zip(sums, both, strict=True)]
    options = TrainOptions(model=str(tiny_dir), steps=6, save_every=2, objective="dpo", lr=1e-2)
    whole = train(rows, options, tmp_path / "whole")
    stopped(rows, options, tmp_path / "cut")
    path = tmp_path / "cut" / "checkpoint" / "reference.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    assert train(rows, options, tmp_path / "cut").losses == whole.losses
