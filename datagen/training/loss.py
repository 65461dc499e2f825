"""The loss of a forward pass: cross entropy at the label positions only, summed, so that the caller divides once.

Three properties, each exact up to rounding: (1) the head is computed for tokens that carry loss and no others, which are
half of a usual instruction row or less; (2) a sum, not a mean, so any cut of a global batch into passes gives the
same gradient once divided by the label weight of the whole batch (transformers #34191); (3) in chunks, recomputed in the
backward pass, when the logits would not fit the memory budget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy, kl_div
from torch.utils.checkpoint import checkpoint

from datagen.models.weights import base_model
from datagen.training.attention import among

if TYPE_CHECKING:
    from torch import Tensor

    from datagen.training.passes import Batch

LOGITS_BYTES = 512 * 2**20  # of one chunk's logits in float32; the backward pass holds about three times that


@dataclass(frozen=True)
class LabelHead:
    """The two halves of a causal language model: tokens → hidden states → logits.

    Attributes:
        hidden: a forward pass → hidden states [rows, tokens, width], and the auxiliary loss of its experts, 0 without.
        logits: hidden states [n, width] → logits [n, vocabulary], scaling and soft-capping included.
        vocabulary: number of logits.
    """

    hidden: Callable[[Batch], tuple[Tensor, Tensor | float]]
    logits: Callable[[Tensor], Tensor]
    vocabulary: int


class Teacher:
    """A model whose probabilities are learned beside the labels (Hinton et al., arXiv 1503.02531).

    Attributes:
        head: of the model.
        temperature: by which both models' logits are divided; the loss is multiplied by its square.
        weight: share of the loss.
    """

    def __init__(self, model: Any, temperature: float, weight: float) -> None:
        """Take a model that stays as it is."""
        self.head = label_head(model.eval())
        self.temperature, self.weight = temperature, weight

    def logits(self, batch: Batch) -> Tensor:
        """Return the logits at the labels of a pass: [labels, vocabulary]."""
        with torch.no_grad():
            states, _ = self.head.hidden(batch)
            return self.head.logits(states.flatten(0, 1).index_select(0, batch.at))

    def mixed(self, losses: Tensor, logits: Tensor, theirs: Tensor) -> Tensor:
        """Return the losses of labels with the divergence from the teacher's probabilities: float32[labels]."""
        mine, wanted = ((x.float() / self.temperature).log_softmax(-1) for x in (logits, theirs))
        apart = kl_div(mine, wanted, reduction="none", log_target=True).sum(-1)
        return (1 - self.weight) * losses + self.weight * self.temperature**2 * apart


