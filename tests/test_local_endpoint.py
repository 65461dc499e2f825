"""The local endpoint that other tests and the benchmarks rest on: what it says, how it misbehaves, and what its log proves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from endpoint_faults import IN_A_ROW, PASSING, Faults
from invented_answers import count, digest
from local_endpoint import LocalEndpoint

from datagen.answers.tasks import instances, items, tasks, yes_or_no
from datagen.chat.prompt import Prompt
from datagen.generate.generation import subtopics
from datagen.text.language import is_in

TASK = {"instruction": "Sort the words by length.", "input": "tree, a, house", "output": "a, tree, house"}
ASK = [{"role": "user", "content": "What is rain?"}]
LANGUAGES = ["en", "zh", "th"]


def client(server: LocalEndpoint, **options: Any) -> openai.OpenAI:
    plain = openai.DefaultHttpxClient(verify=False)  # reading the certificates of the machine takes longer than a request
    options = {"timeout": 5.0, "http_client": plain, **options}
    return openai.OpenAI(base_url=server.base_url, api_key="sk-none", max_retries=0, **options)


def said(server: LocalEndpoint, messages: Any, *, by: openai.OpenAI | None = None, **body: Any) -> str:
    answer = (by or client(server)).chat.completions.create(model="local", messages=messages, **body)
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_has_the_form_and_the_language_of_its_prompt(endpoint: LocalEndpoint, language: str) -> None:
    def asked(name: str, **values: Any) -> str:
        return said(endpoint, Prompt(name, language).messages(**{"topic": None, **values}))

    found = items(asked("self_instruct", examples=[TASK] * 3, count=5), cut=False)
    assert len(found) == 5
    assert all(is_in(item.instruction, language) for item in found)
    listed = tasks(asked("original_tasks", examples=[TASK] * 8, count=8), cut=False, first=9)
    assert len(listed) == 8 and all(is_in(item.instruction, language) for item in listed)
    one = asked("one_task", examples=[TASK] * 3)
    assert re.match(r"Instruction: .+\nInput: ", one) and is_in(one.split("\n")[0][13:], language)
    assert yes_or_no(asked("original_classify", instruction=TASK["instruction"])) is not None
    for first, name in ((True, "original_output_first"), (False, "original_input_first")):
        made = instances(asked(name, instruction=TASK["instruction"], count=5), cut=False, output_first=first)
        assert made and {item.reason for item in made} <= {None, "empty_answer"}
    assert len(subtopics(asked("subtopics", domain=TASK["input"], count=6))) == 6
    assert is_in(asked("magpie"), language)


def test_a_bare_user_turn_gets_a_task_and_a_question_gets_an_answer(endpoint: LocalEndpoint) -> None:
    turn = client(endpoint).completions.create(model="local", prompt="<|im_start|>user\n", max_tokens=50)
    assert turn.choices[0].finish_reason == "stop"
    assert is_in(turn.choices[0].text, "en")
    assert said(endpoint, ASK).endswith(".")
    assert endpoint.paths == ["/v1/completions", "/v1/chat/completions"]


def test_text_depends_on_the_body_alone_and_ids_on_the_request(endpoint: LocalEndpoint) -> None:
    with LocalEndpoint() as other:
        one, two = (client(e).chat.completions.create(model="local", messages=ASK) for e in (endpoint, other))
        assert one.choices == two.choices and one.usage == two.usage
    again = client(endpoint).chat.completions.create(model="local", messages=ASK)
    assert again.choices == one.choices and again.id != one.id
    texts = {said(endpoint, ASK, seed=n) for n in range(4)}
    assert len(texts) == 4
    both = client(endpoint).chat.completions.create(model="local", messages=ASK, n=2)
    assert len({c.message.content for c in both.choices}) == 2


def test_tasks_repeat_and_lack_answers_as_often_as_said(endpoint: LocalEndpoint) -> None:
    prompt = Prompt("self_instruct", "en")
    asking, found = client(endpoint), []
    for seed in range(60):
        asked = prompt.messages(examples=[TASK] * 3, count=5, topic=None)
        found += items(said(endpoint, asked, by=asking, seed=seed), cut=False)
    assert len(found) == 300
    assert 25 <= sum(item.instruction.startswith("Name three fruits") for item in found) <= 65
    assert 15 <= sum(not item.output for item in found) <= 45


def test_usage_is_what_was_asked_and_said_and_never_above_the_limit(endpoint: LocalEndpoint) -> None:
    answer = client(endpoint).chat.completions.create(model="local", messages=ASK)
    assert answer.usage.prompt_tokens == count("What is rain?") == 4
    assert answer.usage.completion_tokens == count(answer.choices[0].message.content)
    assert count("雨是什么？ฝน") == 7
    with LocalEndpoint(output_tokens="uniform:50:900") as server:
        asking = client(server)
        found = [asking.chat.completions.create(model="local", messages=ASK, seed=n, max_tokens=500) for n in range(60)]
    lengths = [a.usage.completion_tokens for a in found]
    assert min(lengths) >= 50 and max(lengths) == 500 and len(set(lengths)) > 20
    assert {a.choices[0].finish_reason for a in found if a.usage.completion_tokens == 500} == {"length"}
    assert all(count(a.choices[0].message.content) <= 500 for a in found)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", openai.RateLimitError), ("quota", openai.RateLimitError), ("500", openai.InternalServerError),
        ("503", openai.InternalServerError), ("401", openai.AuthenticationError), ("404", openai.NotFoundError),
        ("context", openai.BadRequestError), ("echo", openai.BadRequestError), ("hang", openai.APITimeoutError),
        ("moderated", openai.PermissionDeniedError), ("hang_up", openai.APIConnectionError),
        ("reset", openai.APIConnectionError), ("broken", json.JSONDecodeError),
    ],
)  # fmt: skip
def test_a_scripted_failure_reaches_the_client_and_the_next_request_does_not_meet_it(fault: str, error: Any) -> None:
    with LocalEndpoint({1: fault}) as server:
        asking = client(server, timeout=0.4)
        with pytest.raises(error) as raised:
            asking.chat.completions.create(model="local", messages=ASK)
        assert ("sk-none" in str(raised.value)) == (fault == "echo")
        billed = list(server.billed)
        assert (billed != [0, 0]) == (fault in ("hang", "hang_up", "reset", "broken"))
        assert said(server, ASK)
        assert server.requests == 2


def test_a_reset_comes_in_the_middle_of_the_body() -> None:
    with LocalEndpoint({1: "reset"}) as server, socket.create_connection(("127.0.0.1", int(server.base_url[17:-3]))) as plain:
        body = json.dumps({"model": "local", "messages": ASK}).encode()
        plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        got, whole = b"", False
        with contextlib.suppress(ConnectionResetError):
            while piece := plain.recv(4096):
                got += piece
            whole = True
    assert not whole
    head, _, part = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert 0 < len(part) < int(re.search(rb"Content-Length: (\d+)", head)[1])


@pytest.mark.parametrize(
    ("asks", "headers"),
    [
        (None, {"retry-after": "0", "retry-after-ms": "1"}), ("2", {"retry-after": "2"}),
        ("ms:12.5", {"retry-after-ms": "12.5"}), ("date:60", {"retry-after": "GMT"}),
    ],
)  # fmt: skip
def test_a_rate_limit_says_how_long_to_wait(asks: str | None, headers: dict[str, str]) -> None:
    with LocalEndpoint(always="429", retry_after=asks) as server, pytest.raises(openai.RateLimitError) as raised:
        said(server, ASK)
    found = {k: v for k, v in raised.value.response.headers.items() if k.startswith("retry")}
    assert found.keys() == headers.keys()
    assert all(found[k].endswith(v) for k, v in headers.items())


def test_answers_that_are_not_as_they_should_be() -> None:
    faults = ["cut", "no_choices", "null_text", "no_usage", "reasoning", "think", "think_cut", "huge", "null_choices"]
    faults += ["think_left", "overbilled"]
    found = {}
    with LocalEndpoint() as server:
        whole = client(server).chat.completions.create(model="local", messages=ASK)
    text, used = whole.choices[0].message.content, whole.usage.completion_tokens
    for fault in faults:
        with LocalEndpoint({1: fault}) as server:
            found[fault] = client(server).chat.completions.create(model="local", messages=ASK)
    cut = found["cut"].choices[0]
    assert cut.finish_reason == "length" and text.startswith(cut.message.content) and cut.message.content != text
    assert found["no_choices"].choices == [] and found["null_text"].choices[0].message.content is None
    assert found["no_usage"].usage is None
    aloud = found["reasoning"].choices[0].message.reasoning_content
    assert found["reasoning"].choices[0].message.content == text
    assert found["think"].choices[0].message.content == f"<think>\n{aloud}\n</think>\n\n{text}"
    for fault in ("reasoning", "think"):
        assert found[fault].usage.completion_tokens_details.reasoning_tokens == count(aloud)
        assert found[fault].usage.completion_tokens == count(aloud) + used
    assert "</think>" not in found["think_cut"].choices[0].message.content
    assert found["think_cut"].choices[0].finish_reason == "length"
    assert found["huge"].usage.completion_tokens == 50 * used
    assert found["overbilled"].usage.completion_tokens == 14 * 100
    assert found["null_choices"].choices is None and found["null_choices"].error["code"] == 429
    assert found["think_left"].choices[0].message.content == f"{aloud}\n</think>\n\n{text}"
    with LocalEndpoint(always="stream") as server:
        raw = client(server).chat.completions.with_raw_response.create(model="local", messages=ASK)
    assert raw.headers["content-type"] == "text/event-stream" and raw.text.endswith("data: [DONE]\n\n")
    parts = [json.loads(line[6:]) for line in raw.text.split("\n\n")[:-2]]
    assert "".join(p["choices"][0]["delta"]["content"] for p in parts[:2]) == text
    assert parts[-1]["usage"]["completion_tokens"] == used


def test_what_it_lacks_is_refused_and_what_it_ignores_is_not_done() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "size": {"type": "integer"}},
    }
    wish: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with LocalEndpoint() as server:
        asking = client(server)
        assert set(json.loads(said(server, ASK, response_format=wish))) == {"name", "kind", "size"}
        assert asking.chat.completions.create(model="m", messages=ASK, logprobs=True).choices[0].logprobs.content
        assert [m.id for m in asking.models.list()] == ["local"]
        plain = said(server, ASK)
    with LocalEndpoint(lacks={"completions", "n", "max_tokens", "models"}) as server:
        asking = client(server)
        with pytest.raises(openai.NotFoundError):
            asking.completions.create(model="local", prompt="a")
        with pytest.raises(openai.NotFoundError):
            list(asking.models.list())
        for wrong in ({"n": 2}, {"max_tokens": 5}):
            with pytest.raises(openai.BadRequestError, match="Unsupported parameter"):
                said(server, ASK, **wrong)
        assert said(server, ASK, max_completion_tokens=3)
        assert server.billed[1] == 3
    with LocalEndpoint(ignores={"n", "seed", "json_schema"}) as server:
        answer = client(server).chat.completions.create(model="local", messages=ASK, n=3, seed=1, response_format=wish)
        assert [c.message.content for c in answer.choices] == [plain]


def test_shares_of_faults_are_kept_and_a_body_meets_at_most_three_that_pass_in_a_row() -> None:
    shares = {"429": 0.5, "reset": 0.2, "cut": 0.3}
    faults, met, longest = Faults(shares, seed=1), Counter[str](), 0
    for body in range(400):
        came = [faults.of(str(body)) for _ in range(12)]
        met.update(came)
        assert len({fault for fault in came if fault not in PASSING}) == 1, "an answer's fault does not change with the time"
        longest = max([longest, *(len(row) for row in re.findall("p+", "".join("-p"[fault in PASSING] for fault in came)))])
    assert longest == IN_A_ROW
    assert 0.35 < met["429"] / 4800 < 0.5
    assert met["cut"] / (met["cut"] + met[""]) == pytest.approx(0.3, abs=0.08)


def test_the_same_seed_gives_the_same_faults() -> None:
    one, same, other = ([Faults({"429": 0.5}, seed).of(str(body)) for body in range(50)] for seed in (1, 1, 2))
    assert one == same != other


def test_a_process_logs_every_arrival_before_its_answer_and_ends_when_told_to(tmp_path: Path) -> None:
    script = Path(__file__).parent / "support" / "local_endpoint.py"
    port_file, log = tmp_path / "port", tmp_path / "log"
    options = ["--port-file", port_file, "--log", log, "--faults", "500:0.4,cut:0.2", "--seed", 3, "--delay-ms", 5]
    process = subprocess.Popen([sys.executable, str(script), *map(str, options)])
    while not port_file.exists():
        time.sleep(0.01)
    asking = openai.OpenAI(base_url=f"http://127.0.0.1:{port_file.read_text()}/v1", api_key="x", max_retries=0)
    used, failed = 0, 0
    for n in range(20):
        try:
            used += asking.chat.completions.create(model="local", messages=ASK, seed=n).usage.completion_tokens
        except openai.InternalServerError:
            failed += 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    came, over = [x for x in lines if "body" in x], [x for x in lines if "finished" in x]
    assert [x["n"] for x in came] == [x["n"] for x in over] == list(range(1, 21))
    assert all(x["finished"] for x in over)
    assert Counter(x["status"] for x in over) == {200: 20 - failed, 500: failed} and failed > 2
    assert sum(x["billed"][1] for x in came) == used
    assert came[4]["body"] == digest({"model": "local", "messages": ASK, "seed": 4})
    assert {x["fault"] for x in came} == {"", "500", "cut"}


def test_an_answer_that_its_client_does_not_wait_for_is_logged_as_unfinished(tmp_path: Path) -> None:
    with LocalEndpoint(delay_s=0.5, log=tmp_path / "log") as server:
        with pytest.raises(openai.APITimeoutError):
            client(server, timeout=0.1).chat.completions.create(model="local", messages=ASK)
        time.sleep(0.1)
    _, over = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert over["finished"] is False


def test_it_answers_256_connections_at_a_time(tmp_path: Path) -> None:
    async def load(server: LocalEndpoint) -> float:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=0) as asking:
            started = time.monotonic()
            await asyncio.gather(*(asking.chat.completions.create(model="m", messages=ASK, seed=n) for n in range(256)))
            return time.monotonic() - started

    with LocalEndpoint(delay_s=0.6) as server:
        assert asyncio.run(load(server)) < 8
        assert server.most_at_once > 128
