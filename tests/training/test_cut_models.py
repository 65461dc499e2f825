"""Processes that share each layer, or have a stage of the blocks each, take the steps of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from safetensors.torch import load_file

from datagen.data.rows import Row, new_row
from datagen.errors import ModelError, Stopped, UsageError
from datagen.training.loop import TrainOptions, train
from datagen.training.together import train_together
from tests.training.conftest import stopping_after
from tests.training.models import made

pytestmark = pytest.mark.slow


@pytest.fixture
def rows() -> list[Row]:
    return [new_row(instruction=f"What is {i}?", output=" ".join(["It is", *["so"] * (i % 7)])) for i in range(24)]


def saved(name: str, tokenizer: Any, folder: Path) -> str:
    """Write a small random model of an architecture and return its folder."""
    more: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 32}
    if name == "bloom":
        model = transformers.BloomForCausalLM(transformers.BloomConfig(**more, n_layer=2, n_head=4))
    elif name == "odd heads":
        more |= {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 3}
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**more))
    elif name == "qwen3":
        more |= {"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**more, head_dim=8))
    else:
        model = made(name, len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def norms(folder: Path) -> list[float]:
    return [json.loads(line)["grad_norm"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def together(rows: list[Row], options: TrainOptions, out: Path) -> Any:
    return train_together(rows, options, out, rows[:5], lambda _: None)


@pytest.mark.parametrize(
    ("name", "method", "cut", "objective", "processes"),
    [
        # Two halves of the rows and two of each layer; it begins processes of its own, and so before those of `pair` are there.
        ("llama", "full", "tensor", "sft", 4),
        ("llama", "full", "tensor", "sft", 2), ("llama", "lora", "tensor", "dpo", 2), ("qwen2", "full", "tensor", "sft", 2),
        ("gemma", "lora", "tensor", "sft", 2), ("gpt_neox", "full", "tensor", "sft", 2), ("qwen3", "full", "tensor", "sft", 2),
        ("llama", "full", "pipeline", "sft", 2), ("llama", "lora", "pipeline", "dpo", 2),
        ("qwen2", "lora", "pipeline", "sft", 2), ("gemma", "full", "pipeline", "dpo", 2),
        ("gpt_neox", "full", "pipeline", "sft", 2),
    ],
)  # fmt: skip
def test_a_model_that_is_cut_takes_the_steps_of_a_whole_one(
    name: str, method: Any, cut: str, objective: Any, processes: int, tiny: Any, rows: list[Row], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if objective == "dpo":
        both = [[{"text": t, "score": float(-n), "source": None} for n, t in enumerate((r["output"], "no idea"))] for r in rows]
        rows = [{**r, "candidates": c} for r, c in zip(rows, both, strict=True)]
    base = saved(name, tiny[1], tmp_path / "base")
    # Several passes a step, so that some are on their way together.
    facts: dict[str, Any] = {"model": base, "method": method, "steps": 3, "batch_size": 7, "lr": 1e-3, "micro_tokens": 64}
    facts["objective"] = objective
    one = train(rows, TrainOptions(**facts), tmp_path / "one", rows[:5])
    run = request.getfixturevalue("pair") if processes == 2 else together
    two = run(rows, TrainOptions(**facts, processes=processes, **{f"{cut}_parallel": 2}), tmp_path / "two")
    assert two.losses == pytest.approx(one.losses, rel=5e-6)
    assert one.eval_after and two.eval_after
    assert two.eval_after["loss"] == pytest.approx(one.eval_after["loss"], rel=5e-6)
    assert norms(tmp_path / "two") == pytest.approx(norms(tmp_path / "one"), rel=2e-5)
    kind = "adapter/adapter_model" if method == "lora" else "model/model"
    a, b = (load_file(tmp_path / run / f"{kind}.safetensors") for run in ("one", "two"))
    assert {k: t.shape for k, t in a.items()} == {k: t.shape for k, t in b.items()}
    assert max((a[k] - b[k]).abs().max().item() for k in a) < 0.05 * 3 * 1e-3


@pytest.mark.parametrize("cut", ["tensor", "pipeline"])
def test_a_checkpoint_of_a_cut_model_goes_on_in_one_process(
    cut: str, tiny_dir: Path, pair: Any, rows: list[Row], tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"model": str(tiny_dir), "method": "full", "steps": 6, "batch_size": 6, "lr": 1e-3}
    expected = train(rows, TrainOptions(**facts), tmp_path / "whole", rows[:5]).losses
    with pytest.raises(Stopped):
        pair(rows, TrainOptions(**facts, **{f"{cut}_parallel": 2}), tmp_path / "cut", stopping_after(4))
    steps: list[int] = []
    found = train(rows, TrainOptions(**facts), tmp_path / "cut", rows[:5], lambda line: steps.append(line["step"]))
    assert steps == [5, 6]
    assert found.losses == pytest.approx(expected, rel=5e-6)


def test_what_cannot_be_divided_is_one_line(tiny: Any, pair: Any, rows: list[Row], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tensor_parallel' is of method full or lora, not dora"):
        TrainOptions(method="dora", tensor_parallel=2)
    with pytest.raises(UsageError, match="'tensor_parallel' is of parallel ddp, not fsdp"):
        TrainOptions(parallel="fsdp", tensor_parallel=2)
    with pytest.raises(UsageError, match="--tensor-parallel 2 needs --processes 2, or a multiple of it"):
        together(rows, TrainOptions(tensor_parallel=2), tmp_path)
    with pytest.raises(UsageError, match="--pipeline-parallel 2 needs --processes 2"):
        together(rows, TrainOptions(pipeline_parallel=2), tmp_path)
    with pytest.raises(UsageError, match="--pipeline-parallel 2 wants 2 processes, not 3"):
        together(rows, TrainOptions(pipeline_parallel=2, processes=3), tmp_path)
    with pytest.raises(UsageError, match="3 processes cannot be divided by --tensor-parallel 2"):
        together(rows, TrainOptions(tensor_parallel=2, processes=3), tmp_path)
    odd = saved("odd heads", tiny[1], tmp_path / "odd")
    with pytest.raises(ModelError, match="a model of 3 and 3 heads cannot be divided so"):
        pair(rows, TrainOptions(model=odd, steps=1, tensor_parallel=2), tmp_path / "heads")
    with pytest.raises(ModelError, match="--pipeline-parallel 2: the model has 1 blocks"):
        pair(rows, TrainOptions(model=odd, steps=1, pipeline_parallel=2), tmp_path / "blocks")
    bloom = saved("bloom", tiny[1], tmp_path / "bloom")
    with pytest.raises(ModelError, match="plan for a bloom is none"):
        pair(rows, TrainOptions(model=bloom, steps=1, tensor_parallel=2), tmp_path / "plan")
    with pytest.raises(ModelError, match="no plan of stages for a bloom"):
        pair(rows, TrainOptions(model=bloom, steps=1, pipeline_parallel=2), tmp_path / "stages")
