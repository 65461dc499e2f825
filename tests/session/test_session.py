"""A conversation: what each model hears, what is saved of it, what fails and what is stopped."""

from __future__ import annotations

import codecs
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.data.shards import read_all
from datagen.errors import ModelError, UsageError
from datagen.session.session import Session
from datagen.session.voices import opened


def heard(session: Session, text: str, at: int = 0) -> str:
    return "".join(piece.text for piece in session.asked(session.voices[at], text) if piece.kind == "says")


def test_each_model_hears_its_own_answers_only(tmp_path: Path) -> None:
    with LocalEndpoint(always="stream") as server, opened(["one", "two"], server.base_url) as voices:
        session = Session(voices, "Be brief.", {"temperature": 0.5})
        first = [heard(session, "Hello?", at) for at in (0, 1)]
        assert first[0] and first[0] != first[1]
        heard(session, "And now?", 1)
        system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}
        second = [system, user, {"role": "assistant", "content": first[1]}, {"role": "user", "content": "And now?"}]
        assert server.bodies[2]["messages"] == second
        assert {(body["model"], body["temperature"], body["stream"]) for body in server.bodies} == {
            ("one", 0.5, True), ("two", 0.5, True),
        }  # fmt: skip
        assert session.save(tmp_path / "said.jsonl") == 2
    one, two = (json.loads(line) for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines())
    assert (one["source"], two["source"]) == ("chat one", "chat two")
    assert one["messages"] == [system, user, {"role": "assistant", "content": first[0]}]
    assert two["messages"][:4] == second


def test_what_was_said_before_a_new_beginning_is_saved_too(tmp_path: Path) -> None:
    with LocalEndpoint(always="stream") as server, opened(["one"], server.base_url) as voices:
        session = Session(voices)
        heard(session, "First?")
        session.reset("Another system text.")
        heard(session, "Second?")
        assert session.save(tmp_path / "said.jsonl") == 2
        heard(session, "Third?")
        assert session.save(tmp_path / "said.jsonl") == 1  # the conversation under way, as it stands now
    lines = [json.loads(line)["messages"] for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines()]
    assert [[m["content"] for m in line if m["role"] != "assistant"] for line in lines] == [
        ["First?"], ["Another system text.", "Second?"], ["Another system text.", "Second?", "Third?"],
    ]  # fmt: skip


