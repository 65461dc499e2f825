"""LoRA on a loaded model, through peft: put on, checked, saved, and taken off again without a trace."""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.errors import ModelError, first_line
from datagen.json_text import dumps
from datagen.models.weights import quiet
from datagen.render.labels import IGNORED
from datagen.training.batches import Sample

if TYPE_CHECKING:
    from torch import nn

_README = """# A LoRA adapter made by datagen

Load it with peft:

    from peft import AutoPeftModelForCausalLM
    model = AutoPeftModelForCausalLM.from_pretrained("{name}")

Its base model is `{base}`; `base.json` names the weights by their identity (for a local model the sha256).
"""


@contextlib.contextmanager
def lora(model: Any, r: int, alpha: int, seed: int) -> Iterator[Any]:
    """Give a peft model with fresh LoRA on every linear layer but the head; afterwards the base is as it was, bit for bit.

    Args:
        model: a causal language model; its layers are wrapped in place.
        r: rank.
        alpha: the update is scaled by alpha / r.
        seed: of the first matrices; the second ones start at 0, so the model starts unchanged.

    LoRA weights are float32 whatever the base is; dropout is 0.

    Raises:
        ModelError: the model has no linear layer that LoRA can be put on.
    """
    from peft import LoraConfig, get_peft_model

    wanted_grad = {name: p.requires_grad for name, p in model.named_parameters()}
    training = model.training
    config = LoraConfig(
        r=r, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", bias="none", task_type="CAUSAL_LM"
    )
    with seeded(seed, str(next(model.parameters()).device)), quiet():
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            raise ModelError(f"LoRA cannot be put on this model: {first_line(error)}") from error
    try:
        yield adapted
    finally:
        with quiet():
            adapted.unload()
        if hasattr(model, "peft_config"):  # peft leaves its config behind, and warns of a second adapter next time
            del model.peft_config
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(wanted_grad[name])
            parameter.grad = None
        model.train(training)


@contextlib.contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's generators of the processor and of the device, and give them back as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(seed % 2**63)
        yield


def check_moved(adapted: nn.Module) -> None:
    """Check after the first step that every second LoRA matrix has left 0.

    Raises:
        ModelError: a layer got no gradient (frozen by gradient checkpointing, or never used); it is named.
    """
    still = [name for name, p in adapted.named_parameters() if "lora_B" in name and not p.any()]
    if still:
        raise ModelError(f"{len(still)} LoRA layers got no gradient in the first step, the first of them {still[0]}")


def trained_ends(samples: Sequence[Sample], tokenizer: Any) -> list[int]:
    """Return the special tokens that most texts were taught to end with; a server must stop at them."""
    last = Counter(next(label for label in reversed(s.labels) if label != IGNORED) for s in samples)
    return sorted(token for token, n in last.items() if token in tokenizer.added_tokens_decoder and 2 * n > len(samples))


def generation(model: Any, ends: Sequence[int]) -> Any:
    """Return how a model generates, with more tokens to end at."""
    found = copy.deepcopy(model.generation_config)
    known = found.eos_token_id
    known = known if isinstance(known, list) else [] if known is None else [known]
    if more := [token for token in ends if token not in known]:
        found.eos_token_id = [*known, *more]
    return found


def save_adapter(
    adapted: Any, tokenizer: Any, folder: Path, base: str, base_id: str, name: str, ends: Sequence[int] = ()
) -> None:
    """Write an adapter in peft's format with its tokenizer, a README and `base.json` into a folder.

    Args:
        adapted: a peft model.
        tokenizer: of its base.
        folder: exists, and is empty.
        base: what transformers loads for the base on this machine.
        base_id: identity of its weights.
        name: how the README calls the folder.
        ends: tokens that it was taught to end with.
    """
    config = adapted.peft_config["default"]
    config.base_model_name_or_path = base
    config.target_modules = sorted(config.target_modules)  # a set: its order would change from process to process
    with quiet():
        # save_embedding_layers="auto" would ask the Hub for the base's config
        adapted.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
        tokenizer.save_pretrained(folder)
        generation(adapted.get_base_model(), ends).save_pretrained(folder)
    (folder / "README.md").write_text(_README.format(name=name, base=base), encoding="utf-8")  # over peft's empty form
    write_base(folder, base, base_id)


def save_full(model: Any, tokenizer: Any, folder: Path, base: str, base_id: str, ends: Sequence[int] = ()) -> None:
    """Write a whole model (safetensors) with its tokenizer and `base.json` into a folder."""
    with quiet():
        model.save_pretrained(folder)
        generation(model, ends).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    write_base(folder, base, base_id)


def write_base(folder: Path, base: str, base_id: str) -> None:
    """Write `base.json`: which weights this was trained from."""
    facts = {"base": base, "base_id": base_id}
    (folder / "base.json").write_text(dumps(facts, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
