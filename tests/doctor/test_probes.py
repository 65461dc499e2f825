"""The doctor's probes against a real server: what works, what is only accepted, what is refused, what stays unknown."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from capable_endpoint import ModelServer, found

from datagen.doctor.doctor import PROBES, Findings, examine

KEY = "sk-secret-0123456789-abcdefghij"


@pytest.fixture(scope="module")
def healthy() -> Iterator[tuple[Findings, ModelServer]]:
    """What is found at a server that can do everything."""
    limits = {"x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "30000"}
    with ModelServer(key=KEY, entry={"max_model_len": 8192}, headers=limits) as server:
        yield examine(server.base_url, "tiny-chat", api_key=KEY, timeout_s=10), server


def works(findings: Findings) -> set[str]:
    return {a.generator for a in findings.generators if a.allowed}


def test_at_an_endpoint_that_can_everything_everything_works(healthy: tuple[Findings, ModelServer]) -> None:
    verdicts = {f.probe: f.verdict for f in healthy[0].probes}
    assert verdicts == {p.name: "works" for p in PROBES} | {"reasoning": "does not", "price": "unknown"}
    assert all(a.allowed for a in healthy[0].generators)
    assert healthy[0].of("rate limits").words == "--rpm 500 --tpm 30000 by its headers"
    assert healthy[0].of("context").values == {"tokens": 8192}


def test_the_probes_are_few_and_small_and_their_cost_is_the_endpoints_own_count(
    healthy: tuple[Findings, ModelServer],
) -> None:
    findings, server = healthy
    assert len(server.bodies) + 2 == findings.requests <= 30  # beside those, the lists of models and of batches
    assert {b["max_tokens"] for b in server.bodies} == {1, 16, 64}
    assert findings.input_tokens + findings.output_tokens < 1000
    assert findings.uncounted == 0


@pytest.mark.parametrize(
    ("parameter", "probe", "lost"),
    [
        ("seed", "seed", set()),
        ("n", "n", set()),
        ("stop", "stop", set()),
        ("logprobs", "logprobs", {"scores by logprobs"}),
        ("response_format", "JSON schema", set()),
        ("top_p", "top_p", set()),
        ("temperature", "temperature", set()),
        ("max_tokens", "max_tokens", {"--budget-usd"}),
        ("system", "system message", set()),
    ],
)
def test_a_parameter_that_is_accepted_and_not_obeyed_is_ignored_not_working(
    parameter: str, probe: str, lost: set[str], healthy: tuple[Findings, ModelServer]
) -> None:
    findings = found(ModelServer(ignores=parameter))
    assert findings.of(probe).verdict == "ignored"
    assert {f.probe for f in findings.probes if f.verdict == "ignored"} == {probe}
    assert works(healthy[0]) - works(findings) == lost


@pytest.mark.parametrize(
    ("parameter", "probe"),
    [
        ("seed", "seed"),
        ("n", "n"),
        ("stop", "stop"),
        ("logprobs", "logprobs"),
        ("response_format", "JSON schema"),
        ("top_p", "top_p"),
        ("system", "system message"),
    ],
)
def test_a_parameter_that_is_refused_does_not_work_in_the_endpoints_words(parameter: str, probe: str) -> None:
    findings = found(ModelServer(refuses=parameter))
    assert findings.of(probe).verdict == "does not"
    assert findings.of(probe).words == f"HTTP 400: Unsupported parameter: '{parameter}' is not supported"
    assert findings.of("chat").verdict == "works"


def test_a_probe_that_hangs_stops_no_other() -> None:
    findings = found(ModelServer(hangs="logprobs n"), timeout_s=1.0)
    assert {f.probe for f in findings.probes if f.words.startswith("no answer within 1 s")} == {"n", "logprobs"}
    assert findings.of("logprobs").verdict == "unknown"
    assert findings.of("JSON schema").verdict == findings.of("latency").verdict == "works"
    assert findings.uncounted == 2  # they may have been worked on


def test_where_max_completion_tokens_is_demanded_every_probe_uses_it() -> None:
    findings = found(server := ModelServer(refuses="max_tokens", lacks="completions"))
    assert findings.of("max_tokens").verdict == "does not"
    assert findings.of("max_tokens").values == {"limit": "max_completion_tokens"}
    assert findings.of("seed").verdict == findings.of("latency").verdict == "works"
    chats = [b for b in server.bodies if "messages" in b]
    assert ["max_tokens" in b for b in chats] == [True] + [False] * (len(chats) - 1)


def test_a_chat_template_around_raw_completions_is_seen_and_rules_out_magpie() -> None:
    findings = found(ModelServer(lacks="raw"))
    assert findings.of("completions").verdict == "works"
    assert findings.of("raw prompts").words == "the prompt 'a' counts 8 tokens: a chat template is put around it"
    assert "magpie" not in works(findings) and "self-instruct --method one" in works(findings)


def test_without_a_count_of_tokens_a_continued_word_shows_that_prompts_are_raw() -> None:
    findings = found(ModelServer(lacks="usage"))
    assert findings.of("usage").verdict == "does not"
    assert findings.of("raw prompts").words == "a word that breaks off is continued"
    held = next(a for a in findings.generators if a.generator == "--budget-usd")
    assert held.allowed and held.why.startswith("no usage: each answer held at its worst case")
    assert findings.uncounted > 20


def test_an_endpoint_that_always_gives_one_text_is_no_place_to_draw_tasks() -> None:
    findings = found(ModelServer(lacks="draws"))
    assert findings.of("temperature").verdict == findings.of("seed").verdict == "ignored"
    assert findings.of("top_p").verdict == "unknown"
    assert "magpie" not in works(findings) and "self-instruct --method alpaca" in works(findings)


def test_a_seed_that_holds_only_for_a_request_alone_is_told_apart() -> None:
    findings = found(ModelServer(lacks="seeds"))
    assert findings.of("seed").words == "alone only: beside another request one seed gives two texts"


def test_a_limit_is_asked_for_once_more_where_the_first_answer_ended_by_itself() -> None:
    for ignores, verdict in ("", "works"), ("max_tokens", "ignored"):
        findings = found(ModelServer(says=lambda prompt: "a short list of words " * 2, ignores=ignores, lacks="completions"))
        assert findings.of("max_tokens").verdict == verdict


def test_with_raw_completions_alone_the_probes_go_by_them() -> None:
    findings = found(ModelServer(lacks="chat.completions"))
    assert findings.usable and findings.of("chat").verdict == "does not"
    assert {findings.of(p).verdict for p in ("seed", "temperature", "top_p", "stop", "n", "logprobs", "usage")} == {"works"}
    assert not findings.of("JSON schema").tried
    assert works(findings) == {"scores by logprobs", "--budget-usd", "batches"}


def test_a_model_that_thinks_gets_room_to_answer() -> None:
    findings = found(server := ModelServer(lacks="thought completions"))
    assert findings.of("reasoning").values == {"seen": True}
    assert findings.of("chat").verdict == "works"
    assert {b["max_tokens"] for b in server.bodies if "messages" in b} == {4, 16, 512}


def test_a_connection_that_the_endpoint_closed_after_an_error_is_made_again() -> None:
    """As uvicorn does after a 500: nothing says that it closes, and the next request on that connection has no answer."""
    answer = {"choices": [{"message": {"content": "one, two"}, "finish_reason": "stop"}]}
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                while request := connection.recv(65536):
                    failed = request.startswith(b"GET /v1/models")
                    body = json.dumps(None if failed else answer).encode()
                    status = b"500 Internal Server Error" if failed else b"200 OK"
                    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
                    connection.sendall(head + body)
                    if failed and connection.recv(65536):  # the next request comes, and is thrown away
                        break

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        findings = examine(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "m", timeout_s=1)
    assert (findings.of("reachable").verdict, findings.of("chat").verdict) == ("works", "works")


def test_a_rate_limit_that_passes_within_a_probe_is_waited_for() -> None:
    assert found(ModelServer(limited=3)).of("chat").verdict == "works"


def test_a_rate_limit_that_does_not_pass_says_nothing_about_the_endpoint() -> None:
    findings = found(ModelServer(limited=999), timeout_s=0.4)
    assert (findings.of("chat").verdict, findings.of("chat").words) == ("unknown", "HTTP 429: slow down")
    assert not findings.usable


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"context_length": 4096}, "4,096 tokens (context_length of /models)"),
        ({"meta": {"n_ctx_train": 2048}}, "2,048 tokens (by training; the server may hold less)"),
        ({"context_window": "many"}, "/models does not say; --context finds out, for the price of the input tokens"),
    ],
)
def test_the_context_length_is_what_the_list_of_models_says(entry: dict[str, Any], words: str) -> None:
    findings = found(ModelServer(entry=entry))
    assert findings.of("context").words == words
    assert ("self-instruct --method alpaca" in works(findings)) == ("2,048" not in words)


def test_the_context_length_is_asked_for_only_on_demand_and_read_from_the_refusal() -> None:
    findings = found(server := ModelServer(entry={"holds": 5000}), context=True)
    assert findings.of("context").values == {"tokens": 5000}
    assert findings.input_tokens > 1024 + 2048 + 4096
    assert max(len(str(b)) for b in server.bodies) > 8192 * 4
    without = found(server := ModelServer(entry={"holds": 5000}))
    assert without.of("context").verdict == "unknown"
    assert max(len(str(b)) for b in server.bodies) < 1000
