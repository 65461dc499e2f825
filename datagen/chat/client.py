"""The one client of language models: any OpenAI-compatible endpoint, every attempt and every answer through the journal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

from datagen.chat import completion
from datagen.chat.batches import collect
from datagen.chat.budget import worst_case
from datagen.chat.completion import Completion
from datagen.chat.endpoint import ATTEMPTS, BACK_OFF_S, Endpoint, Path_, Request, Transport, untold
from datagen.chat.failures import Failure
from datagen.chat.journal import Attempt, request_key
from datagen.chat.online import Online
from datagen.chat.pace import Slots
from datagen.chat.turns import noted, turn_of
from datagen.errors import ModelError

LIMITED = 60  # refusals by a rate limit, which say nothing against the request
FIRST_ATTEMPTS = 3  # while the endpoint has not answered anything: most likely its address is wrong
LONGEST_BACK_OFF_S = 60.0


def _failed(answer: Completion) -> bool:
    """Whether a recorded answer is to be asked for again where that is wanted: it has no text, or the endpoint failed in it."""
    return answer.text is None or answer.cut_by == "endpoint_error"


class NotRecordedError(ModelError):
    """A request that is not in the journal, in a run that buys nothing."""


@dataclass
class Chat(Endpoint):
    """A model that is asked: from the journal where that has the answer, else over a transport, until answered or given up."""

    retry_failed: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)  # what the user adds to every body; null takes a key away
    heard: Callable[[Completion], None] = untold  # told of every answer that somebody waited for
    over: Callable[[Endpoint], Transport] = Online  # how requests travel

    def __post_init__(self) -> None:
        """Make the transport, and the slots of which every request under way takes one."""
        super().__post_init__()
        self._transport = self.over(self)
        self._slots = Slots(self.concurrency)
        self._asked_again: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._collecting = asyncio.Lock()
        self._collected: bool | None = None  # not looked yet

    @property
    def waits(self) -> bool:
        """Whether an answer may take a day."""
        return self._transport.waits

    async def complete(self, path: Path_, body: Mapping[str, Any], draw: int) -> Completion:
        """Return the answer to a request, from the journal where it is recorded.

        Args:
            path: `chat/completions` or `completions`.
            body: the request without its model.
            draw: index that tells equal requests apart.

        Raises:
            ModelError: the endpoint cannot be reached or refuses every request (key, quota, unknown model).
            BudgetError: a cap has no room for it.
        """
        body = {k: v for k, v in {**body, **self.extra}.items() if v is not None}
        request = Request(request_key(self.name, path, body, draw), path, body, draw)
        # Of equal requests under way the second waits for the first, and finds its answer.
        async with self._locks.setdefault(request.key, asyncio.Lock()):
            answer = await self._complete(request)
        self.heard(answer)
        noted(answer.key)
        return answer

    async def _complete(self, request: Request) -> Completion:
        key = request.key
        raw = self.journal.answer(key)
        again = self.retry_failed and self.client is not None and key not in self._asked_again
        if raw is None and not again and (said := self.journal.given_up(key)) is not None:
            return Completion(key, None, error=said)
        if raw is not None and again and _failed(completion.read(key, raw)):
            raw = None
        self._asked_again.add(key)
        if raw is None:
            if self.client is None:
                raise NotRecordedError("the journal has no answer to the next request")
            if await self._collect():
                raw = self.journal.answer(key)
        if raw is None:
            async with self._slots.of(turn_of(request.draw)):
                raw = await self._buy(request)
        if raw is None:
            return Completion(key, None, error=self.journal.given_up(key))
        return replace(completion.read(key, raw), usd=self.journal.usd(key))

    async def _collect(self) -> bool:
        """Take what became of the batches that earlier runs left, before anything is bought; return whether there were some."""
        async with self._collecting:
            if self._collected is None:
                if self.failure:
                    raise self.failure
                there = bool(self.journal.open_batches())
                if there:
                    try:
                        await collect(self, wait=self.waits)
                    except ModelError as e:  # nothing is bought while it is not known what was
                        raise self.stop(e) from None
                self._collected = there
            return self._collected

    async def _buy(self, request: Request) -> str | None:
        """Send a request until it is answered or given up; return the raw answer, or None."""
        most, tried, limited = worst_case(request.body), 0, 0
        turn = turn_of(request.draw)
        room = await self.budget.ask(most, turn)
        try:
            while True:
                raw, failure = await self._transport.attempt(request, room)
                if failure is None:
                    return raw
                tried += failure.then != "rename" and not failure.limit
                limited += failure.limit
                room.outcome = failure.outcome
                wait = await self._back_off(failure, request.key, tried, limited)
                if wait is None:
                    return None
                # In line before its old room is given back: later requests would use up what the next attempt needs.
                next_room = self.budget.ask(most, turn)
                self.budget.settle(room, Attempt(most, room.outcome, None))
                room = await next_room
                await asyncio.sleep(wait)
        finally:
            # However it ended, nobody may go on waiting for this room; what was sent and is not known is held.
            self.budget.settle(room, Attempt(most, room.outcome, None))

    async def _back_off(self, failure: Failure, key: str, tried: int, limited: int) -> float | None:
        """Return the seconds before the next attempt; None where there is none, which is recorded.

        Raises:
            ModelError: every request would fail; nothing more is sent, and `failure` says why.
        """
        lost = failure.at_last == "stop" and tried >= (ATTEMPTS if self.answered else FIRST_ATTEMPTS)
        if failure.then == "stop" or lost:
            raise self.stop(ModelError(failure.said))
        if failure.then == "give_up" or tried >= ATTEMPTS or limited >= LIMITED:
            times = f" ({tried + limited} attempts)" if tried + limited > 1 else ""
            await self.journal.give_up(key, f"{failure.said}{times}")
            return None
        usual = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2 ** max(0, tried + limited - 1))
        wait: float = usual * random.uniform(0.5, 1)
        if failure.retry_after_s is not None:  # all who wait for the same moment would come at once, and be refused again
            wait = max(failure.retry_after_s, min(wait, 1.0) if failure.retry_after_s < 1 else 0.0) * random.uniform(1, 1.1)
        if failure.limit:
            self.pace.hold(wait)
        return wait

    async def drain(self, silence_s: float | None = None, longest_s: float | None = None) -> None:
        """Wait until every attempt that was sent has ended and is recorded.

        Args:
            silence_s: give up where none has ended for so long; None = never.
            longest_s: give up after so long; None = never.
        """
        await asyncio.wait([asyncio.ensure_future(self._transport.drain(silence_s))], timeout=longest_s)

    async def close(self) -> None:
        """Send nothing more, and close the connections."""
        await self._transport.close()
        if self.client is not None:
            await self.client.close()
