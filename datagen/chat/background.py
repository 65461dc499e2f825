"""An async source as a plain iterator: its event loop runs in a thread of its own, inside a notebook's loop too."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import TypeVar

T = TypeVar("T")
END = object()
CLOSE_S = 5.0  # for what an interrupted source does in its `finally`: longer than it waits for answers (`asking`)


def streamed(source: Callable[[], AsyncIterator[T]]) -> Generator[T, None, None]:
    """Yield what an async iterator yields, as fast as it comes.

    The source is never held up by its consumer: it puts its items in a queue and goes on. What it raises is raised here;
    when the consumer stops early (Ctrl+C too), the source is cancelled and has CLOSE_S to end.
    """
    items: queue.SimpleQueue[object] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()

    async def pump() -> None:
        async for item in source():
            items.put(item)

    task = loop.create_task(pump())
    ended: list[BaseException] = []

    def run() -> None:
        try:
            loop.run_until_complete(_quiet(task))
        except BaseException as e:  # noqa: BLE001 - an exit in somebody's coroutine ends the loop, and `pump` with it
            ended.append(e)
        finally:
            items.put(END)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not END:
            yield item  # type: ignore[misc]
        thread.join()
        if ended:
            raise ended[0]
        task.result()
    finally:
        if not task.done():
            loop.call_soon_threadsafe(task.cancel)
            thread.join(CLOSE_S)
        if not thread.is_alive():
            loop.close()


async def _quiet(task: asyncio.Task[None]) -> None:
    """Wait for a task whatever becomes of it; who made it looks at its result."""
    await asyncio.wait([task])
