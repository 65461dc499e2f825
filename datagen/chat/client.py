"""The one client of language models: any OpenAI-compatible endpoint, every attempt and every answer through the journal."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from datagen.chat import completion, failures, refusals, wire
from datagen.chat.budget import Budget, Room, believed, worst_case
from datagen.chat.completion import Completion
from datagen.chat.failures import Failure
from datagen.chat.journal import ANSWERED, FREE, Attempt, Journal, Tokens, request_key
from datagen.chat.pace import Pace, Slots
from datagen.chat.turns import noted, turn_of
from datagen.errors import ModelError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ATTEMPTS = 6  # to send one request
LIMITED = 60  # refusals by a rate limit, which say nothing against the request
FIRST_ATTEMPTS = 3  # while the endpoint has not answered anything: most likely its address is wrong
BACK_OFF_S = 0.5  # before the second attempt; doubled each time
LONGEST_BACK_OFF_S = 60.0

Path_ = Literal["chat/completions", "completions"]


def _untold(words: object) -> None:
    """Nobody watches."""


def _failed(answer: Completion) -> bool:
    """Whether a recorded answer is to be asked for again where that is wanted: it has no text, or the endpoint failed in it."""
    return answer.text is None or answer.cut_by == "endpoint_error"


class ClosingError(ModelError):
    """A request that was not sent because the run is ending."""


class NotRecordedError(ModelError):
    """A request that is not in the journal, in a run that buys nothing."""


@dataclass
class Chat:
    """A model at an endpoint.

    `name` enters request keys (a local folder's with the hash of its weights); `model` is the endpoint's own name for it.
    Without a `client` it answers from the journal only.
    """

    name: str
    model: str
    base_url: str
    journal: Journal
    client: AsyncOpenAI | None
    budget: Budget
    pace: Pace = field(default_factory=Pace)
    concurrency: int = 16
    timeout_s: float = 300.0
    retry_failed: bool = False
    paid: bool = True  # false where the model is served here: what is cut off has cost nothing
    secrets: Sequence[str] = ()  # what no message and no file may show
    seeded: bool = False  # a request without a seed is sent with that of its key: it gives the same answer in another folder
    extra: Mapping[str, Any] = field(default_factory=dict)  # what the user adds to every body; null takes a key away
    closing: bool = False  # nothing more is sent
    sent: int = 0  # attempts sent to the endpoint
    heard: Callable[[Completion], None] = _untold  # told of every answer that somebody waited for
    seconds: list[float] = field(default_factory=list)  # that each answered attempt took
    answered: bool = False  # whether the endpoint has answered at all, in this run or an earlier one
    say: Callable[[str], None] = _untold  # told of what takes long
    failure: ModelError | None = None  # what every request would meet; `stopped` is set with it

    def __post_init__(self) -> None:
        """Make the slots of which every request under way takes one."""
        self._slots = Slots(self.concurrency)
        self.stopped = asyncio.Event()
        self._in_flight: set[asyncio.Future[None]] = set()
        self._asked_again: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._collecting = asyncio.Lock()
        self._collected: bool | None = None  # not looked yet
        self.limit_name = "max_tokens"
        self.answered = self.journal.counts()["recorded"] > 0

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
        key = request_key(self.name, path, body, draw)
        # Of equal requests under way the second waits for the first, and finds its answer.
        async with self._locks.setdefault(key, asyncio.Lock()):
            answer = await self._completed(key, path, body, draw)
        self.heard(answer)
        noted(answer.key)
        return answer

    async def _completed(self, key: str, path: Path_, body: Mapping[str, Any], draw: int) -> Completion:
        """Return the answer to a request with this key; see `complete`."""
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
            async with self._slots.of(turn_of(draw)):
                raw = await self._bought(key, path, body, draw)
        if raw is None:
            return Completion(key, None, error=self.journal.given_up(key))
        return replace(completion.read(key, raw), usd=self.journal.usd(key))

    async def _collect(self) -> bool:
        """Take what became of the batches that earlier runs left, before anything is bought; return whether there were some."""
        async with self._collecting:
            if self._collected is None:
                self._collected = bool(self.journal.open_batches())
                if self._collected:
                    from datagen.chat.batch_exchange import collect

                    await collect(self, wait=self.waits)
            return self._collected

    waits = False  # for batches under way; one that is online ends them and takes what is there

    async def _bought(self, key: str, path: Path_, body: Mapping[str, Any], draw: int) -> str | None:
        """Send a request until it is answered or given up; return the raw answer, or None."""
        most, tried, limited = worst_case(body), 0, 0
        room = await self.budget.ask(most, turn_of(draw))
        try:
            while True:
                raw, failure = await self._attempt(key, path, body, draw, room)
                if failure is None:
                    return raw
                tried += failure.then != "rename" and not failure.limit
                limited += failure.limit
                room.outcome = failure.outcome
                wait = await self._back_off(failure, key, tried, limited)
                if wait is None:
                    return None
                # In line before its old room is given back: later requests would use up what the next attempt needs.
                next_room = self.budget.ask(most, turn_of(draw))
                self.budget.settle(room, Attempt(most, room.outcome, None))
                room = await next_room
                await asyncio.sleep(wait)
        finally:
            # However it ended, nobody may go on waiting for this room; what was sent and is not known is held.
            self.budget.settle(room, Attempt(most, room.outcome, None))

    async def _attempt(
        self, key: str, path: Path_, body: Mapping[str, Any], draw: int, room: Room
    ) -> tuple[str | None, Failure | None]:  # fmt: skip
        """Send a request once; return the raw answer, recorded and settled, or the failure, recorded."""
        mark = await self.pace.start(room.most.input + room.most.output)
        if self.closing:
            raise ClosingError("the run is ending")
        most_usd = self.budget.cost(room.most) if self.paid else 0.0
        self.sent += 1
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_flight.add(ended)
        try:
            return await self._exchange(key, path, body, draw, room, mark, most_usd)
        finally:
            self._in_flight.discard(ended)
            ended.set_result(None)

    async def _exchange(
        self, key: str, path: Path_, body: Mapping[str, Any], draw: int, room: Room, mark: list[float], most_usd: float | None
    ) -> tuple[str | None, Failure | None]:  # fmt: skip
        room.outcome = None if self.paid else FREE  # from here on nobody knows until it has ended
        number = await self._recorded(key, path, body, draw, room, most_usd)
        limit_name, started = self.limit_name, time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                sent = {"seed": int(key[:8], 16) >> 1, **body} if self.seeded else body
                came = await wire.send(self.client, self.model, path, self.as_sent(sent, limit_name), self.secrets)
        except asyncio.CancelledError:
            if not self.paid:  # else the attempt stays without an outcome: cut off
                await self.journal.failed(number, FREE, "no longer needed")
            raise
        except Exception as e:  # noqa: BLE001 - every failure is sorted and recorded
            failure = failures.sort(e, self.base_url, self.model, self.secrets, answered=self.answered)
            if failures.wants_max_completion_tokens(e) and limit_name == "max_tokens":
                self.limit_name = "max_completion_tokens"
                failure = Failure("rename", FREE, "max_tokens is called max_completion_tokens here", 0.0)
            head = wire.head_of(e, self.secrets)
            await self.journal.failed(number, failure.outcome, failure.said, None if head is None else (key, head))
            if failure.outcome == FREE:
                self.pace.used(mark, 0)
            return None, failure
        place = (self.base_url, self.model, self.secrets)
        refusal = refusals.in_answer(came.raw, place, answered=self.answered, headers=came.headers)
        used = await self.settled(number, key, came.raw, refusal, room, room.most)
        refused = refusal is not None and refusal.outcome == FREE
        self.pace.used(mark, used.input + used.output if used else 0 if refused else room.most.input + room.most.output)
        if refusal is not None:
            return None, refusal
        self.seconds.append(time.monotonic() - started)
        return came.raw, None

    async def settled(
        self, number: int, key: str, raw: str, failure: Failure | None, room: Room | None, most: Tokens
    ) -> Tokens | None:  # fmt: skip
        """Record what came with HTTP 200, an answer or the failure that it is, and what it reports; return the tokens used."""
        reported = completion.used_by(raw)
        used = believed(reported, most)
        usd = None if used is None else self.budget.cost(used) if self.paid else 0.0
        if failure is None:
            self.answered = True
            await self.journal.answered(number, key, raw, used, usd)
        else:
            await self.journal.failed(number, failure.outcome, failure.said, (key, raw), used, usd)
        outcome = failure.outcome if failure else ANSWERED
        if room is not None and (failure is None or used is not None):
            self.budget.settle(room, Attempt(most, outcome, used), reported)
        if self.concurrency > 1 and (words := self.budget.held_back()):
            self.say(words)
        return used

    async def _recorded(
        self, key: str, path: Path_, body: Mapping[str, Any], draw: int, room: Room, most_usd: float | None
    ) -> int:  # fmt: skip
        """Record a request and its attempt; one that is cut off while that is written was not sent, and costs nothing."""
        asked = self.journal.asked(key, self.name, path, body, draw, self.base_url, room.most, most_usd)
        writing = asyncio.ensure_future(asked)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self.journal.failed(await writing, FREE, "not sent")
            room.outcome = FREE
            raise

    async def _back_off(self, failure: Failure, key: str, tried: int, limited: int) -> float | None:
        """Return the seconds before the next attempt; None where there is none, which is recorded.

        Raises:
            ModelError: every request would fail; nothing more is sent, and `failure` says why.
        """
        lost = failure.at_last == "stop" and tried >= (ATTEMPTS if self.answered else FIRST_ATTEMPTS)
        if failure.then == "stop" or lost:
            self.failure, self.closing = self.failure or ModelError(failure.said), True
            self.stopped.set()
            raise self.failure
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

    def as_sent(self, body: Mapping[str, Any], limit_name: str | None = None) -> dict[str, Any]:
        """Return a body with the limit of the answer under the name that the endpoint has for it."""
        sent = dict(body)
        if "max_tokens" in sent:
            sent[limit_name or self.limit_name] = sent.pop("max_tokens")
        return sent

    @property
    def ahead(self) -> int:
        """How many requests it can have under way."""
        return self.concurrency

    async def drained(self) -> None:
        """Wait until every attempt that was sent has ended and is recorded."""
        while self._in_flight:
            await asyncio.wait(list(self._in_flight))

    async def close(self) -> None:
        """Close the connections."""
        if self.client is not None:
            await self.client.close()
