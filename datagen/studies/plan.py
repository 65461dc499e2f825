"""What a training run would take: arithmetic over parameters, tokens and hardware, before anything is rented. Pure.

Sources: 6 floating-point operations a parameter and token, 2 of them forward (Kaplan et al. 2020); 16 bytes a trained parameter
of Adam in mixed precision (Rajbhandari et al. 2020, ZeRO); activations of a layer (Korthikanti et al. 2022); the split that is
compute-optimal by the law of Hoffmann et al. 2022 (Chinchilla), as Besiroglu et al. 2024 fitted it to the same runs. Published
runs reach 0.3 to 0.55 of the peak (BLOOM 0.31, Llama 2 7B 0.39, LLaMA 65B 0.48, LLaMA 13B 0.51).
"""

from __future__ import annotations

import math
from typing import NamedTuple

UTILISATION = 0.40  # of the peak, that a well-kept run reaches
TRAINED_BYTES, FROZEN_BYTES = 16, 2  # of a parameter: weight, gradient, float32 copy and two moments; a bfloat16 weight
WIDTH = 128  # times the layers is the width of a model of usual shape, as LLaMA's are
# Loss = E + A / N^alpha + B / D^beta of N parameters and D tokens: Besiroglu et al. 2024.
A, B, ALPHA, BETA = 482.01, 2085.43, 0.3478, 0.3658


class Device(NamedTuple):
    """An accelerator: its dense peak in bfloat16 (float16 where it has no other), TFLOP/s, and its memory, GB."""

    tflops: float
    memory: float


DEVICES = {
    "t4": Device(65, 16), "v100": Device(125, 32), "l4": Device(121, 24), "a10": Device(125, 24), "l40s": Device(362, 48),
    "rtx3090": Device(71, 24), "rtx4090": Device(165, 24), "rtx5090": Device(209, 32), "a100-40gb": Device(312, 40),
    "a100-80gb": Device(312, 80),
    "a100": Device(312, 80), "h100": Device(989, 80), "h200": Device(989, 141), "b200": Device(2250, 180),
    "mi300x": Device(1307, 192), "tpu-v4": Device(275, 32), "tpu-v5e": Device(197, 16), "tpu-v5p": Device(459, 95),
}  # fmt: skip


class Shape(NamedTuple):
    """Parameters of a model, its layers, and the width of what goes through them."""

    parameters: float
    layers: int
    width: int


class Needs(NamedTuple):
    """What a method needs: operations, seconds on all devices, bytes on each, whether that fits, trained parameters."""

    operations: float
    seconds: float
    bytes_each: float
    fits: bool
    trained: float


def usual_shape(parameters: float) -> Shape:
    """Return the shape that a transformer of so many parameters usually has: 12 * layers * width^2 of them."""
    layers = max(1, round((parameters / (12 * WIDTH**2)) ** (1 / 3)))
    return Shape(parameters, layers, max(1, round(math.sqrt(parameters / (12 * layers)))))


def adapter_parameters(shape: Shape, rank: int) -> float:
    """Return the parameters of LoRA on every linear layer: four of attention, three of a feed-forward part 8/3 as wide."""
    return rank * shape.layers * shape.width * (4 * 2 + 3 * (1 + 8 / 3))


def full(
    shape: Shape, tokens: float, device: Device, count: int, *, utilisation: float = UTILISATION, pass_tokens: int = 2048
) -> Needs:  # fmt: skip
    """Return what training every parameter takes, states cut over the devices (ZeRO-3, FSDP).

    Args:
        shape: of the model.
        tokens: that go through it.
        device: one of them.
        count: how many there are.
        utilisation: share of the peak that is reached.
        pass_tokens: of one pass on one device.
    """
    states = TRAINED_BYTES * shape.parameters
    return _needs(6 * shape.parameters * tokens, states, shape.parameters, (shape, device, count, utilisation, pass_tokens))


def lora(
    shape: Shape, tokens: float, device: Device, count: int, *, rank: int = 16, utilisation: float = UTILISATION,
    pass_tokens: int = 2048,
) -> Needs:  # fmt: skip
    """Return the same of LoRA: no gradient of the frozen weights, which stay in bfloat16. `rank`: of the adapter."""
    own = adapter_parameters(shape, rank)
    operations = (4 * shape.parameters + 6 * own) * tokens
    return _needs(
        operations, FROZEN_BYTES * shape.parameters + TRAINED_BYTES * own, own, (shape, device, count, utilisation, pass_tokens)
    )


def _needs(operations: float, states: float, trained: float, on: tuple[Shape, Device, int, float, int]) -> Needs:
    shape, device, count, utilisation, pass_tokens = on
    each = states / count + activation_bytes(shape, pass_tokens)
    seconds = operations / (count * device.tflops * 1e12 * utilisation)
    return Needs(operations, seconds, each, each <= device.memory * 1e9, trained)


def activation_bytes(shape: Shape, pass_tokens: int) -> float:
    """Return the bytes of activations of a pass in 16 bits: the input of each layer kept, one layer computed again."""
    return pass_tokens * shape.width * (2 * shape.layers + 34)


def largest(device: Device, count: int, bytes_a_parameter: float, pass_tokens: int = 2048) -> float:
    """Return the parameters of the largest model of usual shape that fits, found by halving."""
    low, high = 1e6, 1e14
    for _ in range(100):
        middle = math.sqrt(low * high)
        fits = bytes_a_parameter * middle / count + activation_bytes(usual_shape(middle), pass_tokens) <= device.memory * 1e9
        low, high = (middle, high) if fits else (low, middle)
    return low


def optimal(operations: float) -> tuple[float, float]:
    """Return the parameters and tokens by which so many operations give the least loss of a model trained from scratch."""
    ratio = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    parameters = ratio * (operations / 6) ** (BETA / (ALPHA + BETA))
    return parameters, operations / (6 * parameters)


_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


def number(text: str) -> float | None:
    """Return a number with a suffix, such as `7B`, `1.4T` or `300e9`; None for what is none."""
    word = text.strip().lower().replace("_", "").replace(",", "")
    factor = _SUFFIXES.get(word[-1:], 1.0)
    try:
        found = float(word[:-1] if word[-1:] in _SUFFIXES else word) * factor
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None
