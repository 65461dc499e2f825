"""What an endpoint must not be able to do: hang a run, pass a cap, get the key written down, or cost a paid answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hostile_endpoint import KEY, Endpoint, Reply, answer, asked, encoded

from datagen.chat import completion
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.journal import Journal
from datagen.chat.masking import one_line
from datagen.chat.opening import opened
from datagen.chat.options import ModelOptions
from datagen.errors import DataError, ModelError


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as found:
        yield found


def one(journal: Journal, reply: Reply, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Completion, Chat]:
    with Endpoint(lambda n: reply) as endpoint:
        found, chat = asked(journal, endpoint, monkeypatch, **options)
    return found[0], chat


@pytest.mark.parametrize("text", ["\n" * 200_000, " " * 200_000 + "<think>", "<think>" * 20_000, "<" * 100_000])
@pytest.mark.timeout(60)  # a pattern that goes back and forth would take hours
def test_a_hostile_answer_is_read_to_its_end(text: str) -> None:
    assert completion.read("k", json.dumps(answer(text))).text is not None


@pytest.mark.timeout(60)
def test_a_big_refusal_is_cut_before_it_is_looked_at() -> None:
    assert len(one_line("x y" * 5_000_000, [KEY, "another-secret-key"])) == 200


def test_a_redirect_is_not_followed_and_names_the_new_address(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda n: (307, {"Location": "http://127.0.0.1:1/v2/chat/completions"}, b"")) as endpoint:
        with pytest.raises(ModelError, match=r"redirects to http://127\.0\.0\.1:1/v2/chat/comp.*: give that as"):
            asked(journal, endpoint, monkeypatch, max_requests=3)
        assert endpoint.requests == 1


def escaped(text: str) -> Reply:
    raw = json.dumps(answer("Say: KEY")).replace("KEY", "".join(f"\\u{ord(c):04x}" for c in text))
    return 200, {"Content-Type": "application/json"}, raw.encode()


@pytest.mark.parametrize(
    "reply",
    [
        encoded(answer(f"Say: {KEY}")),
        (200, {}, json.dumps(answer(f"Say: {KEY}")).replace("/", "\\/").encode()),
        escaped(KEY),
        encoded(answer(f"Say: {quote(KEY, safe='')}")),
        encoded(answer(f"Say: {base64.b64encode(b'user:' + KEY.encode() + b' and more').decode()}")),
        encoded(answer(f"Say: {KEY[:-1]}")),
    ],
    ids=["plain", "slashes", "unicode", "url", "base64", "all but one"],
)
def test_a_key_that_an_answer_repeats_in_any_form_is_in_neither_journal_nor_answer(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    found, _ = one(journal, reply, monkeypatch)
    assert found.text is not None and found.text.startswith("Say: ") and "***" in found.text
    journal.close()
    stored = b"".join(p.read_bytes() for p in tmp_path.glob("journal*"))
    for form in (KEY, KEY[:-1], quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()[4:-8]):
        assert form.encode() not in stored
        assert form not in found.text


@pytest.mark.parametrize("key", ["none", "token", "e", "test"])
def test_a_placeholder_for_a_key_is_no_secret_and_no_answer_loses_a_word(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    found, chat = one(journal, encoded(answer("none of the tokens here is a test")), monkeypatch, key=key)
    assert (found.text, chat.budget.used.output) == ("none of the tokens here is a test", 20)


def test_the_user_part_of_an_address_is_a_secret_too() -> None:
    with pytest.raises(ValueError, match="base_url holds a password or a query"):
        ModelOptions(model="m", base_url="http://sk-USERSECRET99@127.0.0.1:1/v1")


def test_bytes_are_utf8_whatever_a_header_says(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for draw, charset in enumerate(("us-ascii", "rot13", "utf-7", "nonsense")):
        body = json.dumps(answer(f"水果 {draw}"), ensure_ascii=False).encode()
        with Endpoint(lambda n, b=body, c=charset: (200, {"Content-Type": f"application/json; charset={c}"}, b)) as endpoint:
            found, _ = asked(journal, endpoint, monkeypatch, draws=draw + 1)
        assert found[-1].text == f"水果 {draw}"


def test_half_a_character_costs_no_answer_and_parts_are_joined(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(answer("good HALF")).replace("HALF", "\\ud83d")
    assert one(journal, (200, {}, raw.encode()), monkeypatch)[0].text == "good \ufffd"
    parts = [{"type": "text", "text": "one "}, {"type": "image"}, {"type": "text", "text": "two"}]
    assert completion.read("k", json.dumps(answer(parts))).text == "one two"


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        ({"prompt_tokens": 10.0, "completion_tokens": "20"}, (10, 20)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 2**52, "completion_tokens": 2**52}, None),
    ],
)
def test_usage_is_read_where_it_can_be_true_and_held_at_the_worst_case_where_not(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, usage: Any, used: tuple[int, int] | None
) -> None:
    _, chat = one(journal, encoded(answer("x", usage)), monkeypatch, price_in=1.0, price_out=1.0, budget_usd=1.0)
    assert (chat.budget.used.input, chat.budget.used.output) == (used or (0, 0))
    assert (chat.budget.held > 0) == (used is None)


def test_an_answer_without_choices_still_counts_what_it_used() -> None:
    found = completion.read("k", json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}))
    assert (found.text, found.used and found.used.output) == (None, 6)


def test_an_error_in_an_answer_of_200_is_tried_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [encoded({"error": {"code": 429, "message": "slow down"}}), encoded(answer("fine"))]
    with Endpoint(lambda n: replies[min(n, 2) - 1]) as endpoint:
        found, _ = asked(journal, endpoint, monkeypatch)
        assert (found[0].text, endpoint.requests) == ("fine", 2)


def test_a_web_page_in_place_of_the_api_stops_at_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="answers with a web page: is --base-url right"):
        one(journal, (200, {"Content-Type": "text/html"}, b"<html>hello</html>"), monkeypatch)


def test_an_unreadable_answer_is_bought_once_and_again_only_where_that_is_asked_for(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [encoded(answer(None)), encoded(answer("fine"))]
    with Endpoint(lambda n: replies[min(n, 2) - 1]) as endpoint:
        assert asked(journal, endpoint, monkeypatch)[0][0].text is None
        assert asked(journal, endpoint, monkeypatch)[0][0].text is None
        assert endpoint.requests == 1
        assert asked(journal, endpoint, monkeypatch, retry_failed=True)[0][0].text == "fine"
        assert asked(journal, endpoint, monkeypatch, retry_failed=True)[0][0].text == "fine"
        assert endpoint.requests == 2


def test_a_rate_limit_alone_gives_no_request_up(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda n: (429, {"Retry-After": "0.01"}, b"") if n <= 8 else encoded(answer("fine"))) as endpoint:
        monkeypatch.setattr("datagen.chat.client.BACK_OFF_S", 0.01)
        assert asked(journal, endpoint, monkeypatch)[0][0].text == "fine"
        assert endpoint.requests == 9


def test_a_request_that_was_only_waiting_when_a_run_ends_is_not_held(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 100}

    async def work(chat: Chat) -> None:
        tasks = [asyncio.ensure_future(chat.complete("chat/completions", body, draw)) for draw in range(4)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await chat.close()

    with Endpoint(lambda n: encoded(answer("fine"))) as endpoint:
        options = ModelOptions(model="m", base_url=endpoint.base_url, rpm=30, price_in=1.0, price_out=1.0)
        with opened(options, journal) as chat:
            asyncio.run(work(chat))
    assert (chat.budget.held, journal.counts()["cut_off"]) == (0.0, 0)


def test_what_an_answer_cost_stays_what_it_cost(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda n: encoded(answer("fine"))) as endpoint:
        first, _ = asked(journal, endpoint, monkeypatch, price_in=1.0, price_out=1.0)
        again, _ = asked(journal, endpoint, monkeypatch, price_in=100.0, price_out=100.0)
    assert first[0].usd == again[0].usd == pytest.approx(30e-6)


@pytest.mark.parametrize("damage", ["UPDATE attempt SET most_input = 'x'", "ALTER TABLE attempt DROP COLUMN usd"])
def test_a_damaged_journal_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    import sqlite3

    path = tmp_path / "j.sqlite"
    with closing(Journal(path)) as whole:
        one(whole, encoded(answer("fine")), monkeypatch)
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()
    with closing(Journal(path)) as journal, pytest.raises(DataError, match="is damaged"):
        list(journal.attempts())
