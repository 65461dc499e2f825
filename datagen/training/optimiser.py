"""AdamW over the trained parameters, and what is set on a model for training alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from datagen.errors import UsageError
from datagen.models.bottleneck import blocks
from datagen.models.weights import base_model
from datagen.training.attention import again
from datagen.training.options import TrainOptions

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

# Shares of dropout that attention of transformers has as plain numbers.
_SHARES = ("attention_dropout", "dropout_rate", "dropout", "activation_dropout")


def adamw(network: Any, trained: Mapping[str, Tensor], options: TrainOptions, *, fused: bool = True) -> Optimizer:
    """Return AdamW over the trained parameters; norms, biases and embeddings never decay. Cut and whole ones want no fusing."""
    embedded = {id(p) for m in network.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    still = [p for p in trained.values() if p.ndim < 2 or id(p) in embedded]
    decaying = [p for p in trained.values() if p.ndim >= 2 and id(p) not in embedded]
    groups = [{"params": decaying, "weight_decay": options.weight_decay}, {"params": still, "weight_decay": 0.0}]
    betas = (options.beta1, options.beta2)
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=options.peak_lr, betas=betas, eps=options.epsilon, fused=fused, foreach=False
    )


@contextlib.contextmanager
def set_for_training(model: Any, options: TrainOptions) -> Iterator[None]:
    """Set dropout and activation checkpointing on a model; afterwards both are as they were.

    Raises:
        UsageError: dropout is wanted of a model that has none.
    """
    with _dropout(model, options.dropout), _checkpointing(model, on=options.checkpointing):
        if options.compile:
            _compile(model)
        yield


def _compile(model: Any) -> None:
    """Compile the blocks of a model in place, each once for all lengths."""
    if next(model.parameters()).device.type == "cpu":
        raise UsageError(
            "train: --compile is for a GPU: on a processor a model of 30 blocks warms up for minutes; leave it out"
        )
    for block in blocks(model):
        block.compile(dynamic=True)


@contextlib.contextmanager
def _dropout(model: Any, share: float | None) -> Iterator[None]:
    if share is None:
        yield
        return
    before: list[tuple[Any, str, float]] = []
    for module in model.modules():
        names = ("p",) if isinstance(module, torch.nn.Dropout) else _SHARES
        before += [(module, n, v) for n in names if isinstance(v := getattr(module, n, None), float)]
    if not before:
        raise UsageError("train: this model has no dropout of its own; leave out --dropout, or give --lora-dropout")
    try:
        for module, name, _ in before:
            setattr(module, name, share)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@contextlib.contextmanager
def _checkpointing(model: Any, *, on: bool) -> Iterator[None]:
    """Compute the activations of each block again in the backward pass."""
    if not on:
        yield
        return
    whole = base_model(model)
    # Reentrant checkpointing gives an adapter on frozen weights no gradient at all (peft #1142).
    how = {"use_reentrant": False, "context_fn": partial(again, whole)}
    name = "activation" if hasattr(whole, "activation_checkpointing_enable") else "gradient"  # its name before
    getattr(whole, f"{name}_checkpointing_enable")(how)
    try:
        yield
    finally:
        getattr(whole, f"{name}_checkpointing_disable")()
