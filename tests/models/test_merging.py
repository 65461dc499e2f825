"""An adapter merged into its base says what it says beside it; a GGUF file of it says the same in llama.cpp."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_model import network as tiny_llama
from tiny_model import tokenizer as tiny_tokenizer
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from datagen.errors import ModelError, UsageError
from datagen.models import merging
from datagen.models.merging import merge
from datagen.serving import gguf_check
from datagen.serving.gguf_check import largest_difference, write_checked

QWEN_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def qwen() -> tuple[Any, Any]:
    """A Qwen2 of two layers with random weights, and a tokenizer that splits as its family does."""
    from tokenizers import Regex, pre_tokenizers

    tokenizer = tiny_tokenizer()
    split = pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=False, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Qwen2ForCausalLM(config), tokenizer


def saved(made: tuple[Any, Any], folder: Path) -> Path:
    for part in made:
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(tiny_dir: Path, tmp_path: Path) -> Path:
    """A LoRA adapter of random weights on the tiny model."""
    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(tiny_dir)
    made = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"))
    made.peft_config["default"].base_model_name_or_path = str(tiny_dir)
    made.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    return tmp_path / "adapter"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_merged_model_says_what_the_adapter_says(adapter: Path, tiny_dir: Path, tmp_path: Path, dtype: str) -> None:
    done = merge(str(adapter), tmp_path / "merged", dtype)
    assert 0 < done.difference < 1e-4 and done.base == "tiny"
    assert done.rounded == done.difference if dtype == "float32" else 1e-4 < done.rounded < 0.5
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert whole.dtype == getattr(torch, dtype)
    from peft import PeftModel

    beside = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_dir), adapter)
    ids = torch.tensor([[5, 60, 7, 9, 300]])
    with torch.inference_mode():
        difference = float((whole.float()(ids).logits - beside(ids).logits).abs().max())
    assert difference < (1e-4 if dtype == "float32" else 0.5)
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "base_model: tiny" in card and str(tmp_path) not in card


@pytest.mark.parametrize("made", [lambda: (tiny_llama(1000), tiny_tokenizer()), qwen], ids=["llama", "qwen2"])
def test_a_gguf_file_says_in_llama_cpp_what_the_weights_say(made: Callable[[], Any], tmp_path: Path) -> None:
    folder = saved(made(), tmp_path / "model")
    done = merge(str(folder), tmp_path / "model.gguf", "float32")
    assert done.path.is_file() and done.base == ""
    assert largest_difference(done.path, done.network, done.texts) < 0.02


def test_a_file_that_says_something_else_in_llama_cpp_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved((tiny_llama(1000), tiny_tokenizer()), tmp_path / "model")
    done, difference = write_checked(str(folder), tmp_path / "new" / "m.gguf", "float16")
    assert done.path.is_file() and 0 < difference < 0.02
    monkeypatch.setitem(gguf_check.MOST, "float16", 0.0)
    with pytest.raises(ModelError, match="more than float16 explains: nothing is kept"):
        write_checked(str(folder), tmp_path / "new" / "other.gguf", "float16")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.gguf"]


def test_what_llama_cpp_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    from tokenizers import pre_tokenizers

    network, tokenizer = tiny_llama(1000), tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    folder = saved((network, tokenizer), tmp_path / "model")
    with pytest.raises(ModelError, match=r"splits texts in a way that is not known here: use convert_hf_to_gguf\.py"):
        merge(str(folder), tmp_path / "m.gguf", "float16")
    network.config.rope_parameters = {
        "rope_type": "yarn", "factor": 4.0, "rope_theta": 10_000.0, "original_max_position_embeddings": 1024,
    }  # fmt: skip
    network.config.save_pretrained(folder)
    shutil.copy(Path(__file__).parents[1] / "support" / "tiny" / "tokenizer.json", folder)
    with pytest.raises(ModelError, match="positions scaled by yarn"):
        merge(str(folder), tmp_path / "m.gguf", "float16")
    assert not list(tmp_path.glob("*.gguf*")) and not list(tmp_path.glob(".*"))


def test_a_merge_that_changes_what_is_said_writes_nothing(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MOST", 0.0)
    with pytest.raises(ModelError, match="more than rounding explains: nothing was written"):
        merge(str(adapter), tmp_path / "merged", "float32")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter"]


def test_the_command_names_the_next_one_and_its_mistakes(
    datagen: Callable[..., Any], adapter: Path, tiny_dir: Path, tmp_path: Path
) -> None:
    done = datagen("merge", "adapter", "-o", "merged")
    assert done.returncode == 0, done.stderr
    assert "largest difference of a logit over 4 texts: " in done.stdout and "next: datagen chat merged" in done.stdout
    again = datagen("merge", "adapter", "-o", "merged")
    assert (again.returncode, again.stderr) == (2, "datagen: merged is there already: give another -o\n")
    plain = datagen("merge", tiny_dir, "-o", "other")
    assert plain.returncode == 2 and "there is nothing to merge; with -o FILE.gguf it is written as GGUF" in plain.stderr
    with pytest.raises(UsageError):
        merge("gone", tmp_path / "x", "float32")
