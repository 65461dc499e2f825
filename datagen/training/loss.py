"""The loss: cross entropy at the label positions only, summed, so that the caller divides once.

Three properties, each exact up to rounding: (1) the head is computed for tokens that carry loss and no others, which are
half of a usual instruction row or less; (2) a sum, not a mean, so any cut of a global batch into micro-batches gives the
same gradient once divided by the label weight of the whole batch (transformers #34191); (3) in chunks, recomputed in the
backward pass, when the logits would not fit the memory budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datagen.render.labels import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from datagen.training.batches import Batch

LOGITS_BYTES = 512 * 2**20  # of one chunk's logits in float32; the backward pass holds about three times that


@dataclass(frozen=True)
class LabelHead:
    """The two halves of a causal language model: tokens → hidden states → logits.

    Attributes:
        hidden: input ids int64[rows, tokens] → hidden states [rows, tokens, width].
        logits: hidden states [n, width] → logits [n, vocabulary], scaling and soft-capping included.
        vocabulary: number of logits.
    """

    hidden: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor], Tensor]
    vocabulary: int


def label_head(model: Any) -> LabelHead:
    """Return a model cut before its head, or uncut when the cut would not give the same logits.

    What a model does to its logits after the head (Granite divides, Gemma 2 caps) is not in any interface of transformers,
    so the cut is tried on eight tokens against the model's own logits; a model that differs is used whole, only slower.
    """
    import torch

    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    head, decoder = whole.get_output_embeddings(), whole.get_decoder()
    vocabulary = int(head.weight.shape[0])
    cut = LabelHead(lambda ids: decoder(input_ids=ids, use_cache=False)[0], lambda h: head(h), vocabulary)
    uncut = LabelHead(lambda ids: whole(input_ids=ids, use_cache=False).logits, lambda logits: logits, vocabulary)
    probe = torch.arange(8, device=head.weight.device)[None] % vocabulary
    training = whole.training
    whole.eval()  # dropout would make any two passes differ
    with torch.no_grad():
        same = decoder is not whole and torch.allclose(
            cut.logits(cut.hidden(probe)).float(), uncut.hidden(probe).float(), rtol=1e-3, atol=1e-3
        )
    whole.train(training)
    return cut if same else uncut


def label_loss(head: LabelHead, batch: Batch, logits_bytes: int = LOGITS_BYTES) -> Tensor:
    """Return the weighted sum of the label losses of a micro-batch: a float32 scalar, in nats, not divided.

    No attention mask is passed: with padding on the right, a causal model's tokens never see it.

    Args:
        head: from `label_head`.
        batch: right-padded, labels unshifted; the label at position t is predicted from position t-1.
        logits_bytes: memory budget of one chunk of logits.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    states = head.hidden(batch.input_ids)
    labels = batch.labels[:, 1:]
    at = (labels != IGNORED).flatten().nonzero()[:, 0]
    # index_select, not a boolean mask: its backward is deterministic and needs no second search
    wanted = states[:, :-1].flatten(0, 1).index_select(0, at)
    targets = labels.flatten()[at]
    weights = None if batch.weights is None else batch.weights[:, 1:].flatten()[at]
    chunk = max(1, logits_bytes // (4 * head.vocabulary))
    if len(at) <= chunk:
        return _summed(head.logits, wanted, targets, weights)
    total = torch.zeros((), dtype=torch.float32, device=wanted.device)
    for start in range(0, len(at), chunk):
        piece = slice(start, start + chunk)
        part = (head.logits, wanted[piece], targets[piece], None if weights is None else weights[piece])
        total = total + checkpoint(_summed, *part, use_reentrant=False)
    return total


def _summed(logits: Callable[[Tensor], Tensor], states: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return the summed cross entropy in float32 of hidden states [n, width] at targets int64[n]."""
    from torch.nn.functional import cross_entropy

    scores = logits(states).float()
    if weights is None:
        return cross_entropy(scores, targets, reduction="sum")
    return (cross_entropy(scores, targets, reduction="none") * weights).sum()
