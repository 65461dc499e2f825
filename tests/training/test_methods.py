"""Which weights a run changes: every method trains, is saved, comes back the same, and leaves its base alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from datagen.data.rows import Row
from datagen.errors import ModelError, UsageError
from datagen.models.adapter import loaded
from datagen.models.causal_lm import load
from datagen.training.loop import TrainOptions, train
from datagen.training.methods import trainable
from datagen.training.options import Method
from datagen.training.start import based
from tests.training.models import ARCHITECTURES, made

Loaded = tuple[Any, Any]
ADAPTERS = [m for m in get_args(Method) if m != "full"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("method", get_args(Method))
def test_every_method_learns_and_leaves_a_shared_base_as_it_was(method: Any, name: str, tiny: Loaded, sums: list[Row]) -> None:
    model = made(name, len(tiny[1]))
    before = {n: p.clone() for n, p in model.state_dict().items()}
    modules = [(n, type(m)) for n, m in model.named_modules()]
    options = TrainOptions(steps=8, method=method, lr=2e-2, schedule="constant")
    ran = train(sums, options, None, base=(model, tiny[1]))
    assert ran.last_loss < ran.first_loss and ran.skipped == []
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(p, before[n]) for n, p in model.state_dict().items())
    assert [(n, type(m)) for n, m in model.named_modules()] == modules
    assert all(not m._forward_hooks for m in model.modules()) and not hasattr(model, "peft_config")
    assert train(sums, options, None, base=(model, tiny[1])).losses == ran.losses


@pytest.mark.slow
@pytest.mark.parametrize("method", ADAPTERS)
def test_an_adapter_comes_back_the_same_and_can_be_trained_further(
    method: Any, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    options = TrainOptions(model=str(tiny_dir), method=method, steps=4, lr=1e-2, schedule="constant", dtype="float32")
    first = train(sums, options, tmp_path / "a", sums)
    assert first.folder is not None and first.eval_after and first.eval_before
    assert first.eval_after["loss"] < first.eval_before["loss"]
    again = TrainOptions(**{**vars(options), "model": str(first.folder)})
    further = train(sums, again, tmp_path / "b", sums)
    assert further.eval_before and further.eval_after
    assert further.eval_before["loss"] == pytest.approx(first.eval_after["loss"], rel=1e-6)
    assert further.eval_after["loss"] < first.eval_after["loss"]
    base = json.loads((tmp_path / "b" / "adapter" / "base.json").read_text())
    assert base == json.loads((tmp_path / "a" / "adapter" / "base.json").read_text())


@pytest.mark.slow
def test_bottlenecks_load_without_datagen(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), method="adapter", steps=4, lr=1e-2, dtype="float32")
    base = load(str(tiny_dir), "cpu", "float32")
    ids = torch.arange(3, 40)[None]
    seen: list[torch.Tensor] = []

    def keep(line: dict[str, Any]) -> None:
        if line["step"] == 4:
            with torch.no_grad():
                seen.append(base[0](input_ids=ids).logits)

    folder = train(sums, options, tmp_path, base=base, on_step=keep).folder
    torch.save(seen[0], tmp_path / "logits.pt")
    program = f"""
import sys, torch
from transformers import AutoModelForCausalLM
from bottleneck import load
model = load(AutoModelForCausalLM.from_pretrained({str(tiny_dir)!r}, dtype=torch.float32), ".").eval()
with torch.no_grad():
    found = model(input_ids=torch.arange(3, 40)[None]).logits
assert torch.equal(found, torch.load({str(tmp_path / "logits.pt")!r}))
assert not [name for name in sys.modules if name.startswith("datagen")]
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "from bottleneck import load" in (tmp_path / "adapter" / "README.md").read_text()