class Network(torch.nn.Module):
    """A model with its loss: the one module that a run calls, so that what wraps it for several processes sees every pass."""

    def __init__(
        self, model: Any, *, smoothing: float = 0.0, noise: float | None = None, logits_bytes: int = LOGITS_BYTES,
        teacher: Teacher | None = None,
    ) -> None:  # fmt: skip
        """Take a model.

        Args:
            model: of transformers, or an adapter on one.
            smoothing: share of each label that is spread over the vocabulary, while training.
            noise: alpha of NEFTune (arXiv 2310.05914), while training; None adds none.
            logits_bytes: memory budget of one chunk of logits.
            teacher: whose probabilities are learned, while training.
        """
        super().__init__()
        self.model = model
        self.head = label_head(model)
        self.smoothing, self.noise, self.logits_bytes, self.teacher = smoothing, noise, logits_bytes, teacher
        self.stage: Any = None  # of a pipeline; see `pipeline.PipelineStage`

    def without_noise(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the losses of a pass as in training, but for the noise."""
        found: tuple[Tensor, Tensor] = self(batch, noisy=False)
        return found

    def forward(self, batch: Batch, *, noisy: bool = True) -> tuple[Tensor, Tensor]:
        """Return the losses of a pass, as `label_loss`."""
        smoothing = self.smoothing if self.training else 0.0
        adds = noisy and self.noise and self.training
        noise = _noisy(self.model, batch, self.noise or 0.0) if adds else contextlib.nullcontext()
        teacher = self.teacher if self.training else None
        of = partial(label_loss, self.head, logits_bytes=self.logits_bytes, smoothing=smoothing, teacher=teacher)
        with noise:
            losses: tuple[Tensor, Tensor] = self.stage.losses(batch, of) if self.stage else of(batch)
            return losses


@contextlib.contextmanager
def _noisy(model: Any, batch: Batch, alpha: float) -> Any:
    """Add NEFTune's noise to the embeddings of a pass: uniform in ± alpha / sqrt(L d), L each text's own, none on padding.

    Of packed texts, too; a collator that knows only the padded width scales short texts wrongly (transformers #34659).
    """
    lengths = torch.zeros_like(batch.input_ids, dtype=torch.float32)
    for row, (text, node) in enumerate(zip(batch.samples, batch.nodes or (None,) * len(batch.samples), strict=True)):
        size = len(text.input_ids)
        if node is None:
            lengths[row, :size] = size
        else:
            lengths[0, node.start : node.end] = size

    def add(_: Any, __: Any, embedded: Tensor) -> Tensor:
        scale = (alpha / (lengths * embedded.shape[-1]).sqrt()).masked_fill(lengths == 0, 0.0)
        return embedded + (torch.rand_like(embedded) * 2 - 1) * scale[..., None].to(embedded.dtype)

    hook = model.get_input_embeddings().register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()


def label_head(model: Any) -> LabelHead:
    """Return a model cut before its head, or uncut when the cut would not give the same logits.

    What a model does to its logits after the head (Granite divides, Gemma 2 caps) is not in any interface of transformers,
    so the cut is tried on eight tokens against the model's own logits; a model that differs is used whole, only slower.
    A cap is all but invisible at small logits, so a model whose config names one is used whole, too. So is one with prompts
    before its text, which peft puts there, and one whose experts have a loss of their own.
    """
    before = getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False)
    whole = base_model(model)
    head, decoder = whole.get_output_embeddings(), whole.get_decoder()
    vocabulary = int(head.weight.shape[0])
    experts = bool(getattr(whole.config, "output_router_logits", False))

    def run(part: Any, batch: Batch, **more: Any) -> Any:
        device = str(batch.input_ids.device)
        with among(whole, batch.nodes, device) if batch.nodes else contextlib.nullcontext():
            return part(input_ids=batch.input_ids, position_ids=batch.positions, use_cache=False, **more)

    def uncut(batch: Batch) -> tuple[Tensor, Tensor | float]:
        # With prompts before the text its positions are what the model makes of them.
        out = model(input_ids=batch.input_ids, use_cache=False) if before else run(whole, batch)
        auxiliary = getattr(out, "aux_loss", None)
        weighed = 0.0 if auxiliary is None else auxiliary * whole.config.router_aux_loss_coef
        return out.logits[:, out.logits.shape[1] - batch.input_ids.shape[1] :], weighed

    probe = torch.arange(8, device=head.weight.device)[None] % vocabulary
    training = whole.training
    whole.eval()  # dropout would make any two passes differ
    config = whole.config.get_text_config().to_dict()
    capped = any(value for name, value in config.items() if "cap" in name.partition("logit")[2])
    same = decoder is not whole and not capped and not before and not experts
    if same:
        with torch.no_grad():
            expected = whole(input_ids=probe, use_cache=False).logits.float()
            with contextlib.suppress(Exception):  # what a model calls its decoder may be anything
                same = False
                same = torch.allclose(
                    head(decoder(input_ids=probe, use_cache=False)[0]).float(), expected, rtol=1e-3, atol=1e-3
                )
    whole.train(training)
    if same:
        return LabelHead(lambda batch: (run(decoder, batch)[0], 0.0), head, vocabulary)
    return LabelHead(uncut, lambda logits: logits, vocabulary)


def label_loss(
    head: LabelHead, batch: Batch, logits_bytes: int = LOGITS_BYTES, smoothing: float = 0.0, teacher: Teacher | None = None
) -> tuple[Tensor, Tensor]:
    """Return the losses of a forward pass in nats, not divided.

    No attention mask is passed: with padding on the right, a causal model's tokens never see it.

    Args:
        head: from `label_head`.
        batch: the pass.
        logits_bytes: memory budget of one chunk of logits.
        smoothing: share of each label that is spread over the vocabulary.
        teacher: whose probabilities are learned, too.

    Returns:
        The weighted sum, a float32 scalar, with the auxiliary loss of experts as often as the labels weigh; and
        float32[texts], the labels' alone by text.
    """
    states, auxiliary = head.hidden(batch)
    # index_select, not a boolean mask: its backward is deterministic and needs no second search
    wanted = states.flatten(0, 1).index_select(0, batch.at)
    chunk = max(1, logits_bytes // (4 * head.vocabulary))
    of = partial(_losses, head.logits, smoothing, teacher)
    theirs = teacher.logits(batch) if teacher else None
    if len(batch.at) <= chunk:
        losses = of(wanted, batch.targets, theirs)
    else:
        pieces = [slice(start, start + chunk) for start in range(0, len(batch.at), chunk)]
        losses = torch.cat(
            [
                checkpoint(of, wanted[p], batch.targets[p], None if theirs is None else theirs[p], use_reentrant=False)
                for p in pieces
            ]
        )
    if batch.weights is not None:
        losses = losses * batch.weights
    by_text = torch.zeros(len(batch.samples), dtype=torch.float32, device=losses.device).index_add(0, batch.rows, losses)
    total = losses.sum()
    if isinstance(auxiliary, torch.Tensor):
        total = total + auxiliary * (len(batch.at) if batch.weights is None else batch.weights.sum())
    return total, by_text


def _losses(
    logits: Callable[[Tensor], Tensor], smoothing: float, teacher: Teacher | None, states: Tensor, targets: Tensor,
    theirs: Tensor | None,
) -> Tensor:  # fmt: skip
    """Return the cross entropy in float32 of hidden states [n, width] at targets int64[n]: float32[n]."""
    mine = logits(states).float()
    losses = cross_entropy(mine, targets, reduction="none", label_smoothing=smoothing)
    return losses if teacher is None or theirs is None else teacher.mixed(losses, mine, theirs)
