"""A hard cap: the worst case of all that is in flight has room in it, or waits, or is refused."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.chat.budget import Budget, Room, worst_case
from datagen.chat.journal import Attempt, Tokens
from datagen.chat.prices import Price, find_price
from datagen.errors import BudgetError, UsageError

PRICE = Price(1.0, 2.0, "said")  # dollars per million tokens
MOST = Tokens(1_000_000, 500_000)  # $2


def test_a_request_waits_until_one_in_flight_gives_back_what_it_did_not_use() -> None:
    async def use() -> list[str]:
        told = []
        budget = Budget(PRICE, 3.0, None)
        first = await budget.ask(MOST)
        assert first.usd == 2.0

        async def second() -> None:
            await budget.ask(MOST)
            told.append("second has room")

        waiting = asyncio.ensure_future(second())
        await asyncio.sleep(0.01)
        told.append("first ends")
        budget.settle(first, Attempt(MOST, "answered", Tokens(500_000, 0)))  # $0.5
        await waiting
        assert budget.spent == 0.5
        return told

    assert asyncio.run(use()) == ["first ends", "second has room"]


def test_what_cannot_come_back_is_refused() -> None:
    async def use() -> None:
        budget = Budget(PRICE, 3.0, None)
        first = await budget.ask(MOST)
        budget.settle(first, Attempt(MOST, "answered", Tokens(1_000_000, 250_000)))  # $1.5
        with pytest.raises(
            BudgetError, match=r"budget of \$3 is reached: \$1.5000 spent, and the next request may cost \$2.0000"
        ):
            await budget.ask(MOST)

    asyncio.run(use())


@pytest.mark.parametrize(("outcome", "held"), [(None, 2.0), ("unknown", 2.0), ("answered", 2.0), ("free", 0.0)])
def test_an_attempt_without_usage_is_held_at_its_worst_case_unless_it_was_refused(outcome: str | None, held: float) -> None:
    budget = Budget(PRICE, 10.0, None, [Attempt(MOST, outcome, None), Attempt(MOST, "answered", Tokens(1_000_000, 0))])
    assert (budget.held, budget.spent, budget.requests) == (held, 1.0, 2)


def test_a_retry_of_an_early_request_goes_before_the_first_attempt_of_a_late_one() -> None:
    async def use() -> list[int]:
        budget, order = Budget(PRICE, 2.5, None), []
        first = await budget.ask(MOST, 0)

        async def one(turn: int) -> None:
            await budget.ask(MOST, turn)
            order.append(turn)

        waiting = [asyncio.ensure_future(one(turn)) for turn in (9, 5, 1, 7)]
        await asyncio.sleep(0)
        budget.settle(first, Attempt(MOST, "free", None))
        done, pending = await asyncio.wait(waiting, timeout=0.05)
        assert len(done) == 1
        for task in pending:
            task.cancel()
        return order

    assert asyncio.run(use()) == [1]


def test_requests_are_counted_over_the_life_of_the_folder() -> None:
    async def use() -> None:
        budget = Budget(None, None, 3, [Attempt(MOST, "free", None)] * 2)
        await budget.ask(MOST)
        with pytest.raises(BudgetError, match="the limit of 3 requests is reached"):
            await budget.ask(MOST)

    asyncio.run(use())


def test_a_cap_without_a_price_is_refused_before_anything_is_bought() -> None:
    with pytest.raises(UsageError, match="--price-in"):
        Budget(None, 1.0, None)


def ended(budget: Budget, room: Room, used: Tokens | None) -> None:
    budget.settle(room, Attempt(MOST, "answered", used), used)


def test_an_endpoint_that_bills_more_than_it_was_asked_for_ends_the_run_at_its_first_answer() -> None:
    async def use() -> None:
        budget = Budget(PRICE, 20.0, None)
        asked = [budget.ask(MOST, turn) for turn in range(64)]
        await asyncio.sleep(0)
        assert sum(a.done() for a in asked) == 1, "one is sent first"
        ended(budget, asked[0].result(), Tokens(1_000_000, 2_500_000))  # $6 of at most $2
        told = {str(a.exception()) for a in asked[1:]}
        assert told == {
            "the endpoint bills more than was asked for: 2,500,000 output tokens where at most 500,000 were due; $6.0000 of the"
            " budget of $20 spent; nothing is in flight; ask the provider, or go on with a larger --budget-usd"
        }

    asyncio.run(use())


def test_each_answer_that_keeps_to_what_was_asked_lets_one_more_be_under_way() -> None:
    async def use() -> None:
        budget = Budget(PRICE, 1e6, None)
        asked = [budget.ask(MOST, turn) for turn in range(64)]
        for k in range(5):
            ended(budget, asked[k].result(), Tokens(900_000, 500_000))
            assert sum(a.done() for a in asked) == 2 * k + 3
        # It begins to overbill: what is in flight is what can be lost.
        ended(budget, asked[5].result(), Tokens(900_000, 5_000_000))
        assert str(asked[-1].exception()).partition("spent; ")[2].startswith("5 in flight may cost $100.0000 more at that rate")

    asyncio.run(use())


def test_an_endpoint_that_reports_no_usage_is_told_of_once() -> None:
    async def use() -> None:
        budget = Budget(PRICE, 1e6, None)
        asked, told = [budget.ask(MOST, turn) for turn in range(9)], []
        for k in range(6):
            ended(budget, asked[k].result(), None)
            assert sum(a.done() for a in asked) == k + 2  # one at a time
            told.append(budget.held_back())
        assert [bool(t) for t in told] == [False, False, True, False, False, False]
        assert "--max-requests" in told[2]

    asyncio.run(use())


def test_the_last_request_that_overbills_is_told_of_though_nothing_waits(caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> None:
        budget = Budget(PRICE, 1e6, None)
        ended(budget, budget.ask(MOST).result(), Tokens(900_000, 5_000_000))

    asyncio.run(use())
    assert caplog.messages[0].startswith("the endpoint bills more than was asked for: 5,000,000 output tokens")


def test_a_run_that_goes_on_after_that_reserves_what_the_endpoint_bills() -> None:
    async def use() -> None:
        before = Attempt(MOST, "answered", Tokens(1_000_000, 2_500_000))
        budget = Budget(PRICE, 20.0, None, [before])
        asked = [budget.ask(MOST) for _ in range(3)]
        assert [a.done() for a in asked] == [True, False, False]
        assert asked[0].result().usd == 6.0
        ended(budget, asked[0].result(), Tokens(1_000_000, 2_500_000))
        assert asked[1].result().usd == 6.0

    asyncio.run(use())


def test_a_token_more_than_was_asked_for_is_no_reason_to_stop_and_none_to_trust_more() -> None:
    async def use() -> None:
        budget = Budget(PRICE, 20.0, None)
        asked = [budget.ask(MOST) for _ in range(3)]
        ended(budget, asked[0].result(), Tokens(1, 500_001))
        assert [a.done() for a in asked] == [True, True, False]

    asyncio.run(use())


def test_what_cannot_be_true_ends_the_run_too_and_without_a_cap_nothing_is_held_back() -> None:
    async def use() -> None:
        capped, free = Budget(PRICE, 20.0, None), Budget(PRICE, None, None)
        asked = [capped.ask(MOST) for _ in range(2)]
        capped.settle(asked[0].result(), Attempt(MOST, "answered", None), Tokens(1, 2**52))
        with pytest.raises(BudgetError, match="the endpoint bills more than was asked for"):
            asked[1].result()
        assert all(free.ask(MOST).done() for _ in range(64))

    asyncio.run(use())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 64), st.floats(0.5, 50), st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_no_number_in_flight_and_no_order_of_answers_passes_the_cap(
    in_flight: int, usd: float, ends: list[tuple[float, bool]]
) -> None:
    async def use() -> None:
        budget, billed = Budget(PRICE, usd, None), 0.0
        slots = asyncio.Semaphore(in_flight)

        async def one(share: float, lost: bool) -> None:
            nonlocal billed
            async with slots:
                reserved = await budget.ask(MOST)
                await asyncio.sleep(0)
                used = Tokens(int(MOST.input * share), int(MOST.output * share))
                billed += PRICE.usd(used)
                budget.settle(reserved, Attempt(MOST, "unknown" if lost else "answered", None if lost else used))

        await asyncio.gather(*(one(share, lost) for share, lost in ends), return_exceptions=True)
        assert billed <= usd + 1e-9
        assert budget.spent + budget.held <= usd + 1e-9

    asyncio.run(use())


def test_the_worst_case_counts_every_byte_and_the_whole_answer() -> None:
    text = "ที่นี่" * 500  # long enough that what a chat template may add does not hide a count of characters
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 40, "temperature": 1}
    most = worst_case(body)
    assert most.output == 40
    assert most.input >= len(text.encode()) == 9_000
    assert worst_case({**body, "max_completion_tokens": 70}).output == 70
    assert worst_case({"prompt": "x"}).output == 3072


def test_prices_come_from_the_user_or_from_the_list_by_the_address_of_the_provider() -> None:
    assert find_price("anything", "http://127.0.0.1:8000/v1", 1.0, 2.0) == Price(1.0, 2.0, "--price-in, --price-out")
    listed = find_price("gpt-4o-mini", "https://api.openai.com/v1", None, None)
    assert listed is not None
    assert listed.usd(Tokens(1_000_000, 0)) > 0
    assert listed.usd(Tokens(0, 1_000_000)) > listed.usd(Tokens(1_000_000, 0))
    assert "openai/gpt-4o-mini" in listed.source
    assert find_price("gpt-4o-mini", "http://127.0.0.1:8000/v1", None, None) is None
    assert find_price("no-such-model", "https://api.openai.com/v1", None, None) is None
