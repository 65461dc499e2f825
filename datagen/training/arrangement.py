"""How texts go through a model: as trees where its gradients are then those of separate texts, else packed, padded, or alone.

Losses do not show every mistake (Bloom's is off by 6e-7 where its gradient is off by 8e-4), so gradients are compared.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datagen.errors import ModelError, first_line
from datagen.render.labels import IGNORED
from datagen.training.batches import Sample
from datagen.training.objective import Score
from datagen.training.passes import Arrangement, passes
from datagen.training.tree import SHARED, read_length

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 10  # tokens of a text that is tried, behind what it shares
WINDOWS = ("sliding_window", "attention_chunk_size")  # of a model's config: tokens that attention reaches back
KINDS = {"full_attention", "sliding_attention", "chunked_attention", "attention"}  # of layers that attend to tokens alone
BLOCKS = re.compile(r"^index_|sparse|block_size")  # names of what attends to chosen tokens only
# Relative norm. Rounding makes up to 1.2e-5 of float32 in the embedded model (1e-6 of a random one), for a product of ten rows
# is summed in another order than one of fifty; the least of the known mistakes makes 8e-4.
APART = 1e-4
APART_ROUNDED = 0.1  # of weights in bfloat16 or less


def chosen(
    model: Any, score: Score, trained: Mapping[str, Tensor], samples: Sequence[Sample], *, noisy: bool = False
) -> Arrangement:  # fmt: skip
    """Return how texts are to go through a model.

    Args:
        model: of transformers, or an adapter on one.
        score: the losses of a pass through it, without noise.
        trained: its parameters that get a gradient, which have none yet and none afterwards.
        samples: all that will go through it.
        noisy: whether its embeddings get noise, of which each text has its own.
    """
    tried = _probes(samples)
    try:
        expected = _gradient(score, trained, tried, "separate", 1)
    except Exception as error:  # whatever a model or an adapter raises on three short texts, it would raise in each step
        raise ModelError(f"this model cannot be trained so: {type(error).__name__}: {first_line(error)}") from error
    # On a card trees are not measured yet: a node is a call per layer.
    alone = next(iter(trained.values())).device.type != "cpu" or _odd(model, samples)
    exact = all(str(p.dtype) == "torch.float32" for p in model.parameters())
    apart = APART if exact else APART_ROUNDED
    if _drops(model):
        return "padded"  # no two passes are equal
    # Texts with noise have nothing in common.
    ways: tuple[Arrangement, ...] = ("padded",) if alone else ("packed", "padded") if noisy else ("tree", "packed", "padded")
    off: dict[str, str] = {}
    for how in ways:
        off[how] = "not possible"
        with contextlib.suppress(Exception):  # what a model does with other attention than its own is its own affair
            away = (_gradient(score, trained, tried, how, 2**31) - expected).norm()
            off[how] = f"gradient off by {float(away / expected.norm()):.1e}"
            if away <= apart * expected.norm():
                del off[how]
                return _told(how, off)
    return _told("separate", off)


def _told(how: Arrangement, off: Mapping[str, str]) -> Arrangement:
    """Return how texts go through a model, and say so where it is not the way that would have been the fastest."""
    if off:
        tried = ", ".join(f"{name}: {why}" for name, why in off.items())
        told = "one by one" if how == "separate" else how
        logging.getLogger(__name__).warning("texts go through this model %s, which is slower (%s)", told, tried)
    return how


def _odd(model: Any, samples: Sequence[Sample]) -> bool:
    """Whether a model does what three short texts would not show: it looks back a window, or over blocks, or has prompts."""
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        return True
    config = model.config.get_text_config()
    reach = min([r for name in WINDOWS if (r := getattr(config, name, None))], default=None)
    if reach is not None and reach < max(map(read_length, samples)):
        return True
    kinds = set(getattr(config, "layer_types", None) or ())
    return bool(kinds - KINDS) or any(BLOCKS.search(name) and value for name, value in config.to_dict().items())


def _drops(model: Any) -> bool:
    """Whether two passes of a model differ by chance, as it is now."""
    import torch

    modules = [m for m in model.modules() if m.training]
    layers = any(isinstance(m, torch.nn.Dropout) and m.p > 0 for m in modules)
    return layers or any(getattr(m, "attention_dropout", 0.0) for m in modules)


def _probes(samples: Sequence[Sample]) -> list[Sample]:
    """Return three short texts, of which two begin alike: a check must not take longer than a step."""
    one = max(samples, key=lambda s: len(s.input_ids))
    ids = (one.input_ids * TAIL * 4)[: SHARED + TAIL]
    texts = [ids, [*ids[: SHARED + 2], *ids[: TAIL - 4][::-1]], ids[:TAIL][::-1]]
    # All of it is learned: what leaks from the text before fades with each token.
    return [
        replace(one, id=str(number), input_ids=text, weights=None, part=0, rejected=None, labels=[IGNORED, *text[1:]])
        for number, text in enumerate(texts)
    ]


def _gradient(
    score: Score, trained: Mapping[str, Tensor], samples: Sequence[Sample], how: Arrangement, most: int
) -> Tensor:  # fmt: skip
    """Return the gradient of texts, flat; the parameters have none afterwards."""
    import torch

    device = str(next(iter(trained.values())).device)
    try:
        for batch in passes(samples, how, most, device):
            score(batch)[0].backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.flatten() for p in trained.values() if p.grad is not None])
    finally:
        for p in trained.values():
            p.grad = None
