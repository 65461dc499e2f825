"""Bottleneck adapters (Houlsby et al., arXiv 1902.00751): two small layers with a residual, after attention and feed-forward.

This file needs torch and safetensors alone, and lies beside each adapter that was trained with it:

    from bottleneck import load
    load(model, ".")          # a causal language model of transformers, which is its base
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

NAME = "bottleneck_adapters"  # of the module that a model with adapters has
# In the names of the classes of a block's parts; what is neither has no adapter.
PARTS = ("attention", "attn", "mlp", "feedforward", "ffn", "moe")


class Bottleneck(nn.Module):
    """hidden + up(gelu(down(hidden))): hidden states [..., width] → the same; it begins as no change at all."""

    def __init__(self, width: int, inner: int) -> None:
        """Make the two layers; the second one begins at 0."""
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden states, changed."""
        inner = self.down(hidden.to(self.down.weight.dtype))
        changed: Tensor = hidden + self.up(nn.functional.gelu(inner)).to(hidden.dtype)
        return changed


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a model: what its first list of modules of one class holds."""
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len({type(b) for b in m}) == 1)
    return list(next(lists, ()))


def places(model: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a model's blocks that get an adapter, by name: what each block adds to its residual stream."""
    inside = {id(part) for block in blocks(model) for part in block.children()}
    return {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside and any(part in type(module).__name__.lower() for part in PARTS)
    }


def attach(model: nn.Module, inner: int) -> nn.Module:
    """Put new adapters on a model, whose own weights are frozen; return the module that holds them.

    Raises:
        ValueError: it has no blocks with attention or feed-forward.
    """
    found = places(model)
    if not found:
        raise ValueError("no attention and no feed-forward were found in its blocks")
    model.requires_grad_(requires_grad=False)
    width, device = model.get_input_embeddings().weight.shape[1], next(model.parameters()).device  # type: ignore[operator]
    held = nn.ModuleDict({name.replace(".", "-"): Bottleneck(width, inner) for name in found}).to(device)
    for name, part in found.items():
        adapter = held[name.replace(".", "-")]
        part.register_forward_hook(_after(adapter))
    setattr(model, NAME, held)
    return held


def detach(model: nn.Module) -> None:
    """Take the adapters off again."""
    for part in places(model).values():
        mine = [key for key, hook in part._forward_hooks.items() if getattr(hook, "bottleneck", False)]
        for key in mine:
            del part._forward_hooks[key]
    delattr(model, NAME)


def _after(adapter: nn.Module) -> Any:
    def hook(_: nn.Module, __: Any, out: Any) -> Any:
        return (adapter(out[0]), *out[1:]) if isinstance(out, tuple) else adapter(out)

    hook.bottleneck = True  # type: ignore[attr-defined]
    return hook


def load(model: nn.Module, folder: str | Path) -> nn.Module:
    """Put the adapters of a folder on their base model, and return the model.

    Raises:
        ValueError: they are of another model.
    """
    from safetensors.torch import load_file

    path = Path(folder)
    config = json.loads((path / "adapter_config.json").read_text("utf-8"))
    held = attach(model, config["bottleneck"])
    try:
        held.load_state_dict(load_file(path / "adapter_model.safetensors"))
    except RuntimeError as error:
        detach(model)
        raise ValueError(f"the adapters in {path} are of another model: {str(error).splitlines()[-1].strip()}") from None
    return model
