"""The one client of language models: any OpenAI-compatible endpoint, every attempt and every answer through the journal."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from datagen.errors import ModelError
from datagen.models import completion, failures
from datagen.models.budget import Budget, Room, worst_case
from datagen.models.completion import Completion
from datagen.models.failures import Failure
from datagen.models.journal import ANSWERED, FREE, Attempt, Journal, Tokens, request_key
from datagen.models.masking import masked_answer
from datagen.models.pace import Pace, Slots

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ATTEMPTS = 6  # to send one request
LIMITED = 60  # refusals by a rate limit, which say nothing against the request
FIRST_ATTEMPTS = 3  # while the endpoint has not answered anything: most likely its address is wrong
BACK_OFF_S = 0.5  # before the second attempt; doubled each time
LONGEST_BACK_OFF_S = 60.0
ABSURD = 16  # times the worst case: more tokens than that were not used, whatever an endpoint reports

Path_ = Literal["chat/completions", "completions"]


def _untold(words: object) -> None:
    """Nobody watches."""


# Whose turn the requests of a piece of work are, lowest first: that which was begun first is finished first.
TURN: ContextVar[int | None] = ContextVar("turn", default=None)


def _turn(draw: int) -> int:
    turn = TURN.get()
    return draw if turn is None else turn


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
        return answer

    async def _completed(self, key: str, path: Path_, body: Mapping[str, Any], draw: int) -> Completion:
        """Return the answer to a request with this key; see `complete`."""
        raw = self.journal.answer(key)
        again = self.retry_failed and self.client is not None and key not in self._asked_again
        if raw is None and not again and (said := self.journal.given_up(key)) is not None:
            return Completion(key, None, error=said)
        if raw is not None and again and completion.read(key, raw).text is None:
            raw = None
        self._asked_again.add(key)
        if raw is None:
            if self.client is None:
                raise NotRecordedError("the journal has no answer to the next request")
            if await self._collect():
                raw = self.journal.answer(key)
        if raw is None:
            async with self._slots.of(_turn(draw)):
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
                    from datagen.models.batch_exchange import collect

                    await collect(self, wait=self.waits)
            return self._collected

    waits = False  # for batches under way; one that is online ends them and takes what is there

    async def _bought(self, key: str, path: Path_, body: Mapping[str, Any], draw: int) -> str | None:
        """Send a request until it is answered or given up; return the raw answer, or None."""
        most, tried, limited = worst_case(body), 0, 0
        room = await self.budget.ask(most, _turn(draw))
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
                next_room = self.budget.ask(most, _turn(draw))
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
                raw = await self._send(path, {"seed": int(key[:8], 16) >> 1, **body} if self.seeded else body, limit_name)
        except asyncio.CancelledError:
            if not self.paid:  # else the attempt stays without an outcome: cut off
                await self.journal.failed(number, FREE, "no longer needed")
            raise
        except Exception as e:  # noqa: BLE001 - every failure is sorted and recorded
            failure = failures.sort(e, self.base_url, self.model, self.secrets, answered=self.answered)
            if failures.wants_max_completion_tokens(e) and limit_name == "max_tokens":
                self.limit_name = "max_completion_tokens"
                failure = Failure("rename", FREE, "max_tokens is called max_completion_tokens here", 0.0)
            await self.journal.failed(number, failure.outcome, failure.said)
            if failure.outcome == FREE:
                self.pace.used(mark, 0)
            return None, failure
        if refusal := failures.in_answer(raw, self.base_url, self.secrets, answered=self.answered):
            await self.journal.failed(number, refusal.outcome, refusal.said)
            return None, refusal
        self.answered = True
        self.seconds.append(time.monotonic() - started)
        used = self.believed(completion.used_by(raw), room.most)
        usd = None if used is None else self.budget.cost(used) if self.paid else 0.0
        await self.journal.answered(number, key, raw, used, usd)
        self.budget.settle(room, Attempt(room.most, ANSWERED, used))
        self.pace.used(mark, used.input + used.output if used else room.most.input + room.most.output)
        return raw, None

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

    async def _send(self, path: Path_, body: Mapping[str, Any], limit_name: str) -> str:
        assert self.client is not None
        sent = self.as_sent(body, limit_name)
        known = {k: sent.pop(k) for k in ("messages", "prompt") if k in sent}
        api: Any = self.client.chat.completions if path == "chat/completions" else self.client.completions
        answer = await api.with_raw_response.create(model=self.model, **known, extra_body=sent)
        # JSON is UTF-8 whatever a header says; an endpoint may repeat the key that it was given.
        return masked_answer(answer.content.decode("utf-8", "replace"), self.secrets)

    def as_sent(self, body: Mapping[str, Any], limit_name: str | None = None) -> dict[str, Any]:
        """Return a body with the limit of the answer under the name that the endpoint has for it."""
        sent = dict(body)
        if "max_tokens" in sent:
            sent[limit_name or self.limit_name] = sent.pop("max_tokens")
        return sent

    @staticmethod
    def believed(used: Tokens | None, most: Tokens) -> Tokens | None:
        """Return the usage that an answer reports; None, held at the worst case, where it is absurd."""
        if used is not None and (used.input > ABSURD * most.input or used.output > ABSURD * most.output):
            return None
        return used

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
