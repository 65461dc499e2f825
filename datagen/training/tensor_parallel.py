"""Layers that several processes share: each holds some heads and some of the width of the feed-forward networks.

After Megatron-LM (arXiv 1909.08053). Which layer is cut how is the plan that transformers has for a model; the parts are
PyTorch's DTensors. LoRA is cut with its layer: B where the outputs are, A where the inputs are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datagen.errors import ModelError
from datagen.models.weights import base_model

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed.device_mesh import DeviceMesh

_PARTIAL = "replicated_with_grad_allreduce"  # a weight that each process uses on its own heads
_STYLES = ("colwise", "rowwise", _PARTIAL)


def cut_layers(model: Any, mesh: DeviceMesh) -> list[Tensor]:
    """Cut the layers of a model in place, as the plan of its kind says.

    Args:
        model: of transformers, whole or with LoRA on it.
        mesh: the processes that share each layer.

    Returns:
        Weights that stay whole, of whose gradient each process has a part.

    Raises:
        ModelError: there is no such plan, or the heads cannot be divided.
    """
    whole = base_model(model)
    config = whole.config.get_text_config()
    plan: Mapping[str, str] = getattr(config, "base_model_tp_plan", None) or {}
    if odd := sorted(set(plan.values()) - {*_STYLES}) or ([] if plan else ["none"]):
        raise ModelError(f"--tensor-parallel: transformers' plan for a {config.model_type} is {odd[0]}, which is not done here")
    heads = [getattr(config, name, None) or mesh.size() for name in ("num_attention_heads", "num_key_value_heads")]
    if any(count % mesh.size() for count in heads):
        told = " and ".join(str(count) for count in heads)
        raise ModelError(f"--tensor-parallel {mesh.size()}: a model of {told} heads cannot be divided so")
    learned = {name: p.requires_grad for name, p in model.named_parameters()}
    partial = [p for module, style in _planned(whole.base_model, plan) for p in _cut(module, style, mesh)]
    for name, p in model.named_parameters():
        p.requires_grad_(learned[name])
    return partial


def _planned(decoder: nn.Module, plan: Mapping[str, str]) -> Iterator[tuple[nn.Module, str]]:
    """Yield the modules of a plan, and how each is cut; patterns have `*` for the number of a layer."""
    for name, module in list(decoder.named_modules()):
        general = ".".join("*" if part.isdecimal() else part for part in name.split("."))
        style = plan.get(general)
        if style is not None:
            yield module, style


def _cut(module: Any, style: str, mesh: DeviceMesh) -> Iterable[Tensor]:
    """Cut a layer, with the LoRA on it; return those of its weights that stay whole and get a part of their gradient."""
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    if style == _PARTIAL:
        return list(module.parameters())
    parts = [getattr(module, "base_layer", module)]
    if hasattr(module, "base_layer"):
        parts += (module.lora_B if style == "colwise" else module.lora_A).values()
    for part in parts:
        parallelize_module(part, mesh, ColwiseParallel() if style == "colwise" else RowwiseParallel())
    return []


def is_cut(tensor: Any) -> bool:
    """Whether a process has only a part of a tensor; some that stay whole are DTensors, too."""
    return any(one.is_shard() for one in getattr(tensor, "placements", ()))


def local(tensor: Any) -> Tensor:
    """Return the part of a tensor that this process has."""
    held: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return held
