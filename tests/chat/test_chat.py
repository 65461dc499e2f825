"""A request against a real endpoint that misbehaves: retried, given up or stopped; recorded, and bought once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from local_endpoint import LocalEndpoint

from datagen.chat import client as chat
from datagen.chat.client import Chat, NotRecordedError
from datagen.chat.journal import Journal
from datagen.chat.opening import opened
from datagen.chat.options import ModelOptions
from datagen.errors import BudgetError, ModelError

T = TypeVar("T")
BODY = {"messages": [{"role": "user", "content": "List of 1 tasks:"}], "max_tokens": 200}


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as found:
        yield found


def used(
    journal: Journal, server: LocalEndpoint, work: Callable[[Chat], Awaitable[T]], *, offline: bool = False, **options: Any
) -> T:
    """Open the endpoint, do something with it, close it."""
    settings = ModelOptions(model="local", base_url=server.base_url, **options)

    async def use(chat: Chat) -> T:
        try:
            return await work(chat)
        finally:
            await chat.close()

    with opened(settings, journal, offline=offline) as chat:
        return asyncio.run(use(chat))


async def one(chat: Chat) -> Any:
    return await chat.complete("chat/completions", BODY, 0)


def outcomes(journal: Journal) -> list[str | None]:
    return [a.outcome for a in journal.attempts()]


def test_an_answer_is_bought_once(journal: Journal, endpoint: LocalEndpoint) -> None:
    first, again = used(journal, endpoint, one), used(journal, endpoint, one)
    assert first == again
    assert first.text and first.used
    assert endpoint.requests == 1
    assert outcomes(journal) == ["answered"]


@pytest.mark.parametrize(("fault", "outcome"), [
    ("429", "free"), ("500", "free"), ("hang_up", "unknown"), ("reset", "unknown"), ("no_choices", "unknown"),
])  # fmt: skip
def test_a_failure_that_passes_is_tried_again(journal: Journal, fault: str, outcome: str) -> None:
    with LocalEndpoint({1: fault, 2: fault}) as server:
        assert used(journal, server, one).text
        assert server.requests == 3
    assert outcomes(journal) == [outcome, outcome, "answered"]


@pytest.mark.parametrize("fault", ["broken", "null_text", "cut", "no_usage"])
def test_an_answer_in_full_is_paid_for_and_never_bought_again(journal: Journal, fault: str) -> None:
    with LocalEndpoint({1: fault}) as server:
        first, again = used(journal, server, one), used(journal, server, one)
        assert first == again
        assert server.requests == 1


def test_a_request_that_no_retry_helps_is_given_up_and_asked_again_only_when_told_to(journal: Journal) -> None:
    with LocalEndpoint(dict.fromkeys(range(1, 7), "500")) as server:
        first = used(journal, server, one)
        assert first.text is None
        assert first.error.startswith("HTTP 500") and first.error.endswith("(6 attempts)")
        assert used(journal, server, one) == first
        assert server.requests == 6
        assert used(journal, server, one, retry_failed=True).text
        assert used(journal, server, one).text
        assert server.requests == 7


def test_an_endpoint_that_never_answers_is_left_after_the_timeout(journal: Journal) -> None:
    with LocalEndpoint({1: "hang"}) as server:
        assert used(journal, server, one, timeout_s=0.8).text
    assert outcomes(journal) == ["unknown", "answered"]


@pytest.mark.parametrize(
    ("fault", "says"), [("401", "refuses the API key"), ("404", "does not know the model"), ("quota", "quota of this API key")]
)
def test_what_every_request_would_meet_stops_at_once(journal: Journal, fault: str, says: str) -> None:
    with LocalEndpoint(always=fault) as server:
        with pytest.raises(ModelError, match=says):
            used(journal, server, one)
        assert server.requests == 1


def test_a_rate_limit_holds_back_every_request_for_as_long_as_it_asks(journal: Journal) -> None:
    async def eight(chat: Chat) -> float:
        started = time.monotonic()
        await asyncio.gather(*(chat.complete("chat/completions", BODY, i) for i in range(8)))
        return time.monotonic() - started

    with LocalEndpoint({1: "429"}, retry_after="0.4") as server:
        assert used(journal, server, eight, concurrency=1) > 0.4
        assert server.requests == 9


def test_a_busy_endpoint_uses_up_no_attempt_of_a_request(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "BACK_OFF_S", 0.01)
    refused = chat.ATTEMPTS + 1
    with LocalEndpoint(dict.fromkeys(range(1, refused + 1), "429")) as server:
        assert used(journal, server, one).text
        assert server.requests == refused + 1


def test_a_cap_on_requests_holds_over_the_life_of_the_folder(journal: Journal, endpoint: LocalEndpoint) -> None:
    async def three(chat: Chat) -> list[Any]:
        return await asyncio.gather(
            *(chat.complete("chat/completions", BODY, i) for i in range(3)), return_exceptions=True
        )  # fmt: skip

    found = used(journal, endpoint, three, max_requests=2)
    assert sum(isinstance(f, BudgetError) for f in found) == 1
    assert endpoint.requests == 2
    again = used(journal, endpoint, three, max_requests=2)
    assert endpoint.requests == 2
    assert [isinstance(f, BudgetError) for f in again] == [isinstance(f, BudgetError) for f in found]


def test_from_the_journal_alone_what_is_recorded_is_read_and_nothing_is_bought(
    journal: Journal, endpoint: LocalEndpoint
) -> None:
    first = used(journal, endpoint, one)
    assert used(journal, endpoint, one, offline=True) == first

    async def other(chat: Chat) -> Any:
        return await chat.complete("chat/completions", BODY, 1)

    with pytest.raises(NotRecordedError):
        used(journal, endpoint, other, offline=True)
    assert endpoint.requests == 1


def test_parameters_of_the_user_reach_the_endpoint_and_null_takes_one_away(journal: Journal, endpoint: LocalEndpoint) -> None:
    used(
        journal, endpoint, one, extra_body={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "max_tokens": None}
    )
    [body] = endpoint.bodies
    assert body["top_k"] == 20
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "max_tokens" not in body


def test_an_endpoint_with_the_newer_name_of_the_limit_gets_it(journal: Journal) -> None:
    async def four(chat: Chat) -> list[Any]:
        return await asyncio.gather(*(chat.complete("chat/completions", BODY, i) for i in range(4)))

    with LocalEndpoint(lacks={"max_tokens"}) as server:
        assert all(c.text for c in used(journal, server, four))
        assert server.bodies[-1]["max_completion_tokens"] == 200
        again = used(journal, server, four)
        assert all(c.text for c in again)
    assert journal.counts()["recorded"] == 4


def test_the_key_is_in_no_message(journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-this-is-secret")
    with LocalEndpoint(always="echo") as server, pytest.raises(ModelError) as refused:
        used(journal, server, one)
    assert "sk-this-is-secret" not in str(refused.value)
    assert b"sk-this-is-secret" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_a_server_that_is_not_there_is_named(journal: Journal) -> None:
    with LocalEndpoint() as server:
        gone = server
    with pytest.raises(ModelError, match=r"cannot reach http://127\.0\.0\.1"):
        used(journal, gone, one)
    assert set(outcomes(journal)) == {"free"}


@pytest.mark.parametrize("hangs", [False, True])
def test_a_run_that_is_stopped_waits_as_long_as_answers_come_and_no_longer(journal: Journal, hangs: bool) -> None:
    from datagen.chat.asking import GRACE_IN_ALL_S, answers

    bodies = [{**BODY, "seed": i} for i in range(16)]
    with LocalEndpoint({16: "hang"} if hangs else {}, delay_s=0.9, delay_spread=0.9) as server:
        with opened(ModelOptions(model="local", base_url=server.base_url, concurrency=16), journal) as chat:
            came = answers(chat, bodies)
            next(came)
            began = time.monotonic()
            came.close()
            seconds = time.monotonic() - began
        asked = server.requests
    assert asked == len(bodies) and seconds < GRACE_IN_ALL_S
    assert outcomes(journal).count("answered") == asked - hangs
