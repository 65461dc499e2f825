"""A folder with a LoRA adapter as a model: what it is, and its weights added to those of its base, loaded or to be served."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from datagen.errors import ModelError, writing
from datagen.models import cache
from datagen.models.causal_lm import find_model, load, resolve
from datagen.models.gguf_file import read_gguf
from datagen.models.options import is_gguf
from datagen.models.weights import (
    Q8_SHA256,
    SMOLLM2,
    SMOLLM2_SHA256,
    quiet,
    sha256_of,
    smollm2_copy,
    smollm2_gguf,
    smollm2_source,
)  # fmt: skip

KEPT = 4  # merged models in the cache; the oldest goes


def base_of(model: str) -> str:
    """The base model of an adapter's folder; "" where it is none.

    Raises:
        ModelError: its config cannot be read, or names no base.
    """
    path = Path(model).expanduser() / "adapter_config.json"
    if not path.is_file():
        return ""
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
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"no adapter in '{model}': it has no *.safetensors")
    return sha256_of([folder / "adapter_config.json", *weights]) + resolve(base)[1]


def loaded(model: str, device: str, dtype: str) -> tuple[Any, Any]:
    """Load a model and its tokenizer; an adapter is added to the weights of its base in float32, before they are rounded."""
    if not (base := base_of(model)):
        return load(model, device, dtype)
    import torch
    from peft import PeftModel

    network, tokenizer = load(base, device, "float32")
    with quiet():
        merged: Any = PeftModel.from_pretrained(network, str(Path(model).expanduser())).merge_and_unload()
    return merged.to(getattr(torch, dtype)).eval(), tokenizer


def servable(model: str, *, offline: bool = False) -> tuple[str, str]:
    """Return the folder or the GGUF file that a server can read, and its identity; an adapter is merged into the cache once.

    The embedded model is a GGUF file where llama.cpp serves it, which is found out unless nothing is to be served (`offline`).

    Raises:
        ModelError: it cannot be had.
    """
    if is_gguf(model):
        return str(Path(model).expanduser().resolve()), read_gguf(model).sha256
    if model == SMOLLM2:
        from datagen.models.embedded import way

        if offline and (copy := smollm2_copy()):  # the template and the tokens of both are the same
            return str(copy), Q8_SHA256 if is_gguf(str(copy)) else SMOLLM2_SHA256
        if offline or way().server == "llama.cpp":
            return str(smollm2_gguf()), Q8_SHA256
    if not base_of(model):
        return resolve(model)
    from filelock import FileLock

    found = identity(model)
    digest = hashlib.blake2b(found.encode(), digest_size=8).hexdigest()
    place = cache.folder() / "merged"
    place.mkdir(parents=True, exist_ok=True)
    target = place / digest
    with FileLock(place / ".lock"):
        if not target.is_dir():
            fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
            try:
                network, tokenizer = loaded(model, "cpu", "float32")
                with quiet(), writing(place):
                    network.save_pretrained(fresh)
                    tokenizer.save_pretrained(fresh)
                fresh.replace(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        target.touch()
        merged = (p for p in place.iterdir() if re.fullmatch(r"[0-9a-f]{16}|\.new-\w+", p.name) and p.is_dir())
        for old in sorted(merged, key=lambda p: -p.stat().st_mtime)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return str(target), digest
