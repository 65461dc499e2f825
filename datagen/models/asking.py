"""Many requests to one model, their answers as they come: for what asks about rows one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Any

from datagen.models.background import streamed
from datagen.models.chat import Chat
from datagen.models.completion import Completion

GRACE_S = 0.75  # for answers under way when the run is interrupted
STOP_S = 10.0  # for them when the endpoint refuses all others


def answers(chat: Chat, bodies: Sequence[Mapping[str, Any]]) -> Generator[tuple[int, Completion], None, None]:
    """Yield the place of each chat request and its answer, in the order in which they come; the chat is closed afterwards.

    They are begun in order, as many at a time as the chat has slots. What is recorded is not asked again, and an answer that
    was paid for when the caller stops, or an error ends it, is waited for and recorded.

    Raises:
        DatagenError: every request would meet it (key, address, a cap).
    """
    return streamed(lambda: _answers(chat, bodies))


async def _answers(chat: Chat, bodies: Sequence[Mapping[str, Any]]) -> AsyncIterator[tuple[int, Completion]]:
    waiting = iter(enumerate(bodies))
    come: asyncio.Queue[tuple[int, Completion] | BaseException] = asyncio.Queue()

    async def ask() -> None:
        try:
            for at, body in waiting:
                come.put_nowait((at, await chat.complete("chat/completions", body, 0)))
        except Exception as e:  # noqa: BLE001 - it is raised where the answers are taken
            come.put_nowait(e)

    tasks = [asyncio.ensure_future(ask()) for _ in range(min(chat.concurrency, len(bodies)))]
    grace_s: float | None = GRACE_S
    try:
        for _ in bodies:
            found = await come.get()
            if isinstance(found, BaseException):
                grace_s = STOP_S if chat.failure else None  # where all would fail, one that hangs must not keep it back
                raise found
            yield found
    finally:
        chat.closing = True
        try:
            if chat.paid:
                await asyncio.wait([asyncio.ensure_future(chat.drained())], timeout=grace_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await chat.close()
