"""A poisoned batch costs its own step, is named, and training goes on."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from shown import Shown

from datagen.data.rows import Row, new_row
from datagen.errors import ModelError
from datagen.training.batches import Plan
from datagen.training.loop import TrainOptions, train
from datagen.training.spikes import LastGood, outside
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]


def learned(tiny: Loaded) -> tuple[list[Row], Loaded]:
    """Rows of easy answers, and a model that has learned them."""
    rows = [new_row(instruction=f"Say {i}", output="one two three four five six seven") for i in range(160)]
    network, tokenizer = tiny
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    samples, _ = samples_of(rows, tokenizer, 512)
    plan = Plan(samples, 1, 8, 30)
    for step in range(30):
        for s in plan.batch(step):
            ids = torch.tensor([s.input_ids])
            network(input_ids=ids, labels=torch.tensor([s.labels])).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return rows, (network, tokenizer)


def shuffled(row: Row) -> Row:
    """A row whose answer's words are of another language and order."""
    words = [chr(0xAC00 + random.Random(n).randrange(900)) for n in range(12)]
    return {**row, "output": "".join(words)}


@pytest.mark.slow
def test_shuffled_labels_are_left_out_and_named_and_training_recovers(tiny: Loaded) -> None:
    rows, base = learned(tiny)
    options = TrainOptions(batch_size=4, lr=1e-3, schedule="constant", warmup=0.0)
    samples, _ = samples_of(rows, base[1], 512)
    poisoned = {s.id for s in Plan(samples, options.seed, 4).batch(29)}
    clean = train(rows, options, None, base=base)
    assert clean.skipped == [] and clean.steps == 40
    shown = Shown()
    bad = [{**shuffled(row), "id": row["id"]} if row["id"] in poisoned else row for row in rows]
    ran = train(bad, options, None, base=base, show=shown)
    (skipped,) = ran.skipped
    assert skipped["step"] == 30 and set(skipped["ids"]) == poisoned and skipped["what"] == "loss"
    (words,) = shown.said
    assert words.startswith("step 30 is left out: its loss is ") and all(name in words for name in poisoned)
    assert ran.last_loss == pytest.approx(clean.last_loss, rel=0.05)


