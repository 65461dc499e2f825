"""Several processes that train one model: each has a share of every global batch, and all take the same step.

`ddp`: each process holds the whole model, and gradients are summed. `fsdp`: PyTorch's FSDP2 holds a shard of each weight, its
gradient and its moments in each process. With `tensor_parallel` some share each layer, and have the same rows; with
`pipeline_parallel` each has some of the blocks. The loss is summed over the label tokens of the whole batch and divided once,
so that the result is that of one process, up to rounding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.rendezvous import rendezvous

from datagen.errors import ModelError, UsageError, first_line
from datagen.models.bottleneck import blocks
from datagen.models.causal_lm import pick_device
from datagen.training.batches import Sample
from datagen.training.tensor_parallel import is_cut, local
from datagen.training.tree import read_length

if TYPE_CHECKING:
    from torch import Tensor, nn

    from datagen.training.options import TrainOptions

T = TypeVar("T")
# In what a lost process raises here.
_GONE = re.compile("connection|closed|reset|peer|timed? ?out|remote process", re.IGNORECASE)
WAIT = timedelta(minutes=30)  # for a process that computes longer than the others; one that is gone is noticed at once


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this one is.

    Attributes:
        rank: of this process; 0 writes.
        size: how many there are.
        sharded: whether weights are sharded between them by FSDP2.
        mesh: of (data, tensor): those in a line of the second share each layer; None where each has whole layers.
        staged: whether each has some of the blocks, and all have the same rows.
        device: that this process computes on; "" where its options say.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False
    mesh: DeviceMesh | None = field(default=None, compare=False)
    staged: bool = False
    device: str = ""

    @property
    def writes(self) -> bool:
        """Whether this process writes files and says things."""
        return self.rank == 0

    @property
    def cut(self) -> bool:
        """Whether no process has all weights."""
        return self.sharded or self.staged or self.mesh is not None

    @property
    def _data(self) -> tuple[int, int, Any]:
        """Which share of the rows this process has, of how many, and the group of the processes that have the others."""
        if self.staged:
            return 0, 1, None
        if self.mesh is None:
            return self.rank, self.size, None
        return self.mesh.get_local_rank("data"), self.mesh["data"].size(), self.mesh["data"].get_group()

    @property
    def shares(self) -> int:
        """How many shares of the rows there are."""
        return self._data[1]

    @property
    def share_at(self) -> int:
        """Which of them this process has, from 0."""
        return self._data[0]

    def share(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return this process's part of a global batch: neighbours in the order of their tokens, about as many to each."""
        rank, size, _ = self._data
        if size == 1:
            return list(samples)
        ordered = sorted(samples, key=lambda s: s.input_ids)
        costs = [sum(read_length(t) for t in s.texts) for s in ordered]
        whole, reached, mine = sum(costs), 0, []
        for sample, cost in zip(ordered, costs, strict=True):
            if min(size - 1, (reached + cost // 2) * size // whole) == rank:
                mine.append(sample)
            reached += cost
        return mine

    def sum(self, tensor: Tensor) -> Tensor:
        """Return a tensor summed over the shares of the rows, the same in each process."""
        _, size, group = self._data
        if size > 1:
            dist.all_reduce(tensor, group=group)
        return tensor

    def most(self, number: int) -> int:
        """Return the largest number of any process."""
        if self.size == 1:
            return number
        found = torch.tensor([number], dtype=torch.int64)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found.item())

    def evened(self, passes: Sequence[T], spare: Callable[[], T]) -> list[T]:
        """Return passes, and behind them as many that count for nothing as make them as many in each process.

        Sharded weights are gathered by all at once, so who has fewer passes computes one for nothing.
        """
        missing = self.most(len(passes)) - len(passes) if self.sharded else 0
        return [*passes, *[spare()] * missing] if missing else [*passes]

    def told(self, thing: Any) -> Any:
        """Return what process 0 has, in each."""
        if self.size == 1:
            return thing
        held = [thing]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def gathered(self, things: Sequence[Any]) -> list[Any]:
        """Return what there is of each share of the rows, one behind the other."""
        _, size, group = self._data
        if size == 1:
            return list(things)
        found: list[Any] = [None] * size
        dist.all_gather_object(found, list(things), group=group)
        return [thing for held in found for thing in held]

    def told_by_last(self, thing: Any) -> Any:
        """Return what the last stage has, in each; without stages what this process has."""
        if not self.staged:
            return thing
        held = [thing]
        dist.broadcast_object_list(held, src=self.size - 1)
        return held[0]

    def collected(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the named tensors of all stages, in process 0; without stages those of this process."""
        if not self.staged:
            return parts
        found: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(parts, found)
        return {name: tensor for held in reversed(found or [parts]) for name, tensor in held.items()}

    def scale(self) -> float:
        """Return what a loss is multiplied with before its gradient: FSDP2 takes the mean over the processes, not the sum."""
        return float(self.size) if self.sharded else 1.0

    def sum_gradients(self, trained: Mapping[str, Tensor], partial: Sequence[Tensor] = ()) -> None:
        """Sum the gradients of all shares of the rows into each process; one that has none counts as 0.

        Args:
            trained: the parameters.
            partial: of them, those of whose gradient each process that shares a layer, or has a stage, has a part.
        """
        _, size, group = self._data
        if self.staged:
            for p in partial:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            self._sum([p.grad for p in partial if p.grad is not None], None)
        if self.mesh is not None:
            self._sum([p.grad for p in partial if p.grad is not None], self.mesh["tensor"].get_group())
        if size == 1 or self.sharded:
            return
        for p in trained.values():
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        self._sum([local(p.grad) for p in trained.values()], group)

    def _sum(self, grads: Sequence[Tensor], group: Any) -> None:
        """Sum gradients over a group of processes, in place."""
        for some in _buckets(grads):
            flat = torch.cat([g.flatten() for g in some])
            dist.all_reduce(flat, group=group)
            for g, part in zip(some, torch.split(flat, [g.numel() for g in some]), strict=True):
                g.copy_(part.view_as(g))


def clip(trained: Mapping[str, Tensor], most: float, world: World, same: Sequence[Tensor] = ()) -> float:
    """Scale gradients so that their norm is at most so much; return what it was.

    `clip_grad_norm_` refuses a mixture of cut and whole ones, and knows nothing of stages.

    Args:
        trained: the parameters of this process.
        most: the largest norm.
        world: whose processes share layers, or have stages.
        same: of stages, the parameters that all of them have.
    """
    if world.mesh is None and not world.staged:
        return whole(torch.nn.utils.clip_grad_norm_(list(trained.values()), most)).item()
    grads = {id(p): p.grad for p in trained.values() if p.grad is not None}
    everywhere = {id(p) for p in same} if world.staged else {name for name, grad in grads.items() if not is_cut(grad)}
    sums = torch.zeros(2, dtype=torch.float64)
    for name, grad in grads.items():
        sums[int(name in everywhere)] += local(grad).double().square().sum().cpu()
    mine = sums[:1].clone()
    dist.all_reduce(mine, group=world.mesh["tensor"].get_group() if world.mesh else None)
    norm = float((mine[0] + sums[1]).sqrt().item())
    for grad in grads.values():
        local(grad).mul_(min(1.0, most / (norm + 1e-6)))
    return norm


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
def joined(rank: int, size: int) -> Iterator[World]:
    """Join the other processes, whose place is in the environment (MASTER_ADDR, MASTER_PORT), and leave them at the end.

    Raises:
        ModelError: one of them is gone.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, size = next(rendezvous("env://", rank, size, timeout=WAIT))
    # torchrun that begins processes again may keep its store, in which the addresses of those that are gone still stand.
    attempt = PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(backend, store=attempt, rank=rank, world_size=size, timeout=WAIT)
    try:
        yield World(rank, size)
    except (RuntimeError, dist.DistError) as error:
        if not _GONE.search(str(error)):
            raise
        raise ModelError(
            f"another process of this run is gone ({first_line(error)}); the same command goes on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()


def arranged(world: World, options: TrainOptions) -> World:
    """Return the world of a run whose options are known; every process has to ask.

    Raises:
        UsageError: its processes cannot be divided so.
    """
    tensor, pipeline = options.tensor_parallel, options.pipeline_parallel
    device = pick_device(options.device)
    if device.startswith("cuda"):
        device = f"cuda:{int(os.environ.get('LOCAL_RANK', world.rank)) % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
        if pipeline > 1:
            raise UsageError(
                "train: --pipeline-parallel was made for processors only so far; --tensor-parallel is for GPUs, too"
            )
    check_divided(world.size, options)
    if pipeline > 1:
        return World(world.rank, world.size, staged=True, device=device)
    if tensor == 1:
        return World(world.rank, world.size, sharded=options.parallel == "fsdp", device=device)
    shape, names = (world.size // tensor, tensor), ("data", "tensor")
    mesh = init_device_mesh(device.partition(":")[0], shape, mesh_dim_names=names)
    return World(world.rank, world.size, mesh=mesh, device=device)


def check_divided(size: int, options: TrainOptions) -> None:
    """Check that so many processes can share the work as the options say; raises UsageError."""
    tensor, pipeline = options.tensor_parallel, options.pipeline_parallel
    if pipeline > 1 and (tensor > 1 or options.eot_token):
        raise UsageError("train: --pipeline-parallel goes neither with --tensor-parallel nor with --eot-token")
    if pipeline > 1 and size != pipeline:
        raise UsageError(f"train: --pipeline-parallel {pipeline} wants {pipeline} processes, not {size}")
    if size % tensor:
        raise UsageError(f"train: {size} processes cannot be divided by --tensor-parallel {tensor}")


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
