"""A model at an endpoint: what every way of asking it shares, which is its journal, its budget and how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from datagen.chat import completion
from datagen.chat.budget import Budget, Room, believed
from datagen.chat.failures import Failure
from datagen.chat.journal import ANSWERED, FREE, Attempt, Journal, Tokens
from datagen.chat.pace import Pace
from datagen.errors import ModelError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ATTEMPTS = 6  # to send one request
BACK_OFF_S = 0.5  # before the second attempt; doubled each time

Path_ = Literal["chat/completions", "completions"]
Outcome = tuple[str | None, Failure | None]  # of an attempt: the raw answer or the failure


def untold(words: object) -> None:
    """Nobody watches."""


class ClosingError(ModelError):
    """A request that was not sent because the run is ending."""


class Request(NamedTuple):
    """One request: its key in the journal, `chat/completions` or `completions`, its body without the model, its draw."""

    key: str
    path: Path_
    body: Mapping[str, Any]
    draw: int  # tells equal requests apart


class Transport(Protocol):
    """A way of bringing requests to an endpoint and answers back, each attempt and each answer through its journal."""

    waits: bool  # for batches that earlier runs left; one that is online ends them and takes what is there

    async def attempt(self, request: Request, room: Room) -> Outcome:
        """Send a request once; return the raw answer, recorded and settled, or the failure, recorded."""

    async def drain(self, silence_s: float | None) -> None:
        """Wait until every attempt that was sent has ended and is recorded, or, where given, none has for so long."""

    async def close(self) -> None:
        """Stop sending; what is under way is given up."""


@dataclass
class Endpoint:
    """A model at an endpoint, and how it stands with it.

    `name` enters request keys (a local folder's with the hash of its weights); `model` is the endpoint's own name for it.
    Without a `client` answers come from the journal only.
    """

    name: str
    model: str
    base_url: str
    journal: Journal
    client: AsyncOpenAI | None
    budget: Budget
    pace: Pace = field(default_factory=Pace)
    concurrency: int = 16  # requests under way; of a batch, how many it may hold
    paid: bool = True  # false where the model is served here: what is cut off has cost nothing
    secrets: Sequence[str] = ()  # what no message and no file may show
    say: Callable[[str], None] = untold  # told of what takes long
    closing: bool = False  # nothing more is sent
    sent: int = 0  # attempts sent to the endpoint
    seconds: list[float] = field(default_factory=list)  # that each answered attempt took
    limit_name: str = "max_tokens"  # the endpoint's name of the limit of an answer
    failure: ModelError | None = None  # what every request would meet; `stopped` is set with it

    def __post_init__(self) -> None:
        """See in the journal whether it has answered in an earlier run."""
        self.stopped = asyncio.Event()
        self.answered = self.journal.counts()["recorded"] > 0  # whether it has answered at all, in this run or an earlier one

    def stop(self, failure: ModelError) -> ModelError:
        """Send nothing more, for every request would meet this failure; return the first that was told."""
        self.failure, self.closing = self.failure or failure, True
        self.stopped.set()
        return self.failure

    def as_sent(self, body: Mapping[str, Any], limit_name: str | None = None) -> dict[str, Any]:
        """Return a body with the limit of the answer under the name that the endpoint has for it."""
        sent = dict(body)
        if "max_tokens" in sent:
            sent[limit_name or self.limit_name] = sent.pop("max_tokens")
        return sent

    async def record(self, request: Request, room: Room, most_usd: float | None) -> int:
        """Record a request and its attempt; one that is cut off while that is written was not sent, and costs nothing."""
        asked = self.journal.asked(
            request.key, self.name, request.path, request.body, request.draw, self.base_url, room.most, most_usd
        )
        writing = asyncio.ensure_future(asked)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self.journal.failed(await writing, FREE, "not sent")
            room.outcome = FREE
            raise

    async def settle(
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
