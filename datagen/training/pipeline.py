"""A model cut into stages: each process has some of its blocks, and passes go from one to the next.

What lies before and after the blocks is transformers' plan for a model. A stage's states and their gradients travel inside its
graph: `_Received` and `_Sent` are the ends of it, so that a loss is made and goes back as in one process. How many passes are
on their way before the first goes back is the number of stages behind: one forward, one backward (arXiv 2006.09503).
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

from datagen.errors import ModelError
from datagen.models.weights import base_model
from datagen.training.attention import among
from datagen.training.loss import LabelHead, Network

if TYPE_CHECKING:
    from torch import Tensor

    from datagen.training.passes import Batch

Losses = tuple["Tensor", "Tensor"]
APART = 1e-4  # relative: the stages one after the other beside the whole model


class _Elsewhere(nn.Module):
    """A block of another stage: what comes in goes out. A decoder may read what kind of attention it has, or its number."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        for name, value in vars(block).items():
            if isinstance(value, str | int) and not hasattr(self, name):
                setattr(self, name, value)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden_states


class _Received(torch.autograd.Function):
    """The states of the stage before; their gradient goes back to it."""

    @staticmethod
    def forward(ctx: Any, spur: Tensor, shape: tuple[int, ...], stage: PipelineStage) -> Tensor:
        ctx.stage = stage
        states = torch.empty(shape, dtype=spur.dtype, device=spur.device)
        dist.recv(states, stage.rank - 1)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        ctx.stage.send(grads[0], ctx.stage.rank - 1)
        return torch.zeros((), dtype=grads[0].dtype, device=grads[0].device), None, None


