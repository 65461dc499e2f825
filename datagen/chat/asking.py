"""Work that asks one model many times, done side by side and handed on in order."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from datagen.chat.background import streamed
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.turns import TURN
from datagen.errors import ModelError

T = TypeVar("T")
GRACE_S = 0.75  # an interrupted run waits for answers under way as long as one comes within this time of the last,
GRACE_IN_ALL_S = 4.0  # and no longer than this
STOP_S = 10.0  # for them when the endpoint refuses all others
LEAST_AHEAD = 64  # pieces of work begun, so that a slow one holds up no other


def in_order(
    chat: Chat, work: Iterable[Callable[[], Awaitable[T]]], watch: Callable[[T], None] = lambda done: None
) -> Generator[T, None, None]:  # fmt: skip
    """Yield what each piece of work returns, in the order of the pieces; the chat is closed afterwards.

    They are begun in order, as many ahead as keep every slot of the chat busy. What is recorded is not asked again, and an
    answer that was paid for when the caller stops, or an error ends it, is waited for and recorded.

    Args:
        chat: the model.
        work: the pieces, each begun by a call.
        watch: told what each piece returned, after it was yielded; what it raises ends the work.

    Raises:
        DatagenError: a piece raised it, or every request would meet it (key, address, a cap).
    """
    return streamed(lambda: _in_order(chat, work, watch))


class Stall:
    """Ends work of which nothing useful comes: so many pieces in a row that asked the model, and all in vain."""

    def __init__(self, most: int, what: str) -> None:
        """Take how many, and what the pieces are called."""
        self._most, self._what = most, what
        self._vain = 0
        self._why: Counter[str] = Counter()
        self._said = ""

    def note(self, asked: bool, why: str | None, said: str | None) -> None:
        """Count a piece.

        Args:
            asked: whether it asked the model; one that did not says nothing of it.
            why: the reason that nothing came of it, None where something did.
            said: the evidence for that.

        Raises:
            ModelError: it is one too many.
        """
        if not asked:
            return
        if why is None:
            self._vain = 0
            self._why.clear()
            return
        self._vain += 1
        self._why[why] += 1
        self._said = said or self._said
        if self._vain >= self._most:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in self._why.most_common(3))
            raise ModelError(
                f"the last {self._vain:,} {self._what} that the model was asked about came to nothing ({reasons}): {self._said}"
                "; try another model, see what `datagen doctor` says, ask again with --retry-failed, or give a larger --stall"
            )


def answers(chat: Chat, bodies: Sequence[Mapping[str, Any]]) -> Generator[tuple[int, Completion], None, None]:
    """Yield the place of each chat request and its answer, in order; see `in_order`."""

    def asked(body: Mapping[str, Any]) -> Callable[[], Awaitable[Completion]]:
        return lambda: chat.complete("chat/completions", body, 0)

    yield from enumerate(in_order(chat, map(asked, bodies)))


async def _in_order(
    chat: Chat, work: Iterable[Callable[[], Awaitable[T]]], watch: Callable[[T], None]
) -> AsyncIterator[T]:  # fmt: skip
    waiting, ahead = iter(work), max(LEAST_AHEAD, 2 * chat.concurrency)
    under_way: deque[asyncio.Future[T]] = deque()
    stopped = asyncio.ensure_future(chat.stopped.wait())
    grace: tuple[float | None, float | None] = (GRACE_S, GRACE_IN_ALL_S)
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
            done = under_way.popleft().result()
            yield done
            watch(done)
    except Exception:
        grace = (None, STOP_S if chat.failure else None)  # where all would fail, one that hangs must not keep it back
        raise
    finally:
        chat.closing = True
        try:
            if chat.paid:
                await chat.drain(*grace)
        finally:
            stopped.cancel()
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await chat.close()
