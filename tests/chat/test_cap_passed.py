"""A cap in dollars at an endpoint that bills too much at the very end, or never says what it billed: it is told, not silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hostile_endpoint import Endpoint, answer, encoded

from datagen.chat.budget import Budget
from datagen.chat.client import Chat
from datagen.chat.journal import Attempt, Journal, Tokens
from datagen.chat.opening import opened
from datagen.chat.options import ModelOptions
from datagen.chat.prices import Price

ROWS = [{"instruction": f"Name {i} rivers of the north.", "output": "The Ob."} for i in range(3)]
FAIR, OVER = {"prompt_tokens": 50, "completion_tokens": 20}, {"prompt_tokens": 50, "completion_tokens": 6_000}
COMMANDS = {"answer": [], "judge": ["--probabilities", "off"]}


@pytest.fixture
def words(write_jsonl: Callable[..., Path]) -> Callable[..., list[str]]:
    """Give the command line of a teacher over ROWS under a cap."""
    write_jsonl("rows.jsonl", *ROWS)

    def line(kind: str, server: Endpoint, usd: str, *more: str) -> list[str]:
        prices = ["--price-in", "1", "--price-out", "1000", "--max-output-tokens", "1000", "--budget-usd", usd]
        model = ["--model", "m", "--base-url", server.base_url, "--concurrency", "1"]
        return [kind, "rows.jsonl", "-o", "out", *COMMANDS[kind], *model, *prices, *more]

    return line


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_cap_that_the_last_answer_passed_is_exit_code_5_until_it_is_larger(kind: str, words: Any, datagen: Any) -> None:
    def reply(n: int) -> Any:
        return encoded(answer("The Lena is one of them. Score: 4", OVER if n == len(ROWS) else FAIR))

    with Endpoint(reply) as server:
        for _ in range(2):  # the same command again says it again, and asks nothing
            done = datagen(*words(kind, server, "4"))
            assert (done.returncode, server.requests) == (5, 3), done.stderr
            told = "the endpoint bills more than was asked for: $6.0401 of the budget of $4 spent, $4.99"
            assert told in done.stderr and done.stderr.endswith("with a larger --budget-usd; 3 rows are in out/kept\n")
            assert "go on with" not in done.stderr
        done = datagen(*words(kind, server, "7"))
        assert (done.returncode, server.requests) == (0, 3), done.stderr
        assert "bills more" not in done.stderr


def test_the_steps_after_it_wait_for_a_larger_cap(datagen: Any, tmp_path: Path, write_jsonl: Any) -> None:
    write_jsonl("rows.jsonl", ROWS[0])
    recipe = """
input: rows.jsonl
steps:
- judge:
    {{model: m, base_url: {url}, price_in: 1, price_out: 1000, max_output_tokens: 1000, probabilities: "off",
     budget_usd: {usd}}}
- rules
"""
    with Endpoint(lambda n: encoded(answer("Score: 4", OVER))) as server:
        for usd, code in ((4, 5), (7, 0)):
            (tmp_path / "r.yaml").write_text(recipe.format(url=server.base_url, usd=usd))
            done = datagen("run", "r.yaml", "-o", "out")
            assert (done.returncode, server.requests) == (code, 1), done.stderr


def test_a_cap_that_is_made_smaller_than_what_was_spent_under_a_larger_one_is_not_passed() -> None:
    def spent(*used: int) -> list[Attempt]:
        return [Attempt(Tokens(10, 1000), "answered", Tokens(10, n)) for n in used]

    price = Price(0.0, 1000.0, "test")
    assert Budget(price, 1.0, None, spent(1000, 900)).passed == ""
    assert Budget(price, 4.0, None, spent(1000, 1200)).passed == "", "billed more, and within the cap"
    assert Budget(price, 2.0, None, spent(1000, 1200)).passed.startswith("the endpoint bills more")
    assert Budget(price, None, None, spent(9000)).passed == ""


@pytest.mark.parametrize(("options", "told"), [({}, 1), ({"concurrency": 1}, 0), ({"budget_usd": None}, 0)])
def test_an_endpoint_without_usage_is_told_once_with_what_helps(tmp_path: Path, options: dict[str, Any], told: int) -> None:
    said: list[str] = []
    given = {"price_in": 1.0, "price_out": 1.0, "budget_usd": 1.0, **options}

    async def work(chat: Chat) -> None:
        body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 100}
        chat.say = said.append
        try:
            await asyncio.gather(*(chat.complete("chat/completions", body, draw) for draw in range(8)))
        finally:
            await chat.close()

    with Endpoint(lambda n: encoded(answer("fine", {}))) as server, closing(Journal(tmp_path / "journal.sqlite")) as journal:
        with opened(ModelOptions(model="m", base_url=server.base_url, **given), journal) as chat:
            asyncio.run(work(chat))
        assert server.requests == 8
    assert len(said) == told and all(w.startswith("the endpoint reports no usage: under --budget-usd requests") for w in said)
    assert all("--max-requests in its place" in w for w in said)


def test_a_judge_tells_it_too(words: Any, datagen: Any, write_jsonl: Any) -> None:
    write_jsonl("rows.jsonl", *ROWS, *({**row, "output": "The Amur."} for row in ROWS))
    with Endpoint(lambda n: encoded(answer("Score: 4", {}))) as server:
        done = datagen(*words("judge", server, "100", "--concurrency", "4"))
    assert done.returncode == 0 and done.stderr.count("the endpoint reports no usage") == 1, done.stderr
