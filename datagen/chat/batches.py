"""The Batch API of an endpoint: many requests in one file, their answers within a day, through the same journal.

A batch is recorded with its requests before it is sent, under a mark that goes with it as metadata. So one that a kill cut off
between sending and hearing its name is found again by its mark, and none of its requests is bought twice. What ended online
may be begun in a batch, and the other way round: the requests are the same, and so are their keys.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from datagen.chat.batch_exchange import download_results, record_result, send_batch, wait_for
from datagen.chat.budget import Room
from datagen.chat.endpoint import ClosingError, Endpoint, Outcome, Request
from datagen.chat.journal import FREE
from datagen.errors import ModelError

QUIET_S = 0.5  # without a new request after which a batch is sent
GROWTH = 64  # so many more are let in, under a cap, with each answer that keeps to what was asked: a batch takes long
MOST_REQUESTS = 10_000  # of a batch; endpoints allow 50,000, but what a batch holds is held in memory too
MOST_BYTES = 150_000_000  # of its file; endpoints allow 200 MB


@dataclass
class Waiting:
    """A request that waits to be sent in a batch."""

    request: Request
    room: Room
    outcome: asyncio.Future[Outcome]


class Batches:
    """Sends requests in batches, each of at most the endpoint's `concurrency`."""

    waits = True

    def __init__(self, endpoint: Endpoint) -> None:
        """Begin with nothing that waits."""
        self._endpoint = endpoint
        endpoint.budget.growth = GROWTH
        self._line: list[Waiting] = []
        self._came = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def attempt(self, request: Request, room: Room) -> Outcome:
        """Put a request in line; return its raw answer, recorded and settled, or the failure, recorded.

        It is an attempt from when its batch is begun: what a kill finds in line was not sent, and costs nothing.
        """
        if self._endpoint.closing:
            raise ClosingError("the run is ending")
        room.outcome = FREE
        one = Waiting(request, room, asyncio.get_running_loop().create_future())
        self._line.append(one)
        self._came.set()
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send_batches())
        try:
            return await one.outcome
        except asyncio.CancelledError:
            if one in self._line:  # it was not sent
                self._line.remove(one)
            raise

    async def _send_batches(self) -> None:
        """Send a batch whenever no request has come for a moment, or one is full."""
        while True:
            await self._came.wait()
            self._came.clear()
            while len(self._line) < self._endpoint.concurrency:
                try:
                    await asyncio.wait_for(self._came.wait(), QUIET_S)
                    self._came.clear()
                except TimeoutError:
                    break
            while self._line and not self._endpoint.closing:
                items = _fitting(self._line, self._endpoint.concurrency)
                del self._line[: len(items)]
                task = asyncio.ensure_future(self._send(items))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _send(self, items: Sequence[Waiting]) -> None:
        """Send a batch, wait for it, and hand on what came; an error is every request's."""
        endpoint, mark, path = self._endpoint, uuid.uuid4().hex, items[0].request.path
        try:
            for one in items:
                one.room.outcome = None  # from here on nobody knows until it has ended
            attempts = await asyncio.gather(*map(self._record, items))
            waiting = dict(zip(attempts, items, strict=True))
            await endpoint.journal.batched(mark, path, endpoint.base_url, [(n, w.request.key) for n, w in waiting.items()])
            name = await send_batch(endpoint, mark, path, [(n, w.request.body) for n, w in waiting.items()])
            endpoint.sent += len(items)
            endpoint.say(f"batch {name}: {len(items):,} request{'s' * (len(items) != 1)} sent")
            batch = await wait_for(endpoint, name)
            lines = await download_results(endpoint, batch)
            for attempt, one in waiting.items():
                line = lines.get(str(attempt))
                outcome = await record_result(endpoint, attempt, one.request.key, line, batch, one.room, one.room.most)
                if not one.outcome.done():
                    one.outcome.set_result(outcome)
            await endpoint.journal.batch_ended(mark)
        except BaseException as e:
            for one in items:
                if not one.outcome.done():
                    one.outcome.set_exception(e if isinstance(e, Exception) else ClosingError("the run is ending"))
                    one.outcome.exception()  # nobody may be waiting for it any more
            if isinstance(e, ModelError) and not isinstance(e, ClosingError):
                endpoint.stop(e)
            if not isinstance(e, Exception):
                raise

    async def _record(self, one: Waiting) -> int:
        """Record the attempt of a request whose batch is about to be sent; return its number."""
        return await self._endpoint.record(one.request, one.room, self._endpoint.budget.cost(one.room.most))

    async def drain(self) -> None:
        """Nothing is waited for: a batch under way is in the journal, and the next run takes what came of it."""

    async def close(self) -> None:
        """Stop sending; batches that are under way stay with the endpoint."""
        for task in (*self._under_way, *([self._sender] if self._sender else [])):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _fitting(line: Sequence[Waiting], most: int) -> list[Waiting]:
    """Return the first of those in line that make one file: of one path, and not too many or too long."""
    found: list[Waiting] = []
    size = 0
    for one in line[: min(most, MOST_REQUESTS)]:
        size += len(json.dumps(one.request.body, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")) + 200
        if found and (one.request.path != found[0].request.path or size > MOST_BYTES):
            break
        found.append(one)
    return found
