"""How texts go through a model: as trees where its gradients are then those of separate texts, else packed, else padded.

Losses do not show every mistake (Bloom's is off by 6e-7 where its gradient is off by 8e-4), so gradients are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datagen.render.labels import IGNORED
from datagen.training.attention import UnsupportedError
from datagen.training.batches import Sample
from datagen.training.objective import Score
from datagen.training.passes import Arrangement, passes
from datagen.training.tree import SHARED, read_length

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 10  # tokens of a text that is tried, behind what it shares
WINDOWS = ("sliding_window", "attention_chunk_size")  # of a model's config: tokens that attention reaches back
APART = 1e-4  # relative norm; what rounding makes of float32 is below 1e-6


def chosen(
    model: Any, score: Score, trained: Mapping[str, Tensor], samples: Sequence[Sample], *, noisy: bool = False
) -> Arrangement:  # fmt: skip
    """Return how texts are to go through a model.

    Args:
        model: of transformers, or an adapter on one.
        score: the losses of a pass through it.
        trained: its parameters that get a gradient, which have none yet and none afterwards.
        samples: all that will go through it.
        noisy: whether its embeddings get noise, of which each text has its own.
    """
    if next(iter(trained.values())).device.type != "cpu":  # a node is a call per layer: on a card not measured yet
        return "padded"
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    reach = min([r for name in WINDOWS if (r := getattr(config, name, None))], default=None)
    if reach is not None and reach < max(map(read_length, samples)):
        return "padded"  # a short text would not show it
    if noisy or getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False) or _drops(model):
        return "padded"  # texts side by side have nothing in common then, or what stands before them is theirs alone
    tried = _probes(samples)
    expected = _gradient(score, trained, tried, "padded", 1)
    for how in ("tree", "packed"):
        try:
            found = _gradient(score, trained, tried, how, 2**31)
        except UnsupportedError:
            continue
        if (found - expected).norm() <= APART * expected.norm():
            return how
    return "padded"


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
    learned = [SHARED, SHARED, 2]
    return [
        replace(
            one, id=str(number), input_ids=text, weights=None, part=0,
            labels=[IGNORED if at < first else token for at, token in enumerate(text)],
        )
        for number, (text, first) in enumerate(zip(texts, learned, strict=True))
    ]  # fmt: skip


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
