"""What goes through the model at once: texts side by side in a padded rectangle, or one behind the other as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from datagen.render.labels import IGNORED
from datagen.training.batches import Sample
from datagen.training.tree import SHARED, Node, Tree, trees

if TYPE_CHECKING:
    from torch import Tensor

MICRO_TOKENS = 1024  # of one forward pass, padding counted; on 2 cores 1024 is fastest, 4096 half as fast

Arrangement = Literal["tree", "packed", "padded", "separate"]


@dataclass(frozen=True)
class Batch:
    """One forward pass.

    Attributes:
        input_ids: int64[rows, tokens]; of a tree one row, else padded on the right.
        positions: int64[1, tokens] of a tree; None: those that the model takes by itself.
        nodes: of the tree, none of a rectangle.
        at: int64[labels], places in the flattened tokens whose states predict a label.
        targets: int64[labels], the labels.
        weights: float32[labels], None when all weigh 1.
        rows: int64[labels], the place of each label's text in `samples`.
        samples: the texts.
    """

    input_ids: Tensor
    positions: Tensor | None
    nodes: tuple[Node, ...]
    at: Tensor
    targets: Tensor
    weights: Tensor | None
    rows: Tensor
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Layout:
    """How the texts of a run are laid out in passes; see `passes`.

    Attributes:
        how: they go through the model.
        micro_tokens: most tokens of a pass.
        device: where the tensors go.
        split_at: tokens: longer texts are never in one pass with others, for a model turns its positions otherwise then.
    """

    how: Arrangement = "padded"
    micro_tokens: int = MICRO_TOKENS
    device: str = "cpu"
    split_at: int | None = None

    def passes(self, samples: Sequence[Sample]) -> Iterator[Batch]:
        """Yield the passes of samples."""
        if self.split_at is None:
            yield from passes(samples, self.how, self.micro_tokens, self.device)
            return
        for longer in (False, True):
            mine = [s for s in samples if (_length(s) > self.split_at) == longer]
            if mine:
                yield from passes(mine, self.how, self.micro_tokens, self.device)


def split_of(model: Any) -> int | None:
    """Return the length at which a model turns the positions of all texts of a pass otherwise (LongRoPE); None without one."""
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    found = rope.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", None)
    return int(found) if found and rope.get("rope_type") == "longrope" else None


def passes(samples: Sequence[Sample], how: Arrangement, micro_tokens: int, device: str = "cpu") -> Iterator[Batch]:
    """Yield the forward passes of a global batch; their losses add up to the same, however it is cut.

    Args:
        samples: of one optimiser step, or to be measured.
        how: tree: what texts begin with in common once; packed: one behind the other; padded: rows of similar length;
            separate: each by itself.
        micro_tokens: most tokens of a pass, padding counted; a longer text has one of its own.
        device: where the tensors go.
    """
    if how in ("padded", "separate"):
        yield from (padded(micro, device) for micro in micro_batches(samples, micro_tokens if how == "padded" else 1))
        return
    for tree in trees(samples, micro_tokens, SHARED if how == "tree" else 2**31):
        yield grown(tree, device)


def micro_batches(batch: Sequence[Sample], micro_tokens: int = MICRO_TOKENS) -> list[list[Sample]]:
    """Return one global batch cut into micro-batches of rows of similar length, the longest first.

    Bucketing stays inside the global batch: across batches it would change what a step sees, and so the training.

    Args:
        batch: the samples of one optimiser step; texts that are compared stay together.
        micro_tokens: most padded tokens of a micro-batch; a single row that is longer still gets its own.
    """
    cut: list[list[Sample]] = []
    longest = 0
    for sample in sorted(batch, key=lambda s: -_length(s)):  # stable: ties keep their order
        if cut and (len(cut[-1]) + len(sample.texts)) * longest <= micro_tokens:
            cut[-1] += sample.texts
        else:
            cut.append([*sample.texts])
            longest = _length(sample)
    return cut


def _length(sample: Sample) -> int:
    return max(len(text.input_ids) for text in sample.texts)


def padded(samples: Sequence[Sample], device: str = "cpu") -> Batch:
    """Return samples as one rectangle, padded on the right from their lengths.

    Padding is never recognised by its id: where pad and eos are one token, the eos label must stay (transformers #23530).
    """
    import torch

    longest = max(len(s.input_ids) for s in samples)
    ids = torch.tensor([[*s.input_ids, *[0] * (longest - len(s.input_ids))] for s in samples], device=device)
    labels = [
        (row * longest + at - 1, label, 1.0 if s.weights is None else s.weights[at], row)
        for row, s in enumerate(samples) for at, label in enumerate(s.labels) if at and label != IGNORED
    ]  # fmt: skip
    columns = zip(*labels, strict=True) if labels else ((), (), (), ())
    return _batch(ids, None, (), samples, *columns, device=device)


def grown(tree: Tree, device: str = "cpu") -> Batch:
    """Return a tree as one forward pass."""
    import torch

    ids, positions = (torch.tensor([x], device=device) for x in (tree.ids, tree.positions))
    labels = (tree.at, tree.targets, tree.weights, tree.rows)
    return _batch(ids, positions, tuple(tree.nodes), tree.samples, *labels, device=device)


def _batch(
    ids: Tensor, positions: Tensor | None, nodes: tuple[Node, ...], samples: Sequence[Sample], at: Sequence[int],
    targets: Sequence[int], weights: Sequence[float], rows: Sequence[int], *, device: str,
) -> Batch:  # fmt: skip
    import torch

    counts = [torch.tensor(x, dtype=torch.int64, device=device) for x in (at, targets, rows)]
    weighted = any(s.weights is not None for s in samples)
    weigh = torch.tensor(weights, dtype=torch.float32, device=device) if weighted else None
    return Batch(ids, positions, nodes, counts[0], counts[1], weigh, counts[2], tuple(samples))
