"""A causal language model and its tokenizer: by the name `smollm2`, from a local directory, or from the Hub."""

from __future__ import annotations

import socket
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from datagen.errors import ModelError, did_you_mean, first_line, nearest
from datagen.models.names import is_gguf
from datagen.models.weights import SMOLLM2, SMOLLM2_SHA256, quiet, sha256_of, smollm2_dir

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Reader(Protocol):
    """Reads a model's parts from this machine alone, or also over the network."""

    def __call__(self, *, local: bool) -> tuple[Any, Any]:
        """Return them; raises ModelError where they cannot be read."""


DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "bfloat16", "float16", "float32")


def resolve(model: str) -> tuple[str, str]:
    """Return what transformers loads for a model name, and the identity of its weights.

    `smollm2` → its converted directory and the sha256 of its GGUF; a directory with a config.json → its absolute path and
    the sha256 of its config and safetensors; anything else is a Hub id and stands for itself, twice.

    Raises:
        ModelError: as `located`.
    """
    path = located(model)
    if model == SMOLLM2:
        return path, SMOLLM2_SHA256
    folder = Path(path)
    return path, sha256_of([folder / "config.json", *sorted(folder.glob("*.safetensors"))]) if folder.is_dir() else model


def located(model: str) -> str:
    """Return what transformers loads for a model name; its weights are not read.

    Raises:
        ModelError: a directory that is not there or holds no model, a GGUF file, or `smollm2` that cannot be had.
    """
    refuse_gguf(model)
    if model == SMOLLM2:
        return str(smollm2_dir())
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if model.startswith((".", "/", "~")) or model.count("/") > 1 or not model.strip("/ "):
            raise ModelError(f"no such model: '{model}' is not a directory")
        return model
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        hint = "; this is an adapter: name its base model" if (folder / "adapter_config.json").is_file() else ""
        raise ModelError(f"no model in '{model}': it needs config.json and *.safetensors{hint}")
    return str(folder.resolve())


def refuse_gguf(model: str) -> None:
    """Raise ModelError where a model whose weights are to be loaded is a GGUF file."""
    if is_gguf(model):
        raise ModelError(
            f"{model}: a GGUF file can be asked, but neither trained nor scored by its losses; give the folder of the model in"
            " safetensors, or smollm2"
        )


def find_model(model: str) -> None:
    """Make sure that a model can be had, without loading it: here, in the Hub's local cache, or on the Hub.

    Raises:
        ModelError: it cannot, with what to name instead.
    """
    path = located(model)
    if Path(path).is_dir():
        return
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    hint = nearest(model, [SMOLLM2]) if "/" not in model else ""
    try:
        if isinstance(try_to_load_from_cache(model, "config.json"), str):
            return
        if not _hub_reachable():
            tip = hint or "; smollm2 needs no network"
            raise ModelError(f"no such model: '{model}' is not a directory and the Hub cannot be reached{tip}")
        with quiet():
            hf_hub_download(model, "config.json")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"no such model: '{model}' is not a directory, nor on the Hub: {first_line(error)}{hint}") from error


