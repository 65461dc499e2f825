"""The journal: what is asked and answered is on disk at once, under a key that depends on what changes the answer only."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from datagen.models.journal import Journal, request_key

BODY = {"messages": [{"role": "user", "content": "สวัสดี"}], "temperature": 0.9}


def test_a_recorded_answer_is_given_back_as_it_came(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    key = request_key("m", "chat/completions", BODY, 0)
    assert journal.answer(key) is None
    journal.asked(key, "chat/completions", BODY, 0, "http://127.0.0.1:1/v1")
    assert journal.answer(key) is None
    journal.answered(key, '{"broken')
    assert journal.answer(key) == '{"broken'
    assert journal.counts() == (1, 1)
    journal.close()


def test_a_request_asked_twice_is_one_request(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    for endpoint in ("http://a/v1", "http://b/v1"):
        journal.asked("k", "completions", BODY, 3, endpoint)
    assert journal.counts() == (1, 0)
    journal.close()


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


def test_the_file_holds_texts_readable_without_datagen_and_no_key(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal.sqlite")
    journal.asked("k", "chat/completions", BODY, 0, "http://127.0.0.1:1/v1")
    journal.answered("k", '{"choices": []}')
    journal.close()
    with closing(sqlite3.connect(tmp_path / "deep" / "journal.sqlite")) as db:
        columns = {row[1] for table in ("request", "answer") for row in db.execute(f"PRAGMA table_info({table})")}
        assert columns == {"key", "path", "body", "draw", "endpoint", "raw"}
        assert "สวัสดี" in db.execute("SELECT body FROM request").fetchone()[0]


def test_an_answer_recorded_before_a_sudden_death_is_there(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from datagen.models.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for i in range(50):\n"
        "    journal.asked(str(i), 'completions', {}, i, 'http://a/v1')\n"
        "    journal.answered(str(i), f'answer {i}')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "journal.sqlite")], check=False)
    assert done.returncode == -9
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.counts() == (50, 50)
    assert journal.answer("49") == "answer 49"
    journal.close()
