"""An event loop in a thread of its own, for generators that are plain iterators outside and concurrent inside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines to their end from plain code, inside a notebook's loop too; Ctrl+C stops the waiting, not the loop."""

    def __enter__(self) -> BackgroundLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._waiting: Future[Any] | None = None
        return self

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine in the loop and return its result; one that an interrupt left unfinished is cancelled first."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.cancel()
            wait([self._waiting], timeout=5)

        async def done() -> T:
            return await work

        self._waiting = asyncio.run_coroutine_threadsafe(done(), self._loop)
        result: T = self._waiting.result()
        return result

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
