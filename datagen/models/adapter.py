"""A folder with a LoRA adapter as a model: what it is, and its weights added to those of its base, loaded or to be served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datagen.errors import ModelError
from datagen.models.causal_lm import find_model, load, resolve
from datagen.models.gguf_file import read_gguf
from datagen.models.names import is_gguf
from datagen.models.origin import check_state, checked_identity, found, read_origin
from datagen.models.weights import (
    SMOLLM2,
    SMOLLM2_SHA256,
    quiet,
    sha256_of,
    smollm2_copy,
    smollm2_source,
)  # fmt: skip

# Adapters that are no change of weights.
_NOT_MERGED = {
    "PREFIX_TUNING": "a prefix", "PROMPT_TUNING": "a prompt", "BOTTLENECK": "bottleneck adapters",
}  # fmt: skip


def base_of(model: str) -> str:
    """Return what datagen loads for the base model of an adapter's folder; "" where it is none.

    Raises:
        ModelError: its config cannot be read, or names no base; or the folder of the base is not there.
    """
    path = Path(model).expanduser() / "adapter_config.json"
    if not path.is_file():
        return ""
    if origin := read_origin(path.parent):
        return found(origin, path.parent)
    try:
        return str(json.loads(path.read_text("utf-8"))["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError) as e:
        raise ModelError(f"{path} cannot be read ({type(e).__name__}); train the adapter again") from None


def identity(model: str) -> str:
    """Return what a model is, by its weights: also of a GGUF file, and of a folder with a LoRA adapter, together with its base.

    Raises:
        ModelError: it cannot be had.
    """
    if is_gguf(model):
        return read_gguf(model).sha256
    if model == SMOLLM2:  # what asks it needs no converted copy, nor the source where there is one
        if smollm2_copy() is None:
            smollm2_source()
        return SMOLLM2_SHA256
    if not (base := base_of(model)):
        find_model(model)
        return resolve(model)[1]
    find_model(base)
    folder = Path(model).expanduser()
    base_id = checked_identity(folder, base)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"no adapter in '{model}': it has no *.safetensors")
    return sha256_of([folder / "adapter_config.json", *weights]) + base_id


def loaded(model: str, device: str, dtype: str) -> tuple[Any, Any]:
    """Load a model and its tokenizer; an adapter is added to the weights of its base in float32, before they are rounded."""
    if not base_of(model):
        return load(model, device, dtype)
    import torch

    adapted, tokenizer = attached(model, device)
    return merged(adapted, model).to(getattr(torch, dtype)).eval(), tokenizer


def merged(adapted: Any, model: str) -> Any:
    """Return an adapted model with the adapter added to its weights; it ends at the tokens that it was taught to end with."""
    from transformers import GenerationConfig

    with quiet():
        whole: Any = adapted.merge_and_unload()
    if (Path(model).expanduser() / "generation_config.json").is_file():
        whole.generation_config = GenerationConfig.from_pretrained(str(Path(model).expanduser()))
    return whole


def attached(model: str, device: str) -> tuple[Any, Any]:
    """Load the base of an adapter's folder in float32 with the adapter beside its weights (peft), and the tokenizer.

    Raises:
        ModelError: the adapter is none that can be added to weights, or its base is another one than it was trained on.
    """
    from peft import PeftModel

    base = base_of(model)
    kind = json.loads((Path(model).expanduser() / "adapter_config.json").read_text("utf-8")).get("peft_type")
    if kind in _NOT_MERGED:
        raise ModelError(
            f"{model}: {_NOT_MERGED[kind]} cannot be added to the weights of its base; ask it through the README in its folder"
        )
    checked_identity(Path(model).expanduser(), base)
    network, tokenizer = load(base, device, "float32")
    check_state(Path(model).expanduser(), network)
    if (own := own_tokenizer(Path(model).expanduser())) is not None:
        tokenizer, network = own, grown(network, len(own))
    with quiet():
        adapted: Any = PeftModel.from_pretrained(network, str(Path(model).expanduser()))
    return adapted.eval(), tokenizer


def own_tokenizer(folder: Path) -> Any:
    """Return the tokenizer that lies beside an adapter, with the chat template that it was trained with; None without one."""
    if not (folder / "tokenizer_config.json").is_file():
        return None
    from transformers import AutoTokenizer

    with quiet():
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def grown(network: Any, tokens: int) -> Any:
    """Return a model with rows for so many tokens in its embeddings; new ones are the mean of those that are there."""
    import torch

    before = network.get_input_embeddings().weight.shape[0]
    if tokens <= before:
        return network
    with quiet(), torch.no_grad():
        network.resize_token_embeddings(tokens, mean_resizing=False)
        for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
            if layer is not None and layer.weight.shape[0] == tokens:
                layer.weight[before:] = layer.weight[:before].mean(0)
                if getattr(layer, "bias", None) is not None:
                    layer.bias[before:] = layer.bias[:before].mean(0)
    return network
