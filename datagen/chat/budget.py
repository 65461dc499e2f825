"""Hard caps on money and requests over the whole life of a run folder.

Before an attempt is sent its worst case is reserved, every one in flight beside it; when it ends, what it really cost takes
its place. So no number of requests in flight can pass the cap, as long as no answer is billed at more than was asked for. Under
a cap in dollars that is shown before it is believed: one request is sent first, and each answer that reports no more than was
asked for lets one more be under way. One that reports more ends the run: what can be lost is what is in flight then.

What may have been billed and cannot be known (an attempt cut off, a connection lost, an answer without usage) stays held at
its worst case.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from datagen.chat.journal import ANSWERED, FREE, Attempt, Tokens
from datagen.chat.options import DEFAULT_OUTPUT_TOKENS, LIMITS
from datagen.chat.prices import Price
from datagen.errors import BudgetError, UsageError

TEMPLATE_TOKENS = 256  # more than a chat template adds around the messages
ABSURD = 16  # times the worst case: more tokens than that were not used, whatever an endpoint reports
UNTOLD = 3  # answers without usage, and none with it, after which nobody waits for one that has
LEEWAY, LEEWAY_TOKENS = 1.05, 16  # over what was asked: some endpoints count the marks around an answer too


def believed(used: Tokens | None, most: Tokens) -> Tokens | None:
    """Return the usage that an answer reports; None, held at the worst case, where it is absurd."""
    if used is not None and (used.input > ABSURD * most.input or used.output > ABSURD * most.output):
        return None
    return used


def worst_case(body: Mapping[str, Any]) -> Tokens:
    """Return the most tokens that a request can cost: a byte is at least a token's share, and the answer ends at its limit."""
    texts = {k: v for k, v in body.items() if k in ("messages", "prompt", "tools", "response_format", "suffix")}
    size = len(json.dumps(texts, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))
    limits = [int(body[name]) for name in LIMITS if body.get(name)]
    return Tokens(size + TEMPLATE_TOKENS, max(limits, default=DEFAULT_OUTPUT_TOKENS))


def _over(used: Tokens, most: Tokens) -> float:
    """How many times the tokens that were asked for were used, in or out."""
    return max(used.output / max(1, most.output), used.input / max(1, most.input))


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
        self._width = 1 if usd is not None else None  # attempts that may be under way; None = as many as there are
        self._over = 1.0  # times the tokens asked for, that an answer of this run or an earlier one reported
        self._untold = 0  # answers of this run that told no usage, until one does
        self._excess = 0.0  # dollars that attempts of this run and earlier ones cost beyond their worst cases
        self.growth = 1  # by how many it grows with each answer that keeps to what was asked
        for attempt in attempts:
            self.requests += 1
            self._settle(attempt)
            if attempt.used is not None:
                self._over = max(self._over, _over(attempt.used, attempt.most))

    def cost(self, tokens: Tokens) -> float | None:
        """Return the dollars of so many tokens; None where no price is known."""
        return self.price.usd(tokens) if self.price else None

    def _settle(self, attempt: Attempt) -> None:
        usual = attempt.most_usd if attempt.most_usd is not None else self.cost(attempt.most) or 0.0
        if attempt.used is not None:
            spent = attempt.usd if attempt.usd is not None else self.cost(attempt.used) or 0.0
            self.spent += spent
            self.used = Tokens(self.used.input + attempt.used.input, self.used.output + attempt.used.output)
            self._excess += max(0.0, spent - usual)
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
            if not full and self._width is not None and self._in_flight >= self._width:
                return
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

    def settle(self, room: Room, attempt: Attempt, reported: Tokens | None = None) -> None:
        """Put what an attempt cost in the place of the room that was taken for it; once only.

        Args:
            room: what was taken.
            attempt: how it ended.
            reported: the tokens that the endpoint says it used, believed or not.
        """
        if room.settled:
            return
        room.settled = True
        self._reserved -= room.usd
        self._in_flight -= 1
        if not self._in_flight:
            self._reserved = 0.0  # no crumbs of rounding
        self._settle(attempt)
        if self._width is not None and reported is not None:
            self._untold = -1
            self._watch(reported, attempt.most)
        elif self._untold >= 0 and attempt.outcome == ANSWERED:
            self._untold += 1
        self._serve()

    def held_back(self) -> str:
        """Say, once, that a cap in dollars lets one request go at a time because no answer tells what it used; else ""."""
        if self._width != 1 or self._untold * self.growth < UNTOLD:
            return ""
        self._untold = -1
        return (
            "the endpoint reports no usage: under --budget-usd requests go one at a time, each held at its worst case;"
            " --max-requests in its place is a cap that waits for none"
        )

    @property
    def passed(self) -> str:
        """Why the cap in dollars is passed: the endpoint billed more than was asked for; "" where it is not."""
        if self.usd is None or self.spent <= self.usd or self.spent - self._excess > self.usd:  # the last: it was larger once
            return ""
        return (
            f"the endpoint bills more than was asked for: ${self.spent:,.4f} of the budget of ${self.usd:g} spent,"
            f" ${self._excess:,.4f} of it beyond what was due; nothing is left to be asked; ask the provider, or take the"
            " result with a larger --budget-usd"
        )

    def _watch(self, reported: Tokens, most: Tokens) -> None:
        """Let one more be under way where an answer kept to what was asked; let nothing in where it did not."""
        assert self._width is not None
        over = _over(reported, most)
        if over <= self._over:
            self._width += self.growth
            return
        excess = {"output": (reported.output, most.output), "input": (reported.input, most.input)}
        beyond = [(n, t, m) for n, (t, m) in excess.items() if t > self._over * LEEWAY * m + LEEWAY_TOKENS]
        self._width, self._over = 1, max(self._over, min(over, ABSURD))
        if not beyond or self._closed:
            return
        (name, told, asked), n = beyond[0], self._in_flight
        more = f"; {n:,} in flight may cost ${self._reserved * over:,.4f} more at that rate" if n and over <= ABSURD else ""
        more = more or (f"; what {n:,} in flight will cost nobody knows" if n else "; nothing is in flight")
        self._closed = (
            f"the endpoint bills more than was asked for: {told:,} {name} tokens where at most {asked:,} were due;"
            f" ${self.spent:,.4f} of the budget of ${self.usd:g} spent{more}; ask the provider,"
            " or go on with a larger --budget-usd"
        )
        if not self._line and not n and not self.passed:  # nobody waits who would be told
            logging.getLogger(__name__).warning("%s", self._closed)
