"""An async source as an iterator: what it raises is raised, and a consumer that stops ends it before it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from datagen.chat.background import streamed


def test_items_come_in_order_and_an_error_after_them() -> None:
    async def source() -> AsyncIterator[int]:
        for i in range(3):
            yield i
        raise ValueError("the end")

    items = streamed(source)
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the end"):
        next(items)


def test_a_consumer_that_stops_ends_the_source_before_it_goes_on() -> None:
    ended = []

    async def source() -> AsyncIterator[int]:
        try:
            for i in range(1000):
                yield i
                await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0.05)
            ended.append("closed")

    items = streamed(source)
    assert next(items) == 0
    items.close()
    assert ended == ["closed"]


def test_a_slow_consumer_does_not_hold_up_the_source() -> None:
    made_all = threading.Event()

    async def source() -> AsyncIterator[int]:
        for i in range(5):
            yield i
        made_all.set()

    items = streamed(source)
    assert next(items) == 0
    assert made_all.wait(20)  # though nobody has taken the second
    assert list(items) == [1, 2, 3, 4]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_in_the_source_ends_it_here_too(error: BaseException) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise error

    items = streamed(source)
    assert next(items) == 1
    with pytest.raises(type(error)):
        next(items)
