"""Requests sent one by one, each answered by its own response."""

from __future__ import annotations

import asyncio
import time

from datagen.chat import failures, refusals, wire
from datagen.chat.budget import Room
from datagen.chat.endpoint import ClosingError, Endpoint, Outcome, Request
from datagen.chat.failures import Failure
from datagen.chat.journal import FREE

LOOK_S = 0.05  # between two looks at whether an answer came, while a run that was interrupted waits


class Online:
    """The connections to an endpoint."""

    waits = False

    def __init__(self, endpoint: Endpoint, timeout_s: float = 300.0, *, seeded: bool = False) -> None:
        """Take how long an attempt may last.

        seeded: a request without a seed is sent with that of its key, and gives the same answer in another folder.
        """
        self._endpoint, self._timeout_s, self._seeded = endpoint, timeout_s, seeded
        self._in_flight: set[asyncio.Future[None]] = set()

    async def attempt(self, request: Request, room: Room) -> Outcome:
        """Send a request once; return the raw answer, recorded and settled, or the failure, recorded."""
        endpoint = self._endpoint
        mark = await endpoint.pace.start(room.most.input + room.most.output)
        if endpoint.closing:
            raise ClosingError("the run is ending")
        most_usd = endpoint.budget.cost(room.most) if endpoint.paid else 0.0
        endpoint.sent += 1
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_flight.add(ended)
        try:
            return await self._exchange(request, room, mark, most_usd)
        finally:
            self._in_flight.discard(ended)
            ended.set_result(None)

    async def _exchange(self, request: Request, room: Room, mark: list[float], most_usd: float | None) -> Outcome:
        endpoint = self._endpoint
        room.outcome = None if endpoint.paid else FREE  # from here on nobody knows until it has ended
        number = await endpoint.record(request, room, most_usd)
        limit_name, started = endpoint.limit_name, time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                body = {"seed": int(request.key[:8], 16) >> 1, **request.body} if self._seeded else request.body
                sent = endpoint.as_sent(body, limit_name)
                came = await wire.send(endpoint.client, endpoint.model, request.path, sent, endpoint.secrets)
        except asyncio.CancelledError:
            if not endpoint.paid:  # else the attempt stays without an outcome: cut off
                await endpoint.journal.failed(number, FREE, "no longer needed")
            raise
        except Exception as e:  # noqa: BLE001 - every failure is sorted and recorded
            return None, await self._failed(e, number, request.key, limit_name, mark)
        place = (endpoint.base_url, endpoint.model, endpoint.secrets)
        refusal = refusals.in_answer(came.raw, place, answered=endpoint.answered, headers=came.headers)
        used = await endpoint.settle(number, request.key, came.raw, refusal, room, room.most)
        refused = refusal is not None and refusal.outcome == FREE
        counted = used.input + used.output if used else 0 if refused else room.most.input + room.most.output
        endpoint.pace.used(mark, counted)
        if refusal is not None:
            return None, refusal
        endpoint.seconds.append(time.monotonic() - started)
        return came.raw, None

    async def _failed(self, error: Exception, number: int, key: str, limit_name: str, mark: list[float]) -> Failure:
        """Sort and record what an attempt met."""
        endpoint = self._endpoint
        failure = failures.sort(error, endpoint.base_url, endpoint.model, endpoint.secrets, answered=endpoint.answered)
        if failures.wants_max_completion_tokens(error) and limit_name == "max_tokens":
            endpoint.limit_name = "max_completion_tokens"
            failure = Failure("rename", FREE, "max_tokens is called max_completion_tokens here", 0.0)
        head = wire.head_of(error, endpoint.secrets)
        await endpoint.journal.failed(number, failure.outcome, failure.said, None if head is None else (key, head))
        if failure.outcome == FREE:
            endpoint.pace.used(mark, 0)
        return failure

    async def drain(self, silence_s: float | None) -> None:
        """Wait until every attempt that was sent has ended and is recorded, or, where given, none has for so long.

        The silence is counted in looks, not by the clock: a process that stood still for a second has heard nothing in it.
        """
        silent = 0
        while self._in_flight and (silence_s is None or silent * LOOK_S < silence_s):
            look_s = None if silence_s is None else LOOK_S
            ended, _ = await asyncio.wait(list(self._in_flight), timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
            silent = 0 if ended else silent + 1

    async def close(self) -> None:
        """Nothing is kept back: whoever waits for an attempt ends it."""
