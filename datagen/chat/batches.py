"""The Batch API of an endpoint: many requests in one file, their answers within a day, through the same journal.

A batch is recorded with its requests before it is sent, under a mark that goes with it as metadata. So one that a kill cut off
between sending and hearing its name is found again by its mark, and none of its requests is bought twice. What ended online
may be begun in a batch, and the other way round: the requests are the same, and so are their keys.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datagen.chat import failures
from datagen.chat.batch_exchange import over, results, sent, taken
from datagen.chat.budget import Room
from datagen.chat.client import Chat, ClosingError, Path_
from datagen.chat.journal import FREE
from datagen.errors import ModelError

QUIET_S = 0.5  # without a new request after which a batch is sent
GROWTH = 64  # so many more are let in, under a cap, with each answer that keeps to what was asked: a batch takes long
MOST_REQUESTS = 10_000  # of a batch; endpoints allow 50,000, but what a batch holds is held in memory too
MOST_BYTES = 150_000_000  # of its file; endpoints allow 200 MB


@dataclass
class Waiting:
    """A request that waits to be sent in a batch."""

    key: str
    path: Path_
    body: Mapping[str, Any]
    draw: int
    room: Room
    answered: asyncio.Future[tuple[str | None, failures.Failure | None]]


class BatchChat(Chat):
    """A chat whose requests go in batches; `concurrency` is how many one may hold."""

    def __post_init__(self) -> None:
        """Begin with nothing that waits."""
        super().__post_init__()
        self.budget.growth = GROWTH
        self._line: list[Waiting] = []
        self._came = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    waits = True  # for batches of earlier runs

    async def _attempt(
        self, key: str, path: Path_, body: Mapping[str, Any], draw: int, room: Room
    ) -> tuple[str | None, failures.Failure | None]:  # fmt: skip
        """Put a request in line; return its raw answer, recorded and settled, or the failure, recorded.

        It is an attempt from when its batch is begun: what a kill finds in line was not sent, and costs nothing.
        """
        if self.closing:
            raise ClosingError("the run is ending")
        room.outcome = FREE
        one = Waiting(key, path, body, draw, room, asyncio.get_running_loop().create_future())
        self._line.append(one)
        self._came.set()
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send_batches())
        try:
            return await one.answered
        except asyncio.CancelledError:
            if one in self._line:  # it was not sent
                self._line.remove(one)
            raise

    async def _send_batches(self) -> None:
        """Send a batch whenever no request has come for a moment, or one is full."""
        while True:
            await self._came.wait()
            self._came.clear()
            while len(self._line) < self.concurrency:
                try:
                    await asyncio.wait_for(self._came.wait(), QUIET_S)
                    self._came.clear()
                except TimeoutError:
                    break
            while self._line and not self.closing:
                items = _fitting(self._line, self.concurrency)
                del self._line[: len(items)]
                task = asyncio.ensure_future(self._done(items))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _done(self, items: Sequence[Waiting]) -> None:
        """Send a batch, wait for it, and hand on what came; an error is every request's."""
        mark = uuid.uuid4().hex
        try:
            for one in items:
                one.room.outcome = None  # from here on nobody knows until it has ended
            attempts = await asyncio.gather(*map(self._begun, items))
            waiting = dict(zip(attempts, items, strict=True))
            await self.journal.batched(mark, items[0].path, self.base_url, [(n, w.key) for n, w in waiting.items()])
            name = await sent(self, mark, items[0].path, [(n, w.body) for n, w in waiting.items()])
            self.sent += len(items)
            self.say(f"batch {name}: {len(items):,} request{'s' * (len(items) != 1)} sent")
            batch = await over(self, name)
            lines = await results(self, batch)
            for attempt, one in waiting.items():
                found = await taken(self, attempt, one.key, lines.get(str(attempt)), batch, one.room, one.room.most)
                if not one.answered.done():
                    one.answered.set_result(found)
            await self.journal.batch_ended(mark)
        except BaseException as e:
            for one in items:
                if not one.answered.done():
                    one.answered.set_exception(e if isinstance(e, Exception) else ClosingError("the run is ending"))
                    one.answered.exception()  # nobody may be waiting for it any more
            if isinstance(e, ModelError) and not isinstance(e, ClosingError):
                self.failure, self.closing = self.failure or e, True
                self.stopped.set()
            if not isinstance(e, Exception):
                raise

    async def _begun(self, one: Waiting) -> int:
        """Record the attempt of a request whose batch is about to be sent; return its number."""
        most_usd = self.budget.cost(one.room.most)
        return await self._recorded(one.key, one.path, one.body, one.draw, one.room, most_usd)

    async def drained(self) -> None:
        """Nothing is waited for: a batch under way is in the journal, and the next run takes what came of it."""

    async def close(self) -> None:
        """Stop sending; batches that are under way stay with the endpoint."""
        for task in (*self._under_way, *([self._sender] if self._sender else [])):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await super().close()


def _fitting(line: Sequence[Waiting], most: int) -> list[Waiting]:
    """Return the first of those in line that make one file: of one path, and not too many or too long."""
    found: list[Waiting] = []
    size = 0
    for one in line[: min(most, MOST_REQUESTS)]:
        size += len(json.dumps(one.body, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")) + 200
        if found and (one.path != found[0].path or size > MOST_BYTES):
            break
        found.append(one)
    return found