class _Sent(torch.autograd.Function):
    """The end of a stage: a number that stands for the loss that the last one makes of its states."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, stage: PipelineStage) -> Tensor:
        ctx.stage, ctx.like = stage, (states.shape, states.dtype, states.device)
        stage.send(states, stage.rank + 1)
        return torch.zeros((), device=states.device)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        shape, dtype, device = ctx.like
        grad = torch.empty(shape, dtype=ctx.stage.spur.dtype, device=device)
        dist.recv(grad, ctx.stage.rank + 1)
        return grad.to(dtype), None


class PipelineStage:
    """The blocks that a process has.

    Attributes:
        rank: of the process, and the place of its stage.
        ahead: passes on their way before the first goes back.
        shared: weights that the first and the last stage use; each has a part of their gradient.
    """

    def __init__(self, network: Network, rank: int, size: int) -> None:
        """Cut a network in place.

        Raises:
            ModelError: it cannot be cut, or the stages would not give what it gives whole.
        """
        model = network.model
        self.rank, self.size, self.ahead = rank, size, size - 1 - rank
        self.whole = base_model(model)
        self.decoder = self.whole.get_decoder()
        self.width = self.whole.config.get_text_config().hidden_size
        embedded, head = self.whole.get_input_embeddings().weight, self.whole.get_output_embeddings().weight
        _check(network, self.whole, self.decoder, size)
        _keep(self.decoder, self.whole.get_input_embeddings(), _plan(self.whole), rank, size)
        tied = embedded is head
        embedded.requires_grad_(embedded.requires_grad and (tied or rank == 0))
        head.requires_grad_(head.requires_grad and (tied or self.last))
        self.shared = [embedded] if tied and embedded.requires_grad else []
        self.spur = torch.zeros((), dtype=embedded.dtype, device=embedded.device, requires_grad=True)
        self._sending: deque[tuple[Any, Tensor]] = deque()
        network.head = LabelHead(lambda batch: (self.states(batch), 0.0), network.head.logits, network.head.vocabulary)
        network.stage = self

    @property
    def last(self) -> bool:
        """Whether this stage makes the loss."""
        return self.rank == self.size - 1

    def send(self, tensor: Tensor, to: int) -> None:
        """Send a tensor while this process goes on."""
        held = tensor.detach().to(self.spur.dtype).contiguous()
        self._sending.append((dist.isend(held, to), held))
        while len(self._sending) > 2 * self.size:
            self._sending.popleft()[0].wait()

    def states(self, batch: Batch) -> Tensor:
        """Return the hidden states of a pass after this stage."""
        inputs: dict[str, Any] = {"input_ids": batch.input_ids}
        if self.rank:
            shape = (*batch.input_ids.shape, self.width)
            inputs = {"inputs_embeds": _Received.apply(self.spur, shape, self)}  # type: ignore[no-untyped-call]
        device = str(batch.input_ids.device)
        with among(self.whole, batch.nodes, device) if batch.nodes else contextlib.nullcontext():
            states: Tensor = self.decoder(**inputs, position_ids=batch.positions, use_cache=False)[0]
        return states

    def losses(self, batch: Batch, of: Callable[[Batch], Losses]) -> Losses:
        """Return the losses of a pass; while gradients are on, another stage than the last has numbers that stand for them."""
        if self.last:
            total, by_text = of(batch)
        else:
            total = _Sent.apply(self.states(batch), self)  # type: ignore[no-untyped-call]
            by_text = total.expand(len(batch.samples))
        if torch.is_grad_enabled():
            return total, by_text
        found = torch.cat([total[None].float(), by_text.float()])
        dist.broadcast(found, self.size - 1)
        return found[0], found[1:]


def _plan(whole: Any) -> tuple[list[str], list[str]]:
    """Return the names of what a decoder does before and after its `layers`.

    Raises:
        ModelError: transformers has no such plan for it.
    """
    config = whole.config.get_text_config()
    names = list(getattr(config, "base_model_pp_plan", None) or ())
    if "layers" not in names:
        raise ModelError(f"--pipeline-parallel: transformers has no plan of stages for a {config.model_type}")
    at = names.index("layers")
    return names[:at], names[at + 1 :]


def _keep(decoder: Any, embedding: Any, plan: tuple[list[str], list[str]], rank: int, size: int) -> list[tuple[Any, str, Any]]:
    """Leave a decoder the blocks of one stage; return (of what, name, module) for what was taken."""
    blocks, (before, after) = decoder.layers, plan
    mine = range(rank * len(blocks) // size, (rank + 1) * len(blocks) // size)
    away = [(blocks, str(i), block) for i, block in enumerate(blocks) if i not in mine]
    # The embedding stays: it is not asked where states come in.
    names = [name for name in before if rank and getattr(decoder, name) is not embedding]
    names += after if rank < size - 1 else []
    away += [(decoder, name, getattr(decoder, name)) for name in names]
    for holder, name, module in away:
        setattr(holder, name, _Elsewhere(module) if holder is blocks else nn.Identity())
    return away


def _check(network: Network, whole: Any, decoder: Any, size: int) -> None:
    """Check that the stages, one after the other, give what a model gives whole.

    Raises:
        ModelError: they do not, or there are fewer blocks than stages.
    """
    plan = _plan(whole)
    if len(decoder.layers) < size:
        raise ModelError(f"--pipeline-parallel {size}: the model has {len(decoder.layers)} blocks; give that many at most")
    training = network.training
    network.eval()
    probe = torch.arange(8, device=whole.device)[None] % network.head.vocabulary
    same = False
    with torch.no_grad(), contextlib.suppress(TypeError, ValueError, AttributeError, IndexError, RuntimeError):
        expected = whole(input_ids=probe, use_cache=False).logits.float()
        inputs = {"input_ids": probe}
        for rank in range(size):
            with _as_stage(decoder, whole.get_input_embeddings(), plan, rank, size):
                inputs = {"inputs_embeds": decoder(**inputs, use_cache=False)[0]}
        found = network.head.logits(inputs["inputs_embeds"]).float()
        same = found.shape == expected.shape and bool((found - expected).norm() <= APART * expected.norm())
    network.train(training)
    if not same:
        raise ModelError(f"--pipeline-parallel: a {whole.config.model_type} cannot be cut into stages here")


@contextlib.contextmanager
def _as_stage(decoder: Any, embedding: Any, plan: tuple[list[str], list[str]], rank: int, size: int) -> Iterator[None]:
    """Leave a decoder one stage for a while."""
    away = _keep(decoder, embedding, plan, rank, size)
    try:
        yield
    finally:
        for holder, name, module in away:
            setattr(holder, name, module)
