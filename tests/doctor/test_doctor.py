"""The doctor's visit: address, key and model, answers that make no sense, what is shown, and the embedded model itself."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from capable_endpoint import Handler, ModelServer, found
from click.testing import CliRunner
from endpoint_faults import streamed

from datagen.cli import endings
from datagen.cli.doctor import WIDTH, _show, _wrapped
from datagen.cli.doctor import command as doctor
from datagen.doctor.doctor import PROBES, diagnose, examine
from datagen.doctor.probe_client import one_line
from datagen.errors import ModelError, UsageError

KEY = "sk-secret-0123456789-abcdefghij"


@pytest.fixture(autouse=True)
def no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_wrong_key_is_the_end_of_the_visit_and_is_shown_nowhere() -> None:
    findings = found(server := ModelServer(key="another"), api_key=KEY)
    assert findings.of("key").verdict == "does not" and not findings.usable
    assert findings.of("key").words.startswith("HTTP 401: bad header Authorization: Bearer ***; set OPENAI_API_KEY")
    assert server.bodies == [] and findings.requests == 1
    assert [f.probe for f in findings.probes if f.tried] == ["reachable", "key"]
    assert KEY not in repr(findings)


def test_a_key_is_masked_whole_in_pieces_and_where_words_are_cut() -> None:
    assert one_line(f"a {KEY} b", [KEY]) == "a *** b"
    assert one_line(f"begins {KEY[:14]} ends {KEY[-9:]}!", [KEY]) == "begins *** ends ***!"
    assert KEY[:8] not in one_line("x" * 190 + f" {KEY}", [KEY])
    assert one_line("pass%2Fword", ["pass/word"]) == "***"
    assert one_line("\x1b[31mred\u202e\ud800\n\tline", []) == "[31mred line"


class Streams(Handler):
    """Answers with an event stream that nobody asked for."""

    def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        if status != 200 or "choices" not in content:
            super().send(status, content, headers)
            return
        self.send_bytes(200, streamed(content, chat="message" in content["choices"][0]), headers)


def test_an_event_stream_that_nobody_asked_for_is_read_and_told() -> None:
    with ModelServer() as server:
        server._server.RequestHandlerClass = type("Handler", (Streams,), {"model": server})
        findings = examine(server.base_url, "tiny-chat", timeout_s=5.0)
    assert findings.of("chat").verdict == "works"
    assert findings.of("chat").words.endswith("; as an event stream that nobody asked for, which is read")
    assert [findings.of(p).verdict for p in ("max_tokens", "stop", "usage", "temperature")] == ["works"] * 4
    assert next(a for a in findings.generators if a.generator == "self-instruct --method one").allowed


def test_an_unknown_model_is_answered_with_the_nearest_one() -> None:
    findings = found(ModelServer(models=("tiny-chat", "large-chat")), "tiny-chta")
    assert findings.of("model").words == "tiny-chta is not among its 2 models; did you mean 'tiny-chat'?"
    assert not findings.usable and findings.trouble.endswith("did you mean 'tiny-chat'?")


def test_an_endpoint_of_several_models_asks_for_a_name_and_one_of_a_single_model_does_not() -> None:
    several = found(ModelServer(models=("tiny-chat", "large-chat")), None)
    assert several.of("model").words == "name one with --model; it offers tiny-chat, large-chat"
    assert not several.usable
    single = found(ModelServer(), None)
    assert single.usable and single.model == "tiny-chat"


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("", "the API is at /v1: --base-url {root}/v1"),
        ("/v1/chat/completions", "leave /chat/completions off: --base-url {root}/v1"),
    ],
)
def test_an_address_one_step_beside_the_api_is_corrected(tail: str, words: str) -> None:
    with ModelServer() as server:
        findings = examine(server.root + tail, "tiny-chat", timeout_s=5)
    assert findings.of("reachable").words == words.format(root=server.root)
    assert server.bodies == [] and not findings.usable


def test_an_endpoint_without_a_list_of_models_is_no_worse_for_it() -> None:
    findings = found(ModelServer(lacks="models"))
    assert findings.usable
    assert findings.of("reachable").words.endswith("/models: HTTP 404: an HTML page instead of JSON")


def test_where_nothing_listens_one_request_is_sent_and_one_line_says_so() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    findings = examine(f"http://user:{KEY}@127.0.0.1:{port}/v1?api_key={KEY}", "tiny-chat", api_key=KEY, timeout_s=5)
    assert findings.requests == 1 and [f.probe for f in findings.probes if f.tried] == ["reachable"]
    assert findings.trouble.startswith(f"http://127.0.0.1:{port}/v1: reachable: no connection")
    assert KEY not in repr(findings)


@pytest.mark.parametrize(
    "answer", ["[]", "{}", '{"choices": []}', '{"choices": [null]}', '{"choices": {"0": 1}}', "null", "{",
               '{"choices": [{"message": 7}]}']
)  # fmt: skip
def test_answers_that_make_no_sense_are_findings(answer: str) -> None:
    class Nonsense(Handler):
        def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            self.send_bytes(status, answer.encode())

    server = ModelServer()
    server._server.RequestHandlerClass = type("Handler", (Nonsense,), {"model": server})
    findings = found(server)
    assert {f.probe for f in findings.probes} == {p.name for p in PROBES}
    assert findings.of("seed").verdict != "works"


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "http://", "http://[bad/v1", "http://host:port/v1", "ftp://host/v1"])
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="is not a URL"):
        examine(url, "m")


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-sécret", "sk secret"])
def test_a_key_that_cannot_be_sent_is_said_without_showing_it(key: str) -> None:
    with pytest.raises(ModelError) as error:
        examine("http://127.0.0.1:9/v1", "m", api_key=key)
    assert "cret" not in str(error.value).replace("OPENAI", "")


def test_the_environment_names_the_endpoint_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(key=KEY) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert diagnose(timeout_s=5).of("key").words == "accepted"


def shown(server: ModelServer, *options: str) -> Any:
    with server:
        return CliRunner().invoke(doctor, ["--base-url", server.base_url, "--timeout-s", "2", *options], standalone_mode=False)


def test_the_command_prints_a_table_of_80_columns_and_exits_0_when_something_works() -> None:
    long = "模型" * 60
    result = shown(ModelServer(models=(f"org/{long}",), refuses="n"), "--model", f"org/{long}")
    assert result.exception is None and result.return_value == 0
    lines = result.stdout.splitlines()
    *lines, following = lines  # a command is on one line, however long the model's name
    assert following.startswith("next: datagen self-instruct ")
    assert all(sum(2 if c in long else 1 for c in line) <= WIDTH for line in lines)
    assert "n               does not  HTTP 400: Unsupported parameter: 'n' is not supported" in lines
    assert any(line.startswith("magpie                          yes    chat and raw prompts; give its") for line in lines)
    assert lines[-1].endswith(" s") and " requests, " in lines[-1]


def test_json_is_one_line_also_when_nothing_works_and_the_exit_code_is_that_of_a_model() -> None:
    result = shown(ModelServer(lacks="chat.completions completions"), "--model", "tiny-chat", "--json")
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["usable"] is False
    assert json.loads(line)["probes"][3]["probe"] == "chat"
    assert isinstance(result.exception, ModelError) and result.exception.exit_code == 4
    assert "\n" not in str(result.exception)


def test_the_next_command_names_the_endpoint_but_no_password_and_nothing_where_none_was_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ModelServer() as server:
        findings = examine(server.base_url, "tiny-chat", timeout_s=5)
    for url in (server.base_url, server.base_url.replace("http://", "http://me:secret@"), None):
        endings.of_doctor(findings, url)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"--model tiny-chat --base-url {server.base_url}") and "--base-url" not in second
    endings.of_doctor(replace(findings, model="smollm2"), None)  # which needs one task at a time
    assert capsys.readouterr().out.startswith("next: datagen self-instruct --method one -n 10 -o tasks")


def test_words_are_broken_where_they_end_and_cut_where_they_do_not_fit() -> None:
    assert _wrapped("one two three", 8) == ["one two", "three"]
    assert _wrapped("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert _wrapped("中文中文中文", 4) == ["中文", "中文", "中文"]
    assert _wrapped("", 4) == [""]


@pytest.mark.slow
def test_the_embedded_model_chats_and_gives_magpie_its_raw_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    """Run in a process of its own: the numbers of the table are worth reading (`pytest -s`)."""
    findings = diagnose(timeout_s=60)
    with capsys.disabled():
        _show(findings)
    for probe in ("reachable", "key", "model", "chat", "completions", "raw prompts", "system message", "usage", "context"):
        assert findings.of(probe).verdict == "works", findings.of(probe)
    assert findings.of("max_tokens").verdict == "works"
    assert findings.of("temperature").values == {"varies": True}
    assert {"self-instruct --method alpaca", "magpie"} <= {a.generator for a in findings.generators if a.allowed}
    assert findings.usd == 0


def test_importing_the_command_loads_nothing_heavy() -> None:
    program = (
        "import sys, datagen.cli.doctor, datagen.doctor.doctor; print({'openai', 'torch', 'genai_prices'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
