"""Rows to train on in a test, the tiny model loaded, and a second process to train with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import Row, new_row
from datagen.models.causal_lm import load
from datagen.training.loop import train
from datagen.training.options import TrainOptions
from datagen.training.parallel import arranged, joined

OnStep = Callable[[dict[str, Any]], None]
SECOND = Path(__file__).parents[1] / "support" / "second_process.py"


@pytest.fixture
def tiny(tiny_dir: Path) -> tuple[Any, Any]:
    return load(str(tiny_dir), "cpu", "float32")


@pytest.fixture
def sums() -> list[Row]:
    """Twelve rows with answers of 1 to 12 words, of two sources."""
    return [
        new_row(
            instruction=f"What is {i} plus {i}?",
            output=" ".join(["It is", str(2 * i), *["or so"] * i]),
            source="odd" if i % 2 else "even",
        )
        for i in range(12)
    ]


@pytest.fixture(scope="module")
def pair() -> Iterator[Callable[..., Any]]:
    """Train in two processes, of which the second is begun once for a module: `train_together` begins it for each run.

    The two are in a group, and a process can be in no other: a test of the module that begins its own stands before this.
    """
    with socket.socket() as free, pytest.MonkeyPatch.context() as patched:
        free.bind(("127.0.0.1", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        for name, value in where.items():
            patched.setenv(name, value)
        free.close()
        second = subprocess.Popen([sys.executable, SECOND, str(os.getpid())])
        try:
            with joined(0, 2) as world:

                def run(rows: list[Row], options: TrainOptions, out: Path, on_step: OnStep | None = None) -> Any:
                    world.told((rows, options, out, rows[:5]))
                    return train(rows, options, out, rows[:5], on_step, world=arranged(world, options))

                yield run
                world.told(None)
        finally:
            second.kill()
            second.wait()


def stopping_after(step: int) -> OnStep:
    """Return what stops a run after a step, as `kill` does."""

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return stop
