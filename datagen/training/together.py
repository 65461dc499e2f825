"""A run in several processes: this one begins the others, or torchrun did; they get their rows from it and follow its steps."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from datagen.child import end_with_parent, python
from datagen.data.rows import Row
from datagen.errors import DatagenError, ModelError, Stopped, UsageError
from datagen.training.loop import train
from datagen.training.options import TrainOptions
from datagen.training.outcome import Trained
from datagen.training.parallel import arranged, check_divided, joined, place
from datagen.training.show import SILENT, Show

_HERE = b"here\n"  # what a process says when it has begun
_JOINED: list[bool] = []  # whether the processes of torchrun were told what to do


def train_together(
    rows: Sequence[Row], options: TrainOptions, out: Path, eval_rows: Sequence[Row] | None,
    on_step: Callable[[dict[str, Any]], None], show: Show = SILENT,
) -> Trained:  # fmt: skip
    """Train as `loop.train`, in as many processes as the options or torchrun say.

    Raises:
        DatagenError: as `loop.train`; ModelError also where another process is gone.
    """
    _, size = place()
    if size == 1 and options.processes == 1:
        _check_alone(options)
        return train(rows, options, out, eval_rows, on_step, show=show)
    if size == 1:
        check_divided(options.processes, options)  # before processes are begun for it
    with contextlib.ExitStack() as stack:
        count = stack.enter_context(_followers(options.processes)) if size == 1 else size
        world = stack.enter_context(joined(0, count))
        _JOINED.append(True)
        world.told((rows, options, out, eval_rows))
        return train(rows, options, out, eval_rows, on_step, show=show, world=arranged(world, options))


def _check_alone(options: TrainOptions) -> None:
    """Refuse what one process would ignore in silence."""
    if (shared := options.tensor_parallel) > 1:
        raise UsageError(f"train: --tensor-parallel {shared} needs --processes {shared}, or a multiple of it")
    if (stages := options.pipeline_parallel) > 1:
        raise UsageError(f"train: --pipeline-parallel {stages} needs --processes {stages}")
    if options.parallel == "fsdp":
        raise UsageError("train: --parallel fsdp needs several processes: --processes 2, or torchrun")


@contextlib.contextmanager
def _followers(size: int) -> Iterator[int]:
    """Begin the other processes of a run on this machine; they end with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, torch.get_num_threads() // size)
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": str(threads)}
    before, had = torch.get_num_threads(), {name: os.environ.get(name) for name in shared}
    os.environ |= shared
    torch.set_num_threads(threads)
    words = python("datagen.training.together", os.getpid())
    children = [
        subprocess.Popen(words, env={**os.environ, "RANK": str(rank)}, stdout=subprocess.PIPE) for rank in range(1, size)
    ]
    try:
        for rank, child in enumerate(children, 1):
            assert child.stdout is not None
            if child.stdout.readline() != _HERE:  # else all would wait for one that never comes
                raise ModelError(f"process {rank} of this run did not begin; what it said is above")
        yield size
    finally:
        torch.set_num_threads(before)
        for name, value in had.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            child.kill()
            child.wait()


def follow() -> None:
    """Take part in a run as one that does not write: wait for its rows, and take its steps."""
    rank, size = place()
    # The first process hears Ctrl+C, and says when all stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with joined(rank, size) as world:
        told = world.told(None)
        if told is None:
            return
        rows, options, out, eval_rows = told
        with contextlib.suppress(Stopped):
            train(rows, options, out, eval_rows, world=arranged(world, options))


def dismiss() -> None:
    """Let the other processes of torchrun go, where there was nothing to train."""
    rank, size = place()
    if size > 1 and rank == 0 and not _JOINED:
        with joined(0, size) as world:
            world.told(None)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.write(1, _HERE)
    try:
        follow()
    except DatagenError as error:
        sys.exit(f"datagen: process {place()[0]}: {error}")
