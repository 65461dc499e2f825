"""Attention inside a token tree, for models of transformers: each node attends to its ancestors and to itself.

Registered as an attention of transformers, so that no model is changed; a model whose attention does more than that (windows,
caps, biases, sinks) says so in its arguments and is refused, and one that keeps silent is found by its gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from datagen.training.tree import Node

if TYPE_CHECKING:
    from torch import Tensor

NAME = "datagen_tree"
# Arguments of an attention that change what is attended to, or how: none of these is done here.
REFUSED = ("softcap", "s_aux", "position_bias", "alibi", "cache")
_NODES: ContextVar[Sequence[tuple[Node, Tensor | None]]] = ContextVar("nodes", default=())


class UnsupportedError(Exception):
    """A model's attention is not one that trees can take the place of."""


@contextlib.contextmanager
def among(model: Any, nodes: Sequence[Node], device: str) -> Iterator[None]:
    """Let a model attend inside the nodes of a flat sequence; afterwards it attends as before.

    Args:
        model: of transformers.
        nodes: of the sequence, one behind the other.
        device: where its masks are made.

    Raises:
        UnsupportedError: its attention cannot be exchanged.
    """
    if not model._can_set_attn_implementation():
        raise UnsupportedError("its attention cannot be exchanged")
    with _among(model, [(node, _mask(node, device)) for node in nodes]):
        yield


def again(model: Any) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    """Return contexts for a part of a pass, and for its computation once more in the backward pass: inside the same nodes."""
    nodes = _NODES.get()
    return contextlib.nullcontext(), _among(model, nodes) if nodes else contextlib.nullcontext()


@contextlib.contextmanager
def _among(model: Any, nodes: Sequence[tuple[Node, Tensor | None]]) -> Iterator[None]:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, _attention)
    before = model.config._attn_implementation
    token = _NODES.set(nodes)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        _NODES.reset(token)


def _mask(node: Node, device: str) -> Tensor | None:
    """bool[tokens, ancestors + tokens]: which a node's tokens see; None for a root, which is causal."""
    import torch

    if not node.before:
        return None
    size, width = node.end - node.start, node.width
    return torch.ones(size, width + size, dtype=torch.bool, device=device).tril(width)


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float | None = None,
    dropout: float = 0.0, **more: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Return what each token attends to: query [1, heads, tokens, width] → [1, tokens, heads, width]."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention as attend

    nodes = _NODES.get()
    longest = max(node.end - node.start + node.width for node, _ in nodes)
    window = more.get("sliding_window") or getattr(module, "sliding_window", None)
    if wrong := next((name for name in REFUSED if more.get(name) is not None), None):
        raise UnsupportedError(f"its attention has a {wrong}")
    if attention_mask is not None or dropout or (window and window < longest) or not getattr(module, "is_causal", True):
        raise UnsupportedError("its attention is not causal alone")
    grouped = query.shape[1] != key.shape[1]
    found = []
    for node, mask in nodes:
        runs = [*node.before, (node.start, node.end)]
        if mask is not None and runs[-2][1] == node.start:  # the last ancestor lies before it
            runs[-2:] = [(runs[-2][0], node.end)]
        keys, values = ([x[:, :, a:b] for a, b in runs] for x in (key, value))
        found.append(
            attend(
                query[:, :, node.start : node.end],
                keys[0] if len(keys) == 1 else torch.cat(keys, 2),
                values[0] if len(values) == 1 else torch.cat(values, 2),
                attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=grouped,
            )
        )  # fmt: skip
    return torch.cat(found, 2).transpose(1, 2).contiguous(), None
