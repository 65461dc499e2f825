"""Several processes that train one model: each has a share of every global batch, and all take the same step.

`ddp`: each process holds the whole model, and gradients are summed. `fsdp`: PyTorch's FSDP2 holds a shard of each weight, its
gradient and its moments in each process. The loss is summed over the label tokens of the whole batch and divided once, so that
the result is that of one process, up to rounding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from datagen.errors import ModelError, first_line
from datagen.models.bottleneck import blocks
from datagen.training.batches import Sample
from datagen.training.tree import read_length

if TYPE_CHECKING:
    from torch import Tensor, nn

_GONE = re.compile("connection|closed|reset|peer|timed? ?out|nccl", re.IGNORECASE)  # in what a lost process raises here
WAIT = timedelta(minutes=30)  # for a process that computes longer than the others; one that is gone is noticed at once


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this one is.

    Attributes:
        rank: of this process; 0 writes.
        size: how many there are.
        sharded: whether weights are sharded between them.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def writes(self) -> bool:
        """Whether this process writes files and says things."""
        return self.rank == 0

    def share(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return this process's part of a global batch: neighbours in the order of their tokens, about as many to each."""
        if self.size == 1:
            return list(samples)
        ordered = sorted(samples, key=lambda s: s.input_ids)
        costs = [sum(read_length(t) for t in s.texts) for s in ordered]
        whole, reached, mine = sum(costs), 0, []
        for sample, cost in zip(ordered, costs, strict=True):
            if min(self.size - 1, (reached + cost // 2) * self.size // whole) == self.rank:
                mine.append(sample)
            reached += cost
        return mine

    def sum(self, tensor: Tensor) -> Tensor:
        """Return a tensor summed over the processes, the same in each."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def most(self, number: int) -> int:
        """Return the largest number of any process."""
        if self.size == 1:
            return number
        found = torch.tensor([number])
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found.item())

    def told(self, thing: Any) -> Any:
        """Return what process 0 has, in each."""
        if self.size == 1:
            return thing
        held = [thing]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def gathered(self, things: Sequence[Any]) -> list[Any]:
        """Return what each process has, one behind the other."""
        if self.size == 1:
            return list(things)
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, list(things))
        return [thing for held in found for thing in held]

    def scale(self) -> float:
        """Return what a loss is multiplied with before its gradient: FSDP2 takes the mean over the processes, not the sum."""
        return float(self.size) if self.sharded else 1.0

    def sum_gradients(self, trained: Mapping[str, Tensor]) -> None:
        """Sum the gradients of all processes into each; one that has none counts as 0."""
        if self.size == 1 or self.sharded:
            return
        for p in trained.values():
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        grads = [p.grad for p in trained.values() if p.grad is not None]
        for some in _buckets(grads):
            flat = torch.cat([g.flatten() for g in some])
            dist.all_reduce(flat)
            for g, part in zip(some, torch.split(flat, [g.numel() for g in some]), strict=True):
                g.copy_(part.view_as(g))


def _buckets(tensors: Sequence[Tensor], most: int = 25 * 2**20) -> Iterator[list[Tensor]]:
    """Yield tensors in groups of one type, of about so many bytes."""
    held: list[Tensor] = []
    for tensor in tensors:
        if held and (held[0].dtype != tensor.dtype or sum(t.nbytes for t in held) >= most):
            yield held
            held = []
        held.append(tensor)
    if held:
        yield held


ALONE = World()


@contextmanager
def joined(rank: int, size: int, *, sharded: bool, device: str) -> Iterator[World]:
    """Join the other processes, whose place is in the environment (MASTER_ADDR, MASTER_PORT), and leave them at the end.

    Raises:
        ModelError: one of them is gone.
    """
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", rank=rank, world_size=size, timeout=WAIT)
    try:
        yield World(rank, size, sharded)
    except (RuntimeError, dist.DistError) as error:
        if not _GONE.search(str(error)):
            raise
        raise ModelError(
            f"another process of this run is gone ({first_line(error)}); the same command goes on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()


def place() -> tuple[int, int]:
    """Return the rank and the number of processes that torchrun, or we, put into the environment; (0, 1) alone."""
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1


def shard(network: nn.Module) -> None:
    """Shard a network in place by FSDP2, each of its blocks by itself."""
    from torch.distributed.fsdp import fully_shard

    for block in blocks(network):
        fully_shard(block)
    fully_shard(network)


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with the shards of all processes, on the processor; each of them has to ask."""
    full = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full.detach().cpu().contiguous()


def put(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded."""
    with torch.no_grad():
        target.copy_(as_sharded(target, value))


def as_sharded(like: Any, value: Tensor) -> Tensor:
    """Return a whole tensor sharded as another one, and on its device."""
    if not hasattr(like, "full_tensor"):
        return value.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
