"""One model of an adapter and its base, or a GGUF file of it, checked against what the adapter says beside its base."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.errors import ModelError, UsageError, writing
from datagen.models.adapter import attached, base_of, loaded, merged
from datagen.models.origin import public_name
from datagen.models.weights import quiet

PROBES = (
    "What is the capital of France, and why do people visit it?",
    "请用一句话解释什么是机器学习。",
    "ช่วยบอกวิธีหุงข้าวให้หน่อย",
    "def add(a, b):\n    return a + b\n",
)
MOST = 1e-2  # of a logit in float32: more is no rounding
_CARD = """---
base_model: {base}
library_name: transformers
tags: [datagen]
---

# {name}

The weights of `{base}` with an adapter added to them (`datagen merge`), in {dtype}.

    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained("{name}")
    tokenizer = AutoTokenizer.from_pretrained("{name}")

Largest difference of a logit to the adapter beside its base, over {texts} texts: {merged:.2g} in float32{rounded}.
"""


@dataclass(frozen=True)
class Merged:
    """What came of a merge.

    Attributes:
        path: the folder or the GGUF file.
        base: public name of the base; "" where the model was no adapter.
        difference: largest one of a logit, merged against beside, in float32.
        rounded: the same after the weights were rounded to the type that is written; of a GGUF file see `serving.gguf_check`.
        texts: token ids of what was compared.
        network: the model as it is written; of a GGUF file before its rounding.
    """

    path: Path
    base: str
    difference: float
    rounded: float
    texts: list[list[int]]
    network: Any


def merge(model: str, out: Path, dtype: str, name: str = "") -> Merged:
    """Write the weights of an adapter's base with the adapter added, as a folder, or as a GGUF file where `out` ends so.

    Args:
        model: a folder with an adapter; for a GGUF file any model that can be loaded.
        out: the folder or file, which must be new.
        dtype: float32, bfloat16 or float16.
        name: what the file calls the model; "" = that of `out`.

    Raises:
        ModelError: the merge changed what the model says, or the model has no shape that GGUF is written of here.
        UsageError: `out` is there already, or there is nothing to merge.
    """
    gguf = out.suffix.lower() == ".gguf"
    if out.exists():
        raise UsageError(f"{out} is there already: give another -o")
    base = base_of(model)
    if not base and not gguf:
        raise UsageError(f"'{model}' is no adapter: there is nothing to merge; with -o FILE.gguf it is written as GGUF")
    with writing(out):  # before anything takes long
        out.parent.mkdir(parents=True, exist_ok=True)
    network, tokenizer = attached(model, "cpu") if base else loaded(model, "cpu", "float32")
    texts = [tokenizer(text, verbose=False)["input_ids"] for text in PROBES]
    before, difference = _logits(network, texts), 0.0
    if base:
        network = merged(network, model).eval()
        difference = _largest(before, _logits(network, texts))
    if not difference <= MOST:  # also where it is no number
        raise ModelError(f"merged, the logits differ by {difference:.2g}, more than rounding explains: nothing was written")
    name = name or (out.stem if gguf else out.name)
    if gguf:
        from datagen.models.gguf_writing import write_gguf

        write_gguf(network, tokenizer, out, dtype, name)
        return Merged(out, public_name(base) if base else "", difference, difference, texts, network)
    rounded = difference if dtype == "float32" else _largest(before, _logits(_rounded(network, dtype), texts))
    network = network.to(_type(dtype))
    told = {"base": public_name(base), "name": name, "dtype": dtype, "texts": len(texts)}
    more = "" if dtype == "float32" else f", {rounded:.2g} in {dtype}"
    _write(network, tokenizer, out, _CARD.format(**told, merged=difference, rounded=more))
    return Merged(out, public_name(base), difference, rounded, texts, network)


def _type(name: str) -> Any:
    import torch

    return getattr(torch, name)


def _rounded(network: Any, dtype: str) -> Any:
    """The model with its weights rounded to another type, computed in float32."""
    return network.to(_type(dtype)).float()


def _logits(network: Any, texts: Sequence[list[int]]) -> list[Any]:
    import torch

    with torch.inference_mode():
        return [network(torch.tensor([ids]), use_cache=False).logits[0].float() for ids in texts]


def _largest(before: Sequence[Any], after: Sequence[Any]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))


def _write(network: Any, tokenizer: Any, out: Path, card: str) -> None:
    """Write a model's folder, whole or not at all."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with quiet(), writing(out):
            network.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
            (fresh / "README.md").write_text(card, encoding="utf-8")
            fresh.chmod(0o755)
            fresh.replace(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
