"""Hard caps on money and requests over the whole life of a run folder.

Before an attempt is sent its worst case is reserved, every one in flight beside it; when it ends, what it really cost takes
its place. So no number of requests in flight can pass the cap. What may have been billed and cannot be known (an attempt cut
off, a connection lost, an answer without usage) stays held at its worst case.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from datagen.errors import BudgetError, UsageError
from datagen.models.journal import ANSWERED, FREE, Attempt, Tokens
from datagen.models.options import DEFAULT_OUTPUT_TOKENS, LIMITS
from datagen.models.prices import Price

TEMPLATE_TOKENS = 256  # more than a chat template adds around the messages


def worst_case(body: Mapping[str, Any]) -> Tokens:
    """Return the most tokens that a request can cost: a byte is at least a token's share, and the answer ends at its limit."""
    texts = {k: v for k, v in body.items() if k in ("messages", "prompt", "tools", "response_format", "suffix")}
    size = len(json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    limits = [int(body[name]) for name in LIMITS if body.get(name)]
    return Tokens(size + TEMPLATE_TOKENS, max(limits, default=DEFAULT_OUTPUT_TOKENS))


@dataclass
class Room:
    """What is reserved for one attempt: the most tokens that it can cost, and their dollars."""

    most: Tokens
    usd: float
    settled: bool = False
    outcome: str | None = FREE  # of its attempt so far: free until it is sent, then not known until it has ended


class Budget:
    """What was spent, what is held and what is reserved, against the caps."""

    def __init__(
        self, price: Price | None, usd: float | None, max_requests: int | None, attempts: Iterable[Attempt] = ()
    ) -> None:
        """Begin with the attempts of earlier runs in the same folder.

        Raises:
            UsageError: a cap in dollars, and no price is known.
        """
        if usd is not None and price is None:
            raise UsageError(
                "--budget-usd needs a price, and none is known for this model at this endpoint: give --price-in and"
                " --price-out, in dollars per million tokens"
            )
        self.price, self.usd, self.max_requests = price, usd, max_requests
        self.spent = self.held = self._reserved = 0.0
        self.requests = self._in_flight = 0
        self.used = Tokens(0, 0)
        self.without_usage = 0
        self._line: list[tuple[int, int, Tokens, asyncio.Future[Room]]] = []  # heap of those who wait for room
        self._tickets = itertools.count()
        self._closed = ""  # why nothing more is let in
        self._factor = 1.0  # how far an endpoint once passed the worst case that it was asked for
        for attempt in attempts:
            self.requests += 1
            self._settle(attempt)

    def cost(self, tokens: Tokens) -> float | None:
        """Return the dollars of so many tokens; None where no price is known."""
        return self.price.usd(tokens) if self.price else None

    def _settle(self, attempt: Attempt) -> None:
        usual = attempt.most_usd if attempt.most_usd is not None else self.cost(attempt.most) or 0.0
        if attempt.used is not None:
            spent = attempt.usd if attempt.usd is not None else self.cost(attempt.used) or 0.0
            self.spent += spent
            self.used = Tokens(self.used.input + attempt.used.input, self.used.output + attempt.used.output)
            if usual > 0:
                self._factor = max(self._factor, spent / usual)
        elif attempt.outcome != FREE:
            self.held += usual
            self.without_usage += attempt.outcome == ANSWERED

    def ask(self, most: Tokens, turn: int = 0) -> asyncio.Future[Room]:
        """Stand in line for the room of an attempt; return the future of it. What is taken must be settled.

        Args:
            most: the most tokens that it can cost.
            turn: whose turn it is, lowest first. Rows are judged in order, so a retry of an early request goes before the
                first attempt of a late one.

        Raises:
            BudgetError: by the future; there is no room, and nothing in flight that could give some back.
        """
        granted: asyncio.Future[Room] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._line, (turn, next(self._tickets), most, granted))
        self._serve()
        return granted

    def _serve(self) -> None:
        """Let in whoever is first in line, as long as there is room; send all away where there will be none."""
        while self._line:
            _, _, most, granted = self._line[0]
            need = (self.cost(most) or 0.0) * self._factor
            full = self._closed or self._full(need)
            # A request more is never given back; dollars in flight are, mostly.
            if full and self._in_flight and not self._no_more_requests() and not self._closed:
                return
            heapq.heappop(self._line)
            if granted.done():  # its request was cancelled
                continue
            if full:
                self._closed = full
                granted.set_exception(BudgetError(full))
                continue
            self._reserved += need
            self._in_flight += 1
            self.requests += 1
            granted.set_result(Room(most, need))

    def _no_more_requests(self) -> bool:
        return self.max_requests is not None and self.requests >= self.max_requests

    def _full(self, need: float) -> str:
        """Why an attempt of this cost has no room; "" when it has."""
        if self._no_more_requests():
            return f"the limit of {self.max_requests:,} requests is reached"
        if self.usd is None or self.spent + self.held + self._reserved + need <= self.usd:
            return ""
        held = f" and ${self.held:.4f} held for attempts whose cost is unknown" if self.held else ""
        return (
            f"the budget of ${self.usd:g} is reached: ${self.spent:.4f} spent{held}, and the next request may cost ${need:.4f}"
        )

    def learned(self, before: Attempt, after: Attempt) -> None:
        """Put what an attempt of an earlier run turned out to cost in the place of what was held for it."""
        held = before.most_usd if before.most_usd is not None else self.cost(before.most) or 0.0
        self.held = max(0.0, self.held - held)
        self._settle(after)
        self._serve()

    def settle(self, room: Room, attempt: Attempt) -> None:
        """Put what an attempt cost in the place of the room that was taken for it; once only."""
        if room.settled:
            return
        room.settled = True
        self._reserved -= room.usd
        self._in_flight -= 1
        if not self._in_flight:
            self._reserved = 0.0  # no crumbs of rounding
        self._settle(attempt)
        self._serve()