def broken(tiny: Loaded) -> tuple[Loaded, Row, list[Row]]:
    """A model that makes NaN of one token, a row that has it, and rows that have it not."""
    network, tokenizer = tiny
    poison = tokenizer("Q", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        network.model.embed_tokens.weight[poison] = math.nan
    network.lm_head.weight = torch.nn.Parameter(torch.nan_to_num(network.lm_head.weight.detach()))
    bad = new_row(instruction="Q", output="world")
    return tiny, bad, [new_row(instruction=f"say {i}", output="world and more") for i in range(23)]


def test_a_row_that_is_nan_costs_its_step_and_nothing_else(tiny: Loaded, tmp_path: Path) -> None:
    base, bad, good = broken(tiny)
    ran = train([*good, bad], TrainOptions(steps=6, batch_size=4), tmp_path / "a", base=base)
    (skipped,) = ran.skipped
    assert skipped["ids"] == [bad["id"]] and skipped["what"] == "loss" and skipped["value"] == "nan"
    assert len(ran.losses) == 5 and all(map(math.isfinite, ran.losses))
    lines = [json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()]
    (line,) = [x for x in lines if "skipped" in x]
    assert line["step"] == skipped["step"] and line["loss"] is None and line["skipped"] == "loss nan"
    after = [x["lr"] for x in lines if x["step"] > skipped["step"]]
    plain = TrainOptions(steps=6)
    assert after == [0.5 * plain.lr_at(x["step"] - 1, 6) for x in lines if x["step"] > skipped["step"]]


@pytest.mark.slow
def test_a_run_that_left_a_step_out_goes_on_bit_for_bit(tiny: Loaded, tiny_dir: Path, tmp_path: Path) -> None:
    base, bad, good = broken(tiny)
    options = TrainOptions(model=str(tiny_dir), steps=8, batch_size=3, save_every=2)
    whole = train([*good, bad], options, tmp_path / "whole", base=base)
    (skipped,) = whole.skipped

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == min(skipped["step"] + 2, 7):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train([*good, bad], options, tmp_path / "cut", base=base, on_step=stop)
    cut = train([*good, bad], options, tmp_path / "cut", base=base)
    assert cut.skipped == whole.skipped and cut.losses == whole.losses
    a, b = (load_file(tmp_path / n / "adapter" / "adapter_model.safetensors") for n in ("whole", "cut"))
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.slow
def test_what_a_second_spike_puts_back_is_the_same_after_a_resume(tiny: Loaded, tiny_dir: Path, tmp_path: Path) -> None:
    base, bad, good = broken(tiny)
    samples = samples_of([*good, bad], tiny[1], 1024)[0]

    def spikes(seed: int) -> list[int]:
        plan = Plan(samples, seed, 4, 12)
        return [step + 1 for step in range(12) if any(s.id == bad["id"] for s in plan.batch(step))]

    seed = next(n for n in range(100) if len(found := spikes(n)) == 2 and found[0] > 1 and 3 <= found[1] - found[0] <= 8)
    first, second = spikes(seed)
    options = TrainOptions(model=str(tiny_dir), steps=12, batch_size=4, save_every=1, seed=seed, lr=1e-2)
    whole = train([*good, bad], options, tmp_path / "whole", base=base)
    assert [(s["step"], s["back_to"]) for s in whole.skipped] == [(first, first - 1), (second, 0)]

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == first + 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train([*good, bad], options, tmp_path / "cut", base=base, on_step=stop)
    cut = train([*good, bad], options, tmp_path / "cut", base=base)
    assert cut.skipped == whole.skipped and cut.losses == whole.losses


def test_the_third_spike_ends_the_run_and_says_so(tiny: Loaded) -> None:
    base, bad, good = broken(tiny)
    with pytest.raises(
        ModelError, match=r"step \d+: the loss is nan, and steps \d+, \d+, \d+ had to be left out; lower the lr"
    ) as e:
        train([*good[:3], bad], TrainOptions(steps=9, batch_size=2), None, base=base)
    assert bad["id"] in str(e.value)


@pytest.mark.slow
def test_a_spike_beside_another_puts_an_earlier_state_back(tiny: Loaded, sums: list[Row]) -> None:
    shown = Shown()
    hurt = [1]

    def hurting(line: dict[str, Any]) -> None:
        """Break the weights after step 5, as an update too large would; what is put back is from before."""
        if line["step"] == 5 and hurt:
            hurt.clear()
            with torch.no_grad():
                for module in tiny[0].modules():
                    if hasattr(module, "lora_B"):
                        module.lora_B["default"].weight.fill_(math.nan)

    options = TrainOptions(steps=12, batch_size=4, lr=1e-3)
    ran = train(sums, options, None, base=tiny, on_step=hurting, show=shown)
    assert [(s["step"], s["back_to"]) for s in ran.skipped] == [(6, 5), (7, 0)]
    assert "the state after step 0 is put back" in shown.said[-1]
    assert len(ran.losses) == 10 and all(map(math.isfinite, ran.losses))


def test_only_what_is_far_above_is_outside() -> None:
    steady = [1.0 + 0.1 * math.sin(n) for n in range(40)]
    assert not outside("loss", 1.3, steady, 10.0) and outside("loss", 3.0, steady, 10.0)
    assert not outside("loss", 0.01, steady, 10.0)  # nobody minds a low one
    assert not outside("loss", 3.0, steady[:15], 10.0) and not outside("loss", 3.0, steady, None)
    assert outside("loss", math.inf, [], None) and outside("gradient norm", math.nan, [], None)
    norms = [0.5 * 1.2 ** (n % 5) for n in range(40)]
    assert not outside("gradient norm", 3.0, norms, 10.0) and outside("gradient norm", 50.0, norms, 10.0)
    assert outside("loss", 3.0, [*steady, None, None], 10.0)


def test_a_large_state_is_not_kept_twice() -> None:
    layer = torch.nn.Linear(4, 4)
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    kept = LastGood(dict(layer.named_parameters()), optimiser)
    assert kept.put_back() is None
    kept.keep(1)
    before = layer.weight.detach().clone()
    optimiser.step()
    assert not torch.equal(layer.weight, before) and kept.put_back() == 1 and torch.equal(layer.weight, before)
    assert optimiser.state[layer.weight]["step"] == 1
