"""Work that asks one model many times, done side by side and handed on in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from datagen.models.background import streamed
from datagen.models.chat import TURN, Chat
from datagen.models.completion import Completion

T = TypeVar("T")
GRACE_S = 0.75  # for answers under way when the run is interrupted
STOP_S = 10.0  # for them when the endpoint refuses all others
LEAST_AHEAD = 64  # pieces of work begun, so that a slow one holds up no other


def in_order(chat: Chat, work: Iterable[Callable[[], Awaitable[T]]]) -> Generator[T, None, None]:
    """Yield what each piece of work returns, in the order of the pieces; the chat is closed afterwards.

    They are begun in order, as many ahead as keep every slot of the chat busy. What is recorded is not asked again, and an
    answer that was paid for when the caller stops, or an error ends it, is waited for and recorded.

    Raises:
        DatagenError: a piece raised it, or every request would meet it (key, address, a cap).
    """
    return streamed(lambda: _in_order(chat, work))


def answers(chat: Chat, bodies: Sequence[Mapping[str, Any]]) -> Generator[tuple[int, Completion], None, None]:
    """Yield the place of each chat request and its answer, in order; see `in_order`."""

    def asked(body: Mapping[str, Any]) -> Callable[[], Awaitable[Completion]]:
        return lambda: chat.complete("chat/completions", body, 0)

    yield from enumerate(in_order(chat, map(asked, bodies)))


async def _in_order(chat: Chat, work: Iterable[Callable[[], Awaitable[T]]]) -> AsyncIterator[T]:
    waiting, ahead = iter(work), max(LEAST_AHEAD, 2 * chat.ahead)
    under_way: deque[asyncio.Future[T]] = deque()
    stopped = asyncio.ensure_future(chat.stopped.wait())
    grace_s: float | None = GRACE_S
    begun = 0
    try:
        while True:
            while len(under_way) < ahead and (begin := next(waiting, None)) is not None:
                TURN.set(begun)  # the piece's own context is a copy of this one
                begun += 1
                under_way.append(asyncio.ensure_future(begin()))
            if not under_way:
                return
            await asyncio.wait([cast("asyncio.Future[Any]", under_way[0]), stopped], return_when=asyncio.FIRST_COMPLETED)
            if chat.failure:  # every request would meet it: nobody waits for those that were sent before
                raise chat.failure
            yield under_way.popleft().result()
    except Exception:
        grace_s = STOP_S if chat.failure else None  # where all would fail, one that hangs must not keep it back
        raise
    finally:
        chat.closing = True
        try:
            if chat.paid:
                await asyncio.wait([asyncio.ensure_future(chat.drained())], timeout=grace_s)
        finally:
            stopped.cancel()
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await chat.close()
