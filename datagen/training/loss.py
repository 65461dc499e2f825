"""The loss: cross entropy at the label positions only, summed, so that the caller divides once.

Three properties, each exact up to rounding: (1) the head is computed for tokens that carry loss and no others, which are
half of a usual instruction row or less; (2) a sum, not a mean, so any cut of a global batch into passes gives the
same gradient once divided by the label weight of the whole batch (transformers #34191); (3) in chunks, recomputed in the
backward pass, when the logits would not fit the memory budget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datagen.training.attention import among

if TYPE_CHECKING:
    from torch import Tensor

    from datagen.training.passes import Batch

LOGITS_BYTES = 512 * 2**20  # of one chunk's logits in float32; the backward pass holds about three times that


@dataclass(frozen=True)
class LabelHead:
    """The two halves of a causal language model: tokens → hidden states → logits.

    Attributes:
        hidden: a forward pass → hidden states [rows, tokens, width].
        logits: hidden states [n, width] → logits [n, vocabulary], scaling and soft-capping included.
        vocabulary: number of logits.
    """

    hidden: Callable[[Batch], Tensor]
    logits: Callable[[Tensor], Tensor]
    vocabulary: int


def label_head(model: Any) -> LabelHead:
    """Return a model cut before its head, or uncut when the cut would not give the same logits.

    What a model does to its logits after the head (Granite divides, Gemma 2 caps) is not in any interface of transformers,
    so the cut is tried on eight tokens against the model's own logits; a model that differs is used whole, only slower.
    A cap is all but invisible at small logits, so a model whose config names one is used whole, too.
    """
    import torch

    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    head, decoder = whole.get_output_embeddings(), whole.get_decoder()
    vocabulary = int(head.weight.shape[0])

    def through(part: Any) -> Callable[[Batch], Any]:
        def run(batch: Batch) -> Any:
            nodes = among(whole, batch.nodes, str(batch.input_ids.device)) if batch.nodes else contextlib.nullcontext()
            with nodes:
                return part(input_ids=batch.input_ids, position_ids=batch.positions, use_cache=False)

        return run

    cut, uncut = through(decoder), through(whole)
    probe = torch.arange(8, device=head.weight.device)[None] % vocabulary
    training = whole.training
    whole.eval()  # dropout would make any two passes differ
    with torch.no_grad():
        capped = getattr(whole.config, "final_logit_softcapping", None)
        same = decoder is not whole and not capped and torch.allclose(
            head(decoder(input_ids=probe, use_cache=False)[0]).float(), whole(input_ids=probe, use_cache=False).logits.float(),
            rtol=1e-3, atol=1e-3,
        )  # fmt: skip
    whole.train(training)
    if same:
        return LabelHead(lambda batch: cut(batch)[0], lambda states: head(states), vocabulary)
    return LabelHead(lambda batch: uncut(batch).logits, lambda logits: logits, vocabulary)


def label_loss(head: LabelHead, batch: Batch, logits_bytes: int = LOGITS_BYTES) -> tuple[Tensor, Tensor]:
    """Return the losses of a forward pass in nats, not divided.

    No attention mask is passed: with padding on the right, a causal model's tokens never see it.

    Args:
        head: from `label_head`.
        batch: the pass.
        logits_bytes: memory budget of one chunk of logits.

    Returns:
        The weighted sum, a float32 scalar with its gradient; and float32[texts], the same by text, without one.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    # index_select, not a boolean mask: its backward is deterministic and needs no second search
    wanted = head.hidden(batch).flatten(0, 1).index_select(0, batch.at)
    chunk = max(1, logits_bytes // (4 * head.vocabulary))
    if len(batch.at) <= chunk:
        losses = _losses(head.logits, wanted, batch.targets)
    else:
        pieces = [slice(start, start + chunk) for start in range(0, len(batch.at), chunk)]
        parts = [checkpoint(_losses, head.logits, wanted[p], batch.targets[p], use_reentrant=False) for p in pieces]
        losses = torch.cat(parts)
    if batch.weights is not None:
        losses = losses * batch.weights
    by_text = torch.zeros(len(batch.samples), dtype=torch.float32, device=losses.device)
    return losses.sum(), by_text.index_add(0, batch.rows, losses.detach())


def _losses(logits: Callable[[Tensor], Tensor], states: Tensor, targets: Tensor) -> Tensor:
    """Return the cross entropy in float32 of hidden states [n, width] at targets int64[n]: float32[n]."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits(states).float(), targets, reduction="none")
