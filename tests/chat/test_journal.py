"""The journal: what is asked and answered is on disk at once, under a key that depends on what changes the answer only."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.chat.journal import Attempt, Journal, Tokens, connected, request_key
from datagen.errors import DataError

BODY = {"messages": [{"role": "user", "content": "สวัสดี"}], "temperature": 0.9}
MOST = Tokens(100, 50)


def test_a_recorded_answer_is_given_back_as_it_came(tmp_path: Path) -> None:
    async def use(journal: Journal) -> None:
        key = request_key("m", "chat/completions", BODY, 0)
        assert journal.answer(key) is None
        attempt = await journal.asked(key, "m", "chat/completions", BODY, 0, "http://127.0.0.1:1/v1", MOST)
        assert journal.answer(key) is None
        assert journal.counts()["cut_off"] == 1
        await journal.answered(attempt, key, '{"broken', None)
        assert journal.answer(key) == '{"broken'

    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        asyncio.run(use(journal))
        assert journal.counts() == {"asked": 1, "recorded": 1, "given_up": 0, "attempts": 1, "cut_off": 0, "failed": 0}
        assert list(journal.attempts()) == [Attempt(MOST, "answered", None)]


def test_each_attempt_of_a_request_is_remembered_with_what_became_of_it(tmp_path: Path) -> None:
    async def use(journal: Journal) -> None:
        for endpoint in ("http://a/v1", "http://b/v1", "http://c/v1"):
            last = await journal.asked("k", "m", "completions", BODY, 3, endpoint, MOST)
            if "a/" in endpoint:
                await journal.failed(last, "free", "HTTP 500")
        await journal.give_up("k", "HTTP 500")
        assert journal.given_up("k") == "HTTP 500"
        await journal.answered(last, "k", "{}", Tokens(7, 3))

    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        asyncio.run(use(journal))
        assert [(a.outcome, a.used) for a in journal.attempts()] == [
            ("free", None),
            (None, None),
            ("answered", Tokens(7, 3)),
        ]
        assert journal.given_up("k") is None, "what was answered after all is not given up"


def test_many_writers_at_one_time_share_transactions_and_lose_nothing(tmp_path: Path) -> None:
    async def one(journal: Journal, i: int) -> None:
        attempt = await journal.asked(str(i), "m", "completions", {"i": i}, i, "http://a/v1", MOST)
        await journal.answered(attempt, str(i), f"answer {i}", Tokens(i, 1))

    async def all_of_them(journal: Journal) -> None:
        await asyncio.gather(*(one(journal, i) for i in range(500)))

    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        asyncio.run(all_of_them(journal))
        assert [journal.answer(str(i)) for i in range(500)] == [f"answer {i}" for i in range(500)]
        assert sum(a.used.input for a in journal.attempts() if a.used) == sum(range(500))


def test_the_key_knows_the_model_the_path_the_body_and_the_draw() -> None:
    key = request_key("m", "chat/completions", BODY, 0)
    others = [
        request_key("n", "chat/completions", BODY, 0),
        request_key("m", "completions", BODY, 0),
        request_key("m", "chat/completions", {**BODY, "temperature": 0.8}, 0),
        request_key("m", "chat/completions", BODY, 1),
    ]
    assert len({key, *others}) == 5
    assert all(len(k) == 32 for k in (key, *others))


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_the_order_of_the_fields_of_a_body_is_nothing_to_the_key(body: dict[str, int | str]) -> None:
    turned = dict(reversed(body.items()))
    assert request_key("m", "completions", body, 0) == request_key("m", "completions", turned, 0)


def test_the_file_holds_texts_readable_without_datagen(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "deep" / "journal.sqlite")) as journal:
        asyncio.run(journal.asked("k", "m", "chat/completions", BODY, 0, "http://127.0.0.1:1/v1", MOST))
    with closing(sqlite3.connect(tmp_path / "deep" / "journal.sqlite")) as db:
        found = db.execute("SELECT model, path, body, draw, endpoint FROM request").fetchone()
    assert found[:2] == ("m", "chat/completions")
    assert "สวัสดี" in found[2]


@pytest.mark.parametrize("content", [b"this is no database at all, only a file of words" * 50, None])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal.sqlite"
    if content is None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE request (key TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"journal\.sqlite") as refused:
        Journal(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes()[:16] == before[:16]


def test_every_commit_waits_until_the_disk_has_it(tmp_path: Path) -> None:
    with closing(connected(tmp_path / "journal.sqlite")) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: a power cut loses no answer that was paid for


def test_an_answer_recorded_before_a_sudden_death_is_there(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, pathlib, signal, sys\n"
        "from datagen.chat.journal import Journal, Tokens\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "async def use():\n"
        "    for i in range(50):\n"
        "        attempt = await journal.asked(str(i), 'm', 'completions', {}, i, 'http://a/v1', Tokens(1, 1))\n"
        "        await journal.answered(attempt, str(i), f'answer {i}', None)\n"
        "    await journal.asked('50', 'm', 'completions', {}, 50, 'http://a/v1', Tokens(1, 1))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(use())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "journal.sqlite")], check=False)
    assert done.returncode == -9
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        counts = journal.counts()
        assert (counts["asked"], counts["recorded"], counts["cut_off"]) == (51, 50, 1)
        assert journal.answer("49") == "answer 49"
