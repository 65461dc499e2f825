"""Requests start no faster than the limits allow; the clock is a loop's own, so that a minute takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from datagen.chat.pace import Pace


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        select = self._selector.select

        def at_once(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = at_once

    def time(self) -> float:
        return self.now


def timed(work: Coroutine[Any, Any, Any]) -> Any:
    loop = Clock()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def starts(pace: Pace, requests: int, tokens: int = 1, used: int | None = None) -> list[float]:
    """Start requests as fast as they may; each ends at once, having used so many tokens."""
    found: list[float] = []

    async def one() -> None:
        mark = await pace.start(tokens)
        found.append(asyncio.get_running_loop().time())
        if used is not None:
            pace.used(mark, used)

    await asyncio.gather(*(one() for _ in range(requests)))
    return found


def test_without_limits_all_start_at_once() -> None:
    assert timed(starts(Pace(), 100, 10**9)) == [0.0] * 100


def test_requests_per_minute_are_spread_over_the_minute() -> None:
    assert timed(starts(Pace(rpm=120), 4)) == pytest.approx([0, 0.5, 1.0, 1.5])


@pytest.mark.parametrize("used", [None, 40])
def test_no_minute_holds_more_tokens_than_the_limit(used: int | None) -> None:
    found = timed(starts(Pace(tpm=1000), 60, 100, used))
    for at in found:
        assert sum(used or 100 for t in found if at <= t < at + 59.9) <= 1000
    # What a request did not use makes room for others: 10 a minute at its worst case, 24 by what it used.
    assert (found[-1] < 180) is (used == 40)


def test_a_request_larger_than_the_limit_starts_alone() -> None:
    found = timed(starts(Pace(tpm=10), 3, 100))
    assert found[1] - found[0] >= 59.9
    assert found[2] - found[1] >= 59.9


def test_a_pause_holds_all_of_them_back() -> None:
    async def use() -> list[float]:
        pace = Pace()
        pace.hold(7.5)
        return await starts(pace, 3)

    assert timed(use()) == [7.5] * 3
