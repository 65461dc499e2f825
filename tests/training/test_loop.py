from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from datagen.data.rows import Row, new_row, turn
from datagen.errors import DataError, ModelError, UsageError
from datagen.training.evaluate import Evaluation, evaluate
from datagen.training.loop import TrainOptions, train
from datagen.training.loss import Network
from datagen.training.passes import MICRO_TOKENS, Layout
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]


@pytest.mark.slow
def test_two_runs_with_one_seed_write_equal_adapters(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=5, lr=1e-2)
    state = torch.random.get_rng_state()
    for name in ("a", "b"):
        train(sums, options, tmp_path / name)
        torch.rand(3)  # a global generator in another state must not matter
    torch.random.set_rng_state(state)
    a, b = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("a", "b"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert len(a) == 28
    other = TrainOptions(model=str(tiny_dir), steps=5, lr=1e-2, seed=18)
    assert train(sums, other, None).losses != train(sums, options, None).losses


def test_dropout_of_a_model_is_reproducible_too(tiny_dir: Path, sums: list[Row], tiny: Loaded) -> None:
    model, tokenizer = tiny
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    runs = [train(sums, TrainOptions(steps=3), None, base=(model, tokenizer)).losses for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_ten_steps_equal_a_plain_loop_of_transformers_and_peft(
    schedule: Any, tiny: Loaded, tiny_dir: Path, sums: list[Row]
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from datagen.training.batches import Plan
    from datagen.training.texts import samples_of

    options = TrainOptions(steps=10, batch_size=4, lr=1e-2, dtype="float32", schedule=schedule, micro_tokens=64, seed=3)
    ours = train(sums, options, None, base=tiny).losses
    base: Any = AutoModelForCausalLM.from_pretrained(tiny_dir, dtype=torch.float32)
    torch.manual_seed(options.seed)
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(base, config).train()
    params = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(params, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
    samples, _ = samples_of(sums, tiny[1], 512)
    plan = Plan(samples, options.seed, 4, 10)
    theirs = []
    for step in range(10):
        batch = plan.batch(step)
        encoded = tiny[1].pad({"input_ids": [s.input_ids for s in batch]}, padding_side="right", return_tensors="pt")
        width = encoded["input_ids"].shape[1]
        labels = torch.tensor([s.labels + [-100] * (width - len(s.labels)) for s in batch])
        loss = model(**encoded, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = options.lr_at(step, 10)
        optimiser.step()
        optimiser.zero_grad()
        theirs.append(loss.item())
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert ours[-1] < ours[0]


def test_the_report_counts_every_row_step_and_token(tiny: Loaded, sums: list[Row], tmp_path: Path) -> None:
    silent = new_row(messages=[turn("user", "only a question")])
    model, tokenizer = tiny
    seen: list[dict[str, Any]] = []
    options = TrainOptions(batch_size=5, epochs=2.0, schedule="linear")
    ran = train([*sums, silent], options, None, eval_rows=sums[:4], on_step=seen.append, base=tiny)
    assert (ran.steps, ran.rows_used, ran.left_out) == (5, 12, [(silent["id"], "unanswered_turn")])
    assert ran.losses == [line["loss"] for line in seen]
    assert [line["step"] for line in seen] == [1, 2, 3, 4, 5]
    assert (ran.tokens, ran.label_tokens) == (sum(x["tokens"] for x in seen), sum(x["label_tokens"] for x in seen))
    assert (ran.first_loss, ran.last_loss) == (ran.losses[0], ran.losses[-1])
    assert all(line["lr"] > 0 for line in seen)
    again = train(sums, TrainOptions(steps=1), None, eval_rows=sums[:4], base=tiny)
    assert ran.eval_before == again.eval_before  # the base is back as it was
    assert ran.eval_before["loss"] == pytest.approx(evaluated(model, tokenizer, sums[:4])["loss"], rel=1e-6)
    assert ran.eval_after is not None
    assert ran.eval_after["loss"] < ran.eval_before["loss"]
    assert set(ran.eval_after["by_source"]) == {"even", "odd"}


def evaluated(
    model: Any, tokenizer: Any, rows: list[Row], max_length: int = 1024, micro_tokens: int = MICRO_TOKENS
) -> Evaluation:
    samples, left_out = samples_of(rows, tokenizer, max_length)
    return evaluate(Network(model), samples, left_out, layout=Layout(micro_tokens=micro_tokens))


def test_evaluation_is_the_mean_over_label_tokens_and_by_source(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    whole = evaluated(model, tokenizer, sums)
    parts = {s: evaluated(model, tokenizer, [r for r in sums if r["source"] == s]) for s in ("even", "odd")}
    assert whole["by_source"] == pytest.approx({s: e["loss"] for s, e in parts.items()})
    assert whole["tokens"] == sum(e["tokens"] for e in parts.values())
    assert whole["loss"] == pytest.approx(sum(e["loss"] * e["tokens"] for e in parts.values()) / whole["tokens"])
    assert evaluated(model, tokenizer, sums, micro_tokens=30)["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    with pytest.raises(DataError, match="no row to evaluate on: all 12 were left out \\(too_long\\)"):
        evaluated(model, tokenizer, sums, max_length=5)


def test_metrics_have_one_line_per_step(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    train(sums, TrainOptions(model=str(tiny_dir), steps=3), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    keys = {"step", "loss", "lr", "grad_norm", "tokens", "label_tokens", "seconds"}
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line.keys() == keys for line in lines)


def test_no_usable_row_is_a_data_error(tiny: Loaded) -> None:
    with pytest.raises(DataError, match="no row can be trained on: all 1 were left out \\(unanswered_turn\\)"):
        train([new_row(messages=[turn("user", "q")])], TrainOptions(), None, base=tiny)
    with pytest.raises(DataError, match="there were none"):
        train([], TrainOptions(), None, base=tiny)


def test_a_loss_that_is_not_finite_names_the_rows_of_its_batch(tiny: Loaded) -> None:
    model, tokenizer = tiny
    poison = tokenizer("Q", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        model.model.embed_tokens.weight[poison] = math.nan  # also the head's row: only where Q is a label or an input
    model.lm_head.weight = torch.nn.Parameter(torch.nan_to_num(model.lm_head.weight.detach()))
    good = new_row(instruction="hello", output="world " * 20)
    bad = new_row(instruction="Q", output="world")
    with pytest.raises(ModelError, match=bad["id"]) as caught:
        train([good, bad], TrainOptions(steps=2, micro_tokens=10), None, base=(model, tokenizer))
    assert good["id"] not in str(caught.value)
    assert "step 2: the loss is nan, and steps 1, 2 had to be left out" in str(caught.value)


def test_a_row_longer_than_the_model_can_see_is_left_out_whatever_max_length_says(tiny: Loaded) -> None:
    long, short = new_row(instruction="x", output="zq" * 3000), new_row(instruction="x", output="y")
    options = TrainOptions(max_length=8192, overflow="drop")
    assert train([long, short], options, None, base=tiny).left_out == [(long["id"], "too_long")]


def test_a_tokenizer_that_knows_more_than_the_model_is_a_model_error(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    tokenizer.add_tokens(["plus"])
    with pytest.raises(ModelError, match="tokens that the model does not know"):
        train(sums, TrainOptions(), None, base=(model, tokenizer))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"method": "lorra"},
            "option 'method' must be one of lora, full, dora, ia3, prefix, prompt, adapter, not 'lorra'; did you mean 'lora'?",
        ),
        ({"schedule": "step"}, "option 'schedule' must be one of cosine, linear, constant, wsd, not 'step'"),
        ({"dtype": "bf16"}, "option 'dtype' must be one of auto, float32, bfloat16, not 'bf16'"),
        ({"steps": 0}, "option 'steps' must be a whole number of at least 1, not 0"),
        ({"batch_size": 1.5}, "option 'batch_size' must be a whole number of at least 1, not 1.5"),
        ({"epochs": -1}, "option 'epochs' must be a number above 0, not -1"),
        ({"lr": math.nan}, "option 'lr' must be a number above 0 and at most 1, not nan"),
        ({"warmup": 2.0}, "option 'warmup' must be a number at least 0 and at most 1, not 2.0"),
        ({"model": ""}, "option 'model' must be smollm2, a directory or a Hub id"),
    ],
)
def test_a_wrong_option_names_itself_and_what_it_may_be(option: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainOptions(**option)
    assert str(caught.value).startswith(f"train: {message}")


def test_the_learning_rate_rises_over_the_warmup_and_falls_by_its_schedule() -> None:
    options = TrainOptions(lr=1.0, warmup=0.2, schedule="linear")
    assert [options.lr_at(s, 10) for s in range(10)] == pytest.approx(
        [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
    assert TrainOptions(lr=1.0, warmup=0.01).lr_at(0, 10) == 0.5  # one step of warmup is one
    assert TrainOptions(warmup=0.0, schedule="constant").lr_at(5, 9) == 2e-4
    assert TrainOptions(method="full").peak_lr == 2e-5


@pytest.mark.slow
def test_a_few_rows_are_learned_by_smollm2() -> None:
    words = ["river", "stone", "cloud", "lamp"]
    rows = [new_row(instruction=f"Give the code of {w} {n}.", output=f"{w[:3]}-{n}{n}") for w in words for n in (3,)]
    ran = train(rows, TrainOptions(steps=6, batch_size=4, lr=2e-3), None, eval_rows=rows)
    assert ran.eval_before is not None
    assert ran.eval_after is not None
    assert ran.eval_after["loss"] < 0.4 * ran.eval_before["loss"]
    assert ran.last_loss < ran.first_loss


def test_each_step_says_which_rows_it_saw_and_the_loss_of_each(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), steps=5, batch_size=5, save_every=2)
    train(sums, options, tmp_path / "whole")
    whole = pq.read_table(tmp_path / "whole" / "steps.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        mine = [row for row in whole if row["step"] == line["step"]]
        assert len(mine) == 5 and sum(row["labels"] for row in mine) == line["label_tokens"]
        assert sum(row["loss"] * row["labels"] for row in mine) / line["label_tokens"] == pytest.approx(line["loss"], rel=1e-5)
    assert {row["id"] for row in whole} == {row["id"] for row in sums}

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(sums, options, tmp_path / "broken", on_step=stop)
    train(sums, options, tmp_path / "broken")
    assert (tmp_path / "broken" / "steps.parquet").read_bytes() == (tmp_path / "whole" / "steps.parquet").read_bytes()