def load(
    model: str, device: str = "auto", dtype: str = "auto", quantize: str = "off"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a causal language model on its device, in evaluation mode, and its tokenizer.

    Args:
        model: `smollm2`, a local directory, or a Hub id.
        device: `auto` (cuda, else mps, else cpu), `cpu`, `mps`, `cuda` or `cuda:N`.
        dtype: of the weights; `auto` is bfloat16 on cuda and float32 elsewhere.
        quantize: `4bit`, `8bit` or `off`, by bitsandbytes.

    No remote code runs, and only safetensors are read.

    Raises:
        ModelError: no such model, a Hub that cannot be reached, a device or dtype that is not there, no eos token, or nothing
            that could quantise it.
    """
    import torch

    place = pick_device(device)
    if dtype not in DTYPES:
        raise ModelError(f"no dtype '{dtype}'{did_you_mean(dtype, DTYPES)}")
    name = ("bfloat16" if place.startswith("cuda") else "float32") if dtype == "auto" else dtype
    path = located(model)
    with quiet():
        more = _quantised(quantize, place, getattr(torch, name))
        network, tokenizer = _found(path, partial(_from_pretrained, path, getattr(torch, name), more))
        if not more:
            network.to(place)
    if tokenizer.eos_token_id is None:
        raise ModelError(f"model '{model}': its tokenizer has no eos token, so no answer could ever end")
    return network.eval(), tokenizer


def _quantised(how: str, place: str, dtype: Any) -> dict[str, Any]:
    """Return what transformers needs to quantise weights while it reads them; raises ModelError where it cannot."""
    if how == "off":
        return {}
    from importlib.util import find_spec

    if not place.startswith("cuda"):
        raise ModelError(f"weights of {how} need a GPU, and this runs on {place}; leave out --quantize")
    if find_spec("bitsandbytes") is None:
        raise ModelError(f"weights of {how} need bitsandbytes: pip install bitsandbytes, or leave out --quantize")
    from transformers import BitsAndBytesConfig

    four = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    config = BitsAndBytesConfig(**(four if how == "4bit" else {"load_in_8bit": True}))
    return {"quantization_config": config, "device_map": {"": place}}


def load_tokenizer(model: str) -> tuple[PreTrainedTokenizerBase, int | None]:
    """Return the tokenizer of a model, and how many tokens the model reads where it says so; its weights are not read.

    Raises:
        ModelError: as `load`.
    """
    from transformers import AutoConfig, AutoTokenizer

    path = located(model)

    def read(*, local: bool) -> tuple[Any, Any]:
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
        try:
            return AutoTokenizer.from_pretrained(path, **options), AutoConfig.from_pretrained(path, **options)
        except Exception as error:  # as in `_from_pretrained`
            raise ModelError(f"model '{path}' cannot be loaded: {first_line(error)}") from error

    with quiet():
        tokenizer, config = _found(path, read)
    return tokenizer, getattr(config, "max_position_embeddings", None)


def pick_device(device: str) -> str:
    """Return the torch device for a name: `auto` is cuda, else mps, else cpu.

    Raises:
        ModelError: the device is unknown or not on this machine.
    """
    import torch

    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    kind, _, index = device.partition(":")
    if kind not in there or (index and not (kind == "cuda" and index.isdigit())):
        raise ModelError(f"no device '{device}'{did_you_mean(device, DEVICES)}")
    here = ", ".join(name for name, found in there.items() if found)
    if not there[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise ModelError(f"device '{device}' is not on this machine; it has: {here}")
    return device


def computes_in_bfloat16(dtype: str, device: str) -> bool:
    """Say whether arithmetic should be bfloat16: `bfloat16` or `auto`, on a device that has instructions for it.

    Measured on 2 cores with AVX512-BF16, LoRA on smollm2: twice the tokens per second of float32, and a gradient that
    differs by 1.6 % of its norm. Elsewhere bfloat16 is emulated, and slower than float32.
    """
    import torch

    if dtype not in ("auto", "bfloat16"):
        return False
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    if device == "cpu":
        return any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("avx512_bf16", "amx_tile"))
    return dtype == "bfloat16"


def _from_pretrained(path: str, dtype: Any, more: dict[str, Any], *, local: bool) -> tuple[Any, Any]:
    """Read model and tokenizer, whatever transformers thinks of the reason why it cannot."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(path, **options)
        network: Any = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, use_safetensors=True, **more, **options)
    except Exception as error:  # a broken file raises whatever its reader raises; the remedy is the same
        raise ModelError(f"model '{path}' cannot be loaded: {first_line(error)}") from error
    return network, tokenizer


def _found(name: str, read: Reader) -> tuple[Any, Any]:
    """Read a folder, or a Hub model from the local cache where it is there, else over the network."""
    try:
        return read(local=True)
    except ModelError:
        if Path(name).is_dir():
            raise
        hint = nearest(name, [SMOLLM2]) if "/" not in name else ""
        if not _hub_reachable():  # the Hub's own client would retry for most of a minute before it says so
            tip = hint or "; smollm2 needs no network"
            raise ModelError(f"no such model: '{name}' is not a directory and the Hub cannot be reached{tip}") from None
        try:
            return read(local=False)
        except ModelError as error:
            raise ModelError(f"{error}{hint}") from error.__cause__


def _hub_reachable() -> bool:
    """Say whether the Hub's address resolves; behind a proxy only the proxy can tell, so yes."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True
