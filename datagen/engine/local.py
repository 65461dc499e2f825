"""The engine of one machine: a pool of processes, results in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


class LocalEngine:
    """Runs a picklable function over items in a pool of processes that starts at its first use."""

    def __init__(self, workers: int | None = None) -> None:
        """Use so many processes; by default one per core this process may run on."""
        self.workers = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Yield function(item) for each item, in order; a single item runs in this process."""
        items = list(items)
        if len(items) < 2 or self.workers < 2:
            yield from map(function, items)
            return
        if self._pool is None:
            # spawn: a fork of a process with threads (Arrow's, torch's) may hang.
            self._pool = ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"))
        yield from self._pool.map(function, items)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
