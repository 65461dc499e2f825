"""How fast requests may start, and whose turn it is: places, requests and tokens per minute, pauses that are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator

MINUTE_S = 60.0


class Slots:
    """So many places for requests under way; whoever's turn is lowest gets the next one that is free.

    Rows are judged in order, so the later requests of an early task (its kind, its answer) go before new tasks.
    """

    def __init__(self, count: int) -> None:
        """Begin with so many free places."""
        self._free = count
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()

    @contextlib.asynccontextmanager
    async def of(self, turn: int) -> AsyncIterator[None]:
        """Hold a place for the length of the `async with` block."""
        if self._free and not self._line:
            self._free -= 1
        else:
            given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._line, (turn, next(self._tickets), given))
            try:
                await given
            except BaseException:
                if given.done() and not given.cancelled():
                    self._give_back()
                given.cancel()
                raise
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        while self._line:
            given = heapq.heappop(self._line)[2]
            if not given.done():
                given.set_result(None)
                return
        self._free += 1


class Pace:
    """Lets requests start one after another within the limits.

    Starts are spread evenly over the minute, and a pause holds all of them back, because a rate limit is one of the key and
    not of a request. Tokens count as providers count them: the worst case of a request from its start, what it used once it
    has ended.
    """

    def __init__(self, rpm: float | None = None, tpm: int | None = None) -> None:
        """Take the limits per minute; None is no limit."""
        self.rpm, self.tpm = rpm, tpm
        self._line = asyncio.Lock()
        self._not_before = 0.0  # seconds of the loop's clock
        self._next_start = 0.0
        self._recent: deque[list[float]] = deque()  # [start, tokens] of the last minute

    async def start(self, tokens: int) -> list[float]:
        """Wait until a request of so many tokens may start; return its mark, for `used`."""
        async with self._line:
            clock = asyncio.get_running_loop().time
            # What it waits for is the clock, and others may move the time meanwhile.
            while (wait := self._wait(clock(), tokens)) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            now = clock()
            if self.rpm:
                self._next_start = now + MINUTE_S / self.rpm
            mark = [now, float(tokens)]
            if self.tpm:
                self._recent.append(mark)
            return mark

    def _wait(self, now: float, tokens: int) -> float:
        """Seconds until the limits may allow a start."""
        wait = max(self._not_before, self._next_start) - now
        while self._recent and self._recent[0][0] <= now - MINUTE_S:
            self._recent.popleft()
        # A request larger than the limit itself starts alone.
        if self.tpm and self._recent and sum(t for _, t in self._recent) + tokens > self.tpm:
            wait = max(wait, min(1.0, self._recent[0][0] + MINUTE_S - now))
        return wait

    @staticmethod
    def used(mark: list[float], tokens: int) -> None:
        """Count what a request used in the place of its worst case."""
        mark[1] = float(tokens)

    def hold(self, seconds: float) -> None:
        """Start nothing for so long."""
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)
