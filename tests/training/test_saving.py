from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from datagen import folders
from datagen.data.rows import Row
from datagen.errors import ModelError
from datagen.models.adapter import loaded
from datagen.models.causal_lm import load, resolve
from datagen.training.loop import TrainOptions, train
from datagen.training.methods import check_moved, trainable
from datagen.training.start import based


def test_the_base_is_bit_identical_after_lora(tiny: tuple[Any, Any], sums: list[Row]) -> None:
    model, _ = tiny
    before = {name: p.clone() for name, p in model.state_dict().items()}
    flags = [p.requires_grad for p in model.parameters()]
    modules = [(name, type(m)) for name, m in model.named_modules()]
    losses = [train(sums, TrainOptions(steps=3), None, base=tiny).losses for _ in range(2)]
    assert losses[0] == losses[1]
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert [(name, type(m)) for name, m in model.named_modules()] == modules
    assert not hasattr(model, "peft_config")
    assert not model.training


def test_the_base_is_bit_identical_after_a_run_that_breaks(tiny: tuple[Any, Any], sums: list[Row]) -> None:
    model, _ = tiny
    before = {name: p.clone() for name, p in model.state_dict().items()}

    def stop(line: dict[str, Any]) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(sums, TrainOptions(steps=3), None, base=tiny, on_step=stop)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_full_training_leaves_a_shared_base_alone(tiny: tuple[Any, Any], sums: list[Row]) -> None:
    model, _ = tiny
    before = {name: p.clone() for name, p in model.state_dict().items()}
    ran = train(sums, TrainOptions(steps=5, method="full", lr=1e-2), None, base=tiny)
    assert ran.losses[-1] < ran.losses[0]
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_the_adapter_loads_with_peft_and_gives_the_same_logits(
    tiny_dir: Path, sums: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import AutoPeftModelForCausalLM, PeftModel

    options = TrainOptions(model=str(tiny_dir), steps=4, lr=1e-2, dtype="float32")
    base = load(str(tiny_dir), "cpu")
    ids = torch.arange(3, 40)[None]
    trained: list[torch.Tensor] = []

    def keep_logits(line: dict[str, Any]) -> None:
        if line["step"] == 4:
            with torch.no_grad():
                trained.append(base[0](input_ids=ids).logits)  # the layers of the base are wrapped while it trains

    folder = train(sums, options, tmp_path, base=base, on_step=keep_logits).folder
    assert folder == tmp_path / "adapter"
    loaded = PeftModel.from_pretrained(load(str(tiny_dir), "cpu")[0], str(folder)).eval()
    monkeypatch.chdir(tiny_dir.parent)  # where its base is found by the name that it has in public
    itself = AutoPeftModelForCausalLM.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=ids).logits, trained[0])
        assert torch.equal(itself(input_ids=ids).logits, trained[0])
        assert not torch.equal(base[0](input_ids=ids).logits, trained[0])


def test_the_adapter_folder_names_its_base_and_holds_nothing_odd(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    folder = train(sums, TrainOptions(model=str(tiny_dir), steps=1), tmp_path).folder
    assert folder is not None
    files = {p.name for p in folder.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md", "base.json"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl"))]
    name, identity = tiny_dir.name, resolve(str(tiny_dir))[1]
    assert json.loads((folder / "base.json").read_text()) == {"base": name, "base_id": identity}
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == name
    for file in folder.iterdir():
        assert str(tiny_dir).encode() not in file.read_bytes(), file.name  # no path of this machine
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "metrics.jsonl", "steps.parquet"]


def test_the_card_tells_data_recipe_and_prompt(tiny_dir: Path, sums: list[Row], tmp_path: Path) -> None:
    rows = [{**row, "source": "numbers"} for row in sums]
    rows.append({**sums[0], "id": "x", "output": " "})
    options = TrainOptions(model=str(tiny_dir), steps=2, neftune=5.0, lr=1e-3, chat_template="chatml")
    trained = train(rows, options, tmp_path)
    text = (tmp_path / "adapter" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: peft\ntags: [datagen, lora]\n---\n\n# A LoRA adapter made by datagen\n")
    assert f"- {len(sums)} rows as {len(sums)} texts; 1 left out (no_labels 1)" in text
    assert f"- {trained.tokens:,} tokens in 2 steps, {trained.label_tokens:,} of them taught" in text
    assert f"- by source: numbers {len(sums)}" in text
    recipe = text.partition("```yaml\n")[2].partition("```")[0].split("\n")
    assert {"objective: sft", "method: lora", "neftune: 5.0", "steps: 2", "lr: 0.001", "chat_template: chatml"} <= set(recipe)
    assert "    <|im_start|>user\n    TASK<|im_end|>\n    <|im_start|>assistant\n    ANSWER<|im_end|>" in text
    full = train(sums, TrainOptions(model=str(tiny_dir), steps=1, method="full"), tmp_path / "full").folder
    assert full is not None and 'AutoModelForCausalLM.from_pretrained("model")' in (full / "README.md").read_text()


def test_lora_is_on_every_linear_layer_but_the_head_in_float32(tiny: tuple[Any, Any]) -> None:
    model, _ = tiny
    model.to(torch.bfloat16)
    options = TrainOptions(lora_r=4, lora_alpha=8, seed=1)
    with trainable(based(options, tiny, "", identify=False), options) as adapted:
        params = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
        assert len(params) == 2 * 7 * 2  # A and B of q, k, v, o, gate, up, down in two layers
        assert all(p.dtype == torch.float32 and "lora_" in n and "lm_head" not in n for n, p in params.items())
        with pytest.raises(ModelError, match="14 lora layers got no gradient"):
            check_moved(params, "lora")


def test_a_finished_folder_replaces_an_older_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        (tmp_path / "fresh").mkdir()
        (tmp_path / "fresh" / "file").write_text(text)
        folders.replace(tmp_path / "fresh", tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target" / "file").read_text() == "new"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_server_is_told_the_token_that_answers_end_with(tiny_dir: Path, sums: list[Row], tmp_path: Path, method: Any) -> None:
    template = tmp_path / "other.jinja"
    ends = "{{ '<|endofturn|>' if m['role'] == 'assistant' else ' ' }}"
    template.write_text(f"{{% for m in messages %}}{{{{ m['role'] }}}}: {{{{ m['content'] }}}}{ends}{{% endfor %}}")
    base = tmp_path / "base"
    shutil.copytree(tiny_dir, base)
    model, tokenizer = load(str(base), "cpu", "float32")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|endofturn|>"]})
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    options = TrainOptions(model=str(base), method=method, steps=1, chat_template=str(template))
    folder = train(sums, options, tmp_path / "out").folder
    assert folder is not None
    told = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert told == [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|endofturn|>")]
    network, _ = loaded(str(folder), "cpu", "float32")
    assert network.generation_config.eos_token_id == told