@pytest.mark.slow
def test_adapters_that_are_no_change_of_weights_are_refused_where_they_would_be_left_out(
    tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    for method in ("prefix", "adapter"):
        options = TrainOptions(model=str(tiny_dir), method=method, steps=1)  # type: ignore[arg-type]
        folder = train(sums, options, tmp_path / method).folder
        with pytest.raises(ModelError, match="cannot be added to the weights of its base"):
            loaded(str(folder), "cpu", "float32")
    merged = train(sums, TrainOptions(model=str(tiny_dir), method="dora", steps=2, lr=1e-2), tmp_path / "dora", sums)
    network, tokenizer = loaded(str(merged.folder), "cpu", "float32")
    again = train(sums, TrainOptions(steps=1, lr=1e-9), None, sums, base=(network, tokenizer))
    assert again.eval_before and merged.eval_after
    assert again.eval_before["loss"] == pytest.approx(merged.eval_after["loss"], rel=1e-5)  # merged equals not merged


@pytest.mark.slow
def test_another_method_or_size_than_the_adapter_has_is_one_line(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    folder = train(sums, TrainOptions(model=str(tiny_dir), steps=1), tmp_path).folder
    with pytest.raises(UsageError, match="is of method lora: --method lora trains it further, not ia3"):
        train(sums, TrainOptions(model=str(folder), method="ia3", steps=1), None)
    with pytest.raises(UsageError, match="has lora_r 16, not 8; leave it out"):
        train(sums, TrainOptions(model=str(folder), lora_r=8, steps=1), None)


def test_an_adapter_stays_off_what_chooses_experts(tiny: Loaded) -> None:
    from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

    config = Qwen2MoeConfig(
        vocab_size=len(tiny[1]), hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, num_experts=4, num_experts_per_tok=2, shared_expert_intermediate_size=16,
    )  # fmt: skip
    start = based(TrainOptions(), (Qwen2MoeForCausalLM(config), tiny[1]), "", identify=False)
    with trainable(start, TrainOptions()) as network:
        trained = [n for n, p in network.named_parameters() if p.requires_grad]
    assert trained and not [n for n in trained if ".gate." in n or "shared_expert_gate" in n]


@pytest.mark.slow
def test_the_loss_of_experts_is_part_of_the_loss(tiny: Loaded, sums: list[Row]) -> None:
    from transformers import MixtralConfig, MixtralForCausalLM

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    losses = []
    for coefficient in (0.0, 0.5):
        torch.manual_seed(0)
        config = MixtralConfig(
            vocab_size=len(tiny[1]), **small, num_key_value_heads=2, num_local_experts=4, output_router_logits=True,
            router_aux_loss_coef=coefficient,
        )  # fmt: skip
        losses.append(
            train(sums, TrainOptions(method="full", steps=2), None, base=(MixtralForCausalLM(config), tiny[1])).losses[0]
        )
    assert 0.5 < losses[1] - losses[0] < 2.0  # a balanced router has a loss of about the number of experts per token, times 0.5


def test_weights_that_cannot_be_quantised_are_one_line(tiny_dir: Path, sums: list[Row]) -> None:
    with pytest.raises(ModelError, match="weights of 4bit need a GPU, and this runs on cpu; leave out --quantize"):
        train(sums, TrainOptions(model=str(tiny_dir), quantize="4bit", steps=1), None)
    with pytest.raises(UsageError, match=r"option 'quantize' is of method lora or dora .* not full"):
        TrainOptions(method="full", quantize="8bit")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_checkpointing_of_activations_changes_nothing(method: Any, tiny: Loaded, sums: list[Row]) -> None:
    plain = train(sums, TrainOptions(steps=4, lr=1e-2, method=method), None, base=tiny)
    less = train(sums, TrainOptions(steps=4, lr=1e-2, method=method, checkpointing=True), None, base=tiny)
    assert less.losses == pytest.approx(plain.losses, rel=1e-6)
    assert not tiny[0].is_activation_checkpointing


@pytest.mark.slow
def test_dropout_that_a_model_has_not_is_one_line(tiny: Loaded, sums: list[Row]) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    plain = train(sums, TrainOptions(steps=3, lr=1e-2), None, base=tiny).losses
    dropped = train(sums, TrainOptions(steps=3, lr=1e-2, dropout=0.3), None, base=tiny)
    assert dropped.losses != plain and dropped.arrangement == "padded"
    assert train(sums, TrainOptions(steps=3, lr=1e-2), None, base=tiny).losses == plain  # it is gone again
    assert train(sums, TrainOptions(steps=3, lr=1e-2, lora_dropout=0.3), None, base=tiny).losses != plain
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=len(tiny[1]), n_embd=32, n_layer=1, n_head=4))
    assert train(sums, TrainOptions(steps=1, dropout=0.0), None, base=(gpt2, tiny[1])).arrangement == "tree"


@pytest.mark.slow
@pytest.mark.parametrize("method", ADAPTERS)
def test_what_an_adapter_costs_at_inference_is_measured(method: Any, tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    found = train(sums, TrainOptions(model=str(tiny_dir), method=method, steps=1), tmp_path).latency
    assert found is not None and found.keys() == {"base", "adapter"} and all(0 <= ms < 5000 for ms in found.values())


def test_a_new_prefix_or_prompt_hardly_changes_what_the_model_says(tiny: Loaded, sums: list[Row]) -> None:
    losses = {
        method: train(sums, TrainOptions(steps=1, method=method), None, base=tiny).losses[0]
        for method in ("lora", "prefix", "prompt")
    }
    assert losses["prefix"] == pytest.approx(losses["lora"], rel=0.1)
    assert losses["prompt"] == pytest.approx(losses["lora"], rel=0.1)
