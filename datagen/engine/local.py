"""The engine of one machine: a pool of processes, results in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from datagen.child import end_with_parent
from datagen.errors import DatagenError

A = TypeVar("A")
B = TypeVar("B")


class LocalEngine:
    """Runs a picklable function over items in a pool of processes that starts at its first use."""

    def __init__(self, workers: int | None = None) -> None:
        """Use so many processes; by default one per core this process may run on."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.workers = workers or cores or 1
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Yield function(item) for each item, in order; a single item runs in this process."""
        items = list(items)
        if len(items) < 2 or self.workers < 2:
            yield from map(function, items)
            return
        if self._pool is None:
            # An orphan would wait for work for ever. spawn: a fork of a process with threads (Arrow's, torch's) may hang.
            spawn = multiprocessing.get_context("spawn")
            with _without_current_folder():  # its locks start the tracker
                self._pool = ProcessPoolExecutor(self.workers, spawn, initializer=end_with_parent, initargs=(os.getpid(),))
        # Ctrl+C reaches the whole group: workers, which start here, inherit the block and leave the word to this process.
        with _without_current_folder():
            multiprocessing.resource_tracker.ensure_running()  # it would lift the block where it starts later
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _without_current_folder(), _without_main():
                results = self._pool.map(function, items)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            yield from results
        except BrokenProcessPool:
            raise DatagenError("a scoring process died, most likely for want of memory; run the same command again") from None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)


@contextlib.contextmanager
def _without_current_folder() -> Iterator[None]:
    """Start processes that look for no module in the current folder before they have this one's import path."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the script again which uses datagen: what they do is all in modules.

    A process that is spawned imports the main script first, and one that calls datagen without asking for its `__name__`
    would call it there once more.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