@pytest.mark.parametrize("fault", ["500", "401", "hang_up", "context"])
def test_an_exchange_that_fails_is_told_in_a_line_and_leaves_nothing(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")
    with LocalEndpoint(script={1: fault}, always="stream") as server, opened(["one"], server.base_url) as voices:
        session = Session(voices)
        with pytest.raises(ModelError) as told:
            heard(session, "Hello?")
        assert str(told.value).startswith("one: ") and "\n" not in str(told.value) and "sk-secret" not in str(told.value)
        assert session.records() == []
        assert heard(session, "Hello?")
        assert server.bodies[1]["messages"] == [{"role": "user", "content": "Hello?"}]


def test_an_answer_that_was_cut_is_heard_on_and_marked_as_none_to_learn_from(tmp_path: Path) -> None:
    with LocalEndpoint(always="stream") as server, opened(["one"], server.base_url) as voices:
        session = Session(voices, sampling={"max_tokens": 1})
        heard(session, "Hello?")
        heard(session, "And now?")
        assert [sorted(m) for m in server.bodies[1]["messages"]] == [["content", "role"]] * 3
        assert session.save(tmp_path / "said.jsonl") == 1
        assert session.save(tmp_path / "said.jsonl") == 0  # nothing was said since
    (record,) = (json.loads(line) for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines())
    assert [m.get("train") for m in record["messages"]] == [None, False, None, False]


def test_an_answer_that_a_person_stops_is_kept_as_far_as_it_came() -> None:
    with LocalEndpoint(always="stream") as server, opened(["one"], server.base_url) as voices:
        session = Session(voices)
        pieces = session.asked(voices[0], "Hello?")
        part = next(pieces).text
        pieces.close()
        asked, answer = session.records()[0]["messages"]
        assert (asked["content"], answer["content"], answer["train"]) == ("Hello?", part, False)


def test_what_cannot_be_opened_is_said() -> None:
    with pytest.raises(UsageError, match="named twice"), opened(["one", "one"], "http://127.0.0.1:9/v1"):
        pass
    with pytest.raises(UsageError, match="smollm2 is here"), opened(["smollm2"], "http://127.0.0.1:9/v1"):
        pass


def test_a_pipe_is_a_conversation_and_its_file_is_read_as_rows(datagen: Callable[..., Any], tmp_path: Path) -> None:
    with LocalEndpoint(always="stream") as server:
        words = ("chat", "one", "--adapter", "two", "--base-url", server.base_url, "--save", "said.jsonl")
        done = datagen(*words, stdin="Hello?\n\n/nothing\n/system Be kind.\nHow are you?\n/quit\nnever asked\n")
    assert done.returncode == 0, done.stderr
    assert server.requests == 4 and "there is no command /nothing" in done.stdout
    assert done.stdout.count("one\n") == done.stdout.count("two\n") == 2
    assert "4 conversations added to said.jsonl" in done.stderr
    assert datagen("filter", "said.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    rows = [row for name in ("kept", "dropped") for row in read_all(tmp_path / "out" / name).to_pylist()]
    assert len(rows) == 4


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "datagen", *words], cwd=folder, env={**environment, "TERM": "xterm"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, close_fds=True,
        )  # fmt: skip
        os.close(theirs)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character

    def until(self, text: str, seconds: float = 60.0) -> str:
        """Read until a text is shown after what was read before; return what came."""
        came, end = "", time.monotonic() + seconds
        while text not in came:
            assert time.monotonic() < end, f"never shown: {text!r}; came: {came!r}"
            if select.select([self.ours], [], [], 0.2)[0]:
                came += self._decoder.decode(os.read(self.ours, 4096))
        return came

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())


@pytest.mark.slow
def test_at_a_terminal_an_answer_streams_stops_at_ctrl_c_and_the_conversation_goes_on(
    tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    at = Terminal(["chat", "smollm2", "--max-tokens", "400"], tmp_path, clean_environment)
    assert "smollm2 will answer.\r\n/system TEXT" in at.until("› ")
    at.type("Count from one to four hundred, in words.\n")
    at.until("\n")
    at.until(" ")  # the answer has begun
    os.killpg(at.process.pid, signal.SIGINT)
    at.until("› ")
    at.type("Say yes.\n")
    at.until("› ")
    at.type("/save said.jsonl\n")
    assert "1 conversation added" in at.until("› ")
    at.type("/quit\n")
    assert at.process.wait(30) == 0
    (record,) = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines()]
    assert [m["role"] for m in record["messages"]] == ["user", "assistant"] * 2 and record["messages"][3]["content"]


@pytest.mark.slow
def test_a_served_model_answers_until_it_is_ended(tmp_path: Path, clean_environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "datagen", "serve", "smollm2", "--port", "0"], cwd=tmp_path, env=clean_environment,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " answers at http://127.0.0.1:" in line
    url = line.split(" answers at ")[1].split(",")[0]
    with opened(["any"], url) as voices:
        assert heard(Session(voices, sampling={"max_tokens": 8}), "Hello")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    with pytest.raises(ModelError), opened(["any"], url) as voices:
        heard(Session(voices), "Hello")


def test_what_serve_cannot_do_is_said(datagen: Callable[..., Any]) -> None:
    done = datagen("serve", "gpt-4o")
    assert (done.returncode, done.stderr) == (
        2, "datagen: 'gpt-4o' is not here: serve takes smollm2, a folder, an adapter or a FILE.gguf\n",
    )  # fmt: skip
    with LocalEndpoint() as server:
        port = server.base_url.split(":")[2].removesuffix("/v1")
        done = datagen("serve", "smollm2", "--port", port)
    assert done.returncode == 2 and f"port {port} cannot be had" in done.stderr
