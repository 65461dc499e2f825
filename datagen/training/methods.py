"""Which weights a run changes: all of them, or those of an adapter that is put on and taken off again without a trace."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.errors import ModelError, UsageError, first_line
from datagen.models import bottleneck
from datagen.models.weights import quiet
from datagen.training.options import TrainOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from datagen.training.start import Base

# Names of the layers that IA3 scales: keys and values, and what leaves a feed-forward network (arXiv 2205.05638).
_KEYS_VALUES = ("k_proj", "v_proj", "query_key_value", "qkv_proj", "c_attn")
_FEED_FORWARD = ("down_proj", "dense_4h_to_h", "fc2", "fc_out", "w2")
# An expert is chosen by a layer of these names: an adapter there would move rows between experts.
_ROUTER = re.compile(r"(?:.*\.)?(?:gate|router|shared_expert_gate)(?:\..*)?$")
# What each method begins as, so that a part that got no gradient is found: 0 in these.
_BEGINS_AT_0 = {"lora": "lora_B", "dora": "lora_B", "adapter": ".up.weight"}


@contextlib.contextmanager
def trainable(base: Base, options: TrainOptions) -> Iterator[Any]:
    """Give the network to train; a model that the caller shares is as it was afterwards, bit for bit.

    Args:
        base: a causal language model; an adapter wraps its layers in place, and full training trains a copy of a shared one.
        options: the method, and what it takes.

    Weights of adapters are float32 whatever the base is, and the model starts unchanged, but for prompts and prefixes.

    Raises:
        ModelError: the model has no layer that the adapter can be put on.
    """
    if options.method == "full":
        own = base.model if base.own else copy.deepcopy(base.model)
        yield own.requires_grad_(requires_grad=True)
        return
    model = base.model
    wanted_grad = {name: p.requires_grad for name, p in model.named_parameters()}
    training = model.training
    with seeded(options.seed, str(next(model.parameters()).device)), quiet():
        try:
            adapted = _on(base, options)
        except (ValueError, RuntimeError, TypeError, AttributeError, KeyError) as error:
            raise ModelError(f"{options.method} cannot be put on this model: {first_line(error)}") from error
    try:
        yield adapted
    finally:
        _off(model, adapted, options.method)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(wanted_grad[name])
            parameter.grad = None
        model.train(training)


def _on(base: Base, options: TrainOptions) -> Any:
    """Put an adapter on a model: a new one, or that of a folder."""
    model, begun = base.model, base.begun
    if options.method == "adapter":
        if begun:
            bottleneck.load(model, begun)
        else:
            bottleneck.attach(model, options.bottleneck)
        return model
    from peft import PeftConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict

    config = PeftConfig.from_pretrained(str(begun)) if begun else _config(base, options)
    config.inference_mode = False
    adapted: Any = get_peft_model(model, config)
    if options.method == "prefix" and not begun:
        _begin_as_text(adapted, base, options.virtual_tokens)
    if begun:  # `PeftModel.from_pretrained` refuses to train prompts further
        found = set_peft_model_state_dict(adapted, load_peft_weights(str(begun), device="cpu"))
        if odd := [key for key in found.unexpected_keys if key != "prompt_embeddings"]:  # which goes another way
            raise ValueError(f"{begun} has weights of another model: {odd[0]}")
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def _config(base: Base, options: TrainOptions) -> Any:
    """Return the configuration of a new adapter of peft."""
    import peft

    model = base.model

    task: Any = {"task_type": "CAUSAL_LM"}
    if options.method in ("lora", "dora"):
        routers = sorted(n for n, m in model.named_modules() if _ROUTER.match(n) and _is_linear(m))
        return peft.LoraConfig(
            r=options.lora_r, lora_alpha=options.lora_alpha, lora_dropout=options.lora_dropout, target_modules="all-linear",
            exclude_modules=routers or None, bias="none", use_dora=options.method == "dora",
            trainable_token_indices=None if base.new_token is None else [base.new_token],
            ensure_weight_tying=base.new_token is not None and bool(model.config.tie_word_embeddings), **task,
        )  # fmt: skip
    if options.method == "ia3":
        last = {name.rpartition(".")[2] for name, m in model.named_modules() if _is_linear(m)}
        scaled, fed = ([n for n in names if n in last] for names in (_KEYS_VALUES, _FEED_FORWARD))
        if not scaled or not fed:
            raise ValueError(f"the names of its keys, values or feed-forward are not known: {', '.join(sorted(last))}")
        return peft.IA3Config(target_modules=[*scaled, *fed], feedforward_modules=fed, **task)
    if options.method == "prefix":
        return peft.PrefixTuningConfig(num_virtual_tokens=options.virtual_tokens, **task)
    return peft.PromptTuningConfig(num_virtual_tokens=options.virtual_tokens, prompt_tuning_init="SAMPLE_VOCAB", **task)


# What a prefix begins as: noise would undo the model, whose loss was that of a guess among all tokens.
_NEUTRAL = "Below is a task, and an answer that does what it asks for.\n"


def _begin_as_text(adapted: Any, base: Base, count: int) -> None:
    """Give a new prefix the keys and values that the model has for so many tokens of a neutral text."""
    import torch

    ids = base.tokenizer(_NEUTRAL, add_special_tokens=False)["input_ids"]
    device = next(base.model.parameters()).device
    read = torch.tensor([(ids * (count // len(ids) + 1))[:count]], device=device)
    with torch.no_grad():
        layers = base.model(input_ids=read, use_cache=True).past_key_values.layers
        both = torch.stack([part[0] for layer in layers for part in (layer.keys, layer.values)])  # 2 x layers, heads, n, width
        weight = adapted.prompt_encoder[adapted.active_adapter].embedding.weight
        weight.copy_(both.permute(2, 0, 1, 3).reshape(weight.shape))


def _is_linear(module: nn.Module) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, Conv1D))


def _off(model: Any, adapted: Any, method: str) -> None:
    """Take an adapter off."""
    if method == "adapter":
        bottleneck.detach(model)
        return
    if method not in ("prefix", "prompt"):  # these wrap no layer
        with quiet():
            adapted.unload()
    if hasattr(model, "peft_config"):  # peft leaves its config behind, and warns of a second adapter next time
        del model.peft_config


@contextlib.contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's generators of the processor and of the device, and give them back as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(seed % 2**63)
        yield


def check_moved(trained: Mapping[str, Tensor], method: str) -> None:
    """Check after the first step that what began at 0 is there no more; of some layers that never do, say so.

    Raises:
        ModelError: no layer got a gradient (frozen by gradient checkpointing, or never used); the first is named.
    """
    part = _BEGINS_AT_0.get(method)
    begun = [name for name in trained if part and part in name]
    still = [name for name in begun if not trained[name].any()]
    told = f"{len(still)} {method} layers got no gradient in the first step, the first of them {still[0]}" if still else ""
    if still and len(still) == len(begun):
        raise ModelError(told)
    if still:  # weights that a model reads without calling their layer
        logging.getLogger(__name__).warning("%s: this model does not use them as layers, and they stay as they are", told)


def check_same_method(folder: Path, options: TrainOptions) -> None:
    """Check that the adapter in a folder can be trained further with these options.

    Raises:
        UsageError: it is of another method, or of other sizes than those that were given.
    """
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    kinds = {"LORA": "dora" if config.get("use_dora") else "lora", "IA3": "ia3", "PREFIX_TUNING": "prefix"}
    kind = {**kinds, "PROMPT_TUNING": "prompt", "BOTTLENECK": "adapter"}.get(config.get("peft_type"), config.get("peft_type"))
    if kind != options.method:
        raise UsageError(f"train: {folder} is of method {kind}: --method {kind} trains it further, not {options.method}")
    fresh = TrainOptions()
    names = {"lora_r": "r", "lora_alpha": "lora_alpha", "virtual_tokens": "num_virtual_tokens", "bottleneck": "bottleneck"}
    for name, held in names.items():
        value = getattr(options, name)
        if value != getattr(fresh, name) and value != config.get(held):
            raise UsageError(f"train: {folder} has {name} {config.get(held)}, not {value}; leave it out")
