"""How much slower a model answers with an adapter on it: what adapters that cannot be merged cost for good."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch

from datagen.models import bottleneck
from datagen.models.weights import quiet

TOKENS = 6  # that are generated for a measurement
PROMPT = 32  # tokens before them
TIMES = 3  # of which the fastest counts


def latency(network: Any, method: str) -> dict[str, float]:
    """Return milliseconds per generated token: `base`, without the adapter, and `adapter`, with it and not merged.

    Both are measured in turns, so that what else the machine does meets both.
    """
    training = network.training
    network.eval()
    found = {"base": float("inf"), "adapter": float("inf")}
    for _ in range(TIMES):
        with _without(network, method):
            found["base"] = min(found["base"], _per_token(network))
        found["adapter"] = min(found["adapter"], _per_token(network))
    network.train(training)
    return {name: round(1000 * seconds, 3) for name, seconds in found.items()}


@contextlib.contextmanager
def _without(network: Any, method: str) -> Iterator[None]:
    """Let a network answer without its adapter."""
    if method != "adapter":
        with network.disable_adapter():
            yield
        return
    held = getattr(network, bottleneck.NAME)
    for one in held.values():
        one.forward = lambda hidden: hidden
    try:
        yield
    finally:
        for one in held.values():
            del one.forward


def _per_token(network: Any) -> float:
    """Return the seconds of one generated token, the prompt's left out."""
    device = next(network.parameters()).device
    ids = torch.arange(3, 3 + PROMPT, device=device)[None] % network.get_input_embeddings().weight.shape[0]
    how: dict[str, Any] = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None, "attention_mask": torch.ones_like(ids)}
    took = []
    with torch.no_grad(), quiet():
        for tokens in (1, 1 + TOKENS):
            began = time.perf_counter()
            network.generate(input_ids=ids, max_new_tokens=tokens, **how)
            if device.type == "cuda":
                torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
    return max(took[1] - took[0], 0.0) / TOKENS
