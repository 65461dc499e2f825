"""An answer with HTTP 200 that is none, is cut, or comes in a form that nobody asked for: known, kept, and asked again."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hostile_endpoint import KEY, Endpoint, Reply, answer, asked, encoded

from datagen.chat import completion, events
from datagen.chat.completion import cut_by
from datagen.chat.journal import Journal
from datagen.chat.refusals import in_answer
from datagen.errors import ModelError

PLACE = ("http://host/v1", "m", (KEY,))
USAGE = {"prompt_tokens": 10, "completion_tokens": 20}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as found:
        yield found


def refusal(value: Any) -> Any:
    return in_answer(json.dumps(value), PLACE, answered=True)


@pytest.mark.parametrize(
    ("value", "then", "limit", "outcome"),
    [
        ({"choices": None, "error": {"message": "Provider returned error", "code": 429}}, "retry", True, "free"),
        ({"choices": [], "error": {"message": "x", "code": "502"}}, "retry", False, "unknown"),
        ({"choices": []}, "retry", False, "unknown"),
        ({"id": "x", "object": "chat.completion"}, "retry", False, "unknown"),
        ({"error": {"message": "Rate limit reached for m"}}, "retry", True, "free"),
        ({"error": "upstream is overloaded"}, "retry", False, "unknown"),
        ({"choices": [{"error": {"code": 503, "message": "died"}, "message": {"content": "Half"}}]}, "retry", False, "unknown"),
        ({"choices": [{"error": {"code": 429, "message": "x"}, "message": {"content": ""}}]}, "retry", True, "unknown"),
        ({"choices": None, "error": {"message": "bad parameter", "code": 400}}, "give_up", False, "free"),
        ({"choices": None, "error": {"message": "flagged by moderation", "code": 403}}, "give_up", False, "free"),
        ({"choices": None, "promptFeedback": {"blockReason": "SAFETY"}}, "give_up", False, "free"),
        ({"error": {"message": "no key", "code": 401}}, "stop", False, "free"),
        ({"error": {"message": "no money", "type": "insufficient_quota"}}, "stop", False, "free"),
        ({"base_resp": {"status_code": 1002, "status_msg": "limit"}, "choices": None}, "retry", True, "free"),
        ({"object": "error", "message": "too many requests", "code": 429}, "retry", True, "free"),
        ([{"error": {"code": 503, "status": "UNAVAILABLE"}}], "retry", False, "unknown"),
    ],
)  # fmt: skip
def test_an_error_in_an_answer_is_sorted_by_its_code(value: Any, then: str, limit: bool, outcome: str) -> None:
    found = refusal(value)
    assert (found.then, found.limit, found.outcome) == (then, limit, outcome)
    assert "\n" not in found.said


@pytest.mark.parametrize(
    "value",
    [
        answer("fine"),
        {**answer("fine"), "error": None},
        {**answer("fine"), "error": {}},
        {**answer("fine"), "error": {"code": 0, "message": ""}},
        answer('{"error": {"code": 429}}'),
        {"choices": [{"text": "rate limit", "finish_reason": "length"}]},
    ],
)
def test_an_answer_that_only_speaks_of_errors_is_an_answer(value: Any) -> None:
    assert refusal(value) is None


def test_half_an_answer_is_nobodys_refusal() -> None:
    assert in_answer('{"choices": [{"mess', PLACE, answered=True) is None
    assert in_answer("[" * 100_000, PLACE, answered=True) is None


def test_what_came_in_the_place_of_an_answer_is_tried_again_and_kept_with_what_it_cost(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.chat.client.BACK_OFF_S", 0.01)
    odd = {"choices": [{"message": {"content": "Half"}, "error": {"code": 502, "message": "died"}}], "usage": USAGE}
    replies = [encoded({"choices": None}), encoded(odd), encoded(answer("fine"))]
    with Endpoint(lambda n: replies[min(n, 3) - 1]) as endpoint:
        found, chat = asked(journal, endpoint, monkeypatch, price_in=1.0, price_out=1.0)
        assert (found[0].text, endpoint.requests) == ("fine", 3)
    assert chat.budget.used.output == 40
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        kept = [raw for (raw,) in db.execute("SELECT raw FROM refused ORDER BY attempt")]
        assert [json.loads(raw) for raw in kept] == [{"choices": None}, odd]
        assert [o for (o,) in db.execute("SELECT outcome FROM attempt ORDER BY id")] == ["unknown", "unknown", "answered"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        *((r, None) for r in ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "tool_use")),
        *((r, None) for r in ("tool_calls", "function_call", None, "", "FinishReason STOP"[13:])),
        *((r, "cut_off") for r in ("length", "max_tokens", "MAX_TOKENS", "model_length", "ERROR_LIMIT", "something new")),
        *((r, "filtered") for r in ("content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "sensitive", "refusal")),
        *((r, "endpoint_error") for r in ("error", "ERROR", "network_error", "abort", "OTHER", "insufficient_system_resource")),
    ],
)  # fmt: skip
def test_why_an_answer_ended_in_the_words_of_any_provider(reason: str | None, expected: str | None) -> None:
    assert cut_by(reason) == expected
    raw = json.dumps({"choices": [{"message": {"content": "The river"}, "finish_reason": reason}]})
    assert completion.read("k", raw).cut_by == expected


def test_an_answer_that_a_filter_took_whole_is_filtered_not_unreadable() -> None:
    raw = json.dumps({"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]})
    found = completion.read("k", raw)
    assert (found.text, found.cut_by, found.error) == ("", "filtered", None)


@pytest.mark.parametrize(
    ("content", "text", "thought"),
    [
        ("Are there < 9 things?\nYes.\n</think>\n\nThe river.", "The river.", "Are there < 9 things?\nYes."),
        ("a <b> c</think>Four", "Four", "a <b> c"),
        ("So it is.\n</thinking>\nFour", "Four", "So it is."),
        ("Hm.[/THINK]Four", "Four", "Hm."),
        ("ไม่แน่ใจ < 3\n</think>\nสี่", "สี่", "ไม่แน่ใจ < 3"),
        ("<|START_THINKING|>二加二<|END_THINKING|>四", "四", "二加二"),
        ("<|begin_of_thought|>\nsum\n<|end_of_thought|>\n\n<|begin_of_solution|>\nFour\n<|end_of_solution|>", "Four", "sum"),
        ("◁think▷บวก◁/think▷สี่", "สี่", "บวก"),
        ("Close it with the </think> tag.", "Close it with the </think> tag.", None),
        ("Write `</think>`, then go on.", "Write `</think>`, then go on.", None),
        ("First <think> opens, then\n</think>\ncloses.", "First <think> opens, then\n</think>\ncloses.", None),
    ],
)
def test_reasoning_with_its_closing_mark_only_is_taken_off(content: str, text: str, thought: str | None) -> None:
    found = completion.read("k", json.dumps(answer(content)))
    assert (found.text, found.reasoning) == (text, thought)


def stream(*lines: Any, end: str = "\n\n", done: bool = True) -> str:
    told = [f"data: {json.dumps(line, ensure_ascii=False)}" for line in lines] + ["data: [DONE]"] * done
    return "".join(line + end for line in told)


def piece(content: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {} if content is None else {"content": content}, **more}]}


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n"])
def test_an_event_stream_that_nobody_asked_for_is_put_together(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    pieces = [piece("水果 "), piece("and <b>"), piece(finish_reason="stop"), {"choices": [], "usage": USAGE}]
    raw = ": comment\n\n" + stream(*pieces, end=end)
    with Endpoint(lambda n: (200, {"Content-Type": "text/event-stream"}, raw.encode())) as endpoint:
        found, chat = asked(journal, endpoint, monkeypatch)
        assert (found[0].text, found[0].finish_reason, endpoint.requests) == ("水果 and <b>", "stop", 1)
    assert chat.budget.used.output == 20
    assert journal.answer(found[0].key) == raw


def test_a_stream_that_breaks_off_or_tells_an_error_is_no_answer() -> None:
    assert in_answer(stream(piece("Half"), done=False), PLACE, answered=True) is not None
    told = in_answer(stream(piece("Half"), {"error": {"code": 429, "message": "slow"}}), PLACE, answered=True)
    assert told is not None and told.limit
    assert in_answer(stream(piece("Whole", finish_reason="stop"), done=False), PLACE, answered=True) is None
    assert completion.read("k", stream({"choices": [{"text": "ab"}]}, {"choices": [{"text": "c"}]})).text == "abc"


def test_a_key_told_in_pieces_by_a_stream_is_masked(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    raw = stream(*(piece(KEY[at : at + 4]) for at in range(0, len(KEY), 4)))
    with Endpoint(lambda n: (200, {}, raw.encode())) as endpoint:
        found, _ = asked(journal, endpoint, monkeypatch)
    assert found[0].text == "***"
    assert events.is_stream(raw)


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_without_end_is_that_requests_failure_and_is_not_read_to_its_end(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    data = json.dumps(answer("x" * 3_000_000)).encode()
    body = gzip.compress(data) if zipped else data
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    with Endpoint(lambda n: (200, headers, body) if n == 1 else encoded(answer("fine"))) as endpoint:
        found, _ = asked(journal, endpoint, monkeypatch, draws=2, max_answer_mb=1.0)
        assert [f.text for f in found] == [None, "fine"]
        assert found[0].error == "the answer is larger than 1 MB; --max-answer-mb allows more"
        assert endpoint.requests == 2
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        [(raw,)] = db.execute("SELECT raw FROM refused").fetchall()
    assert raw.startswith('{"choices"') and len(raw) < 100_000


def test_a_compressed_answer_within_the_limit_is_read(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    body = gzip.compress(json.dumps(answer("水果" * 1000)).encode())
    with Endpoint(lambda n: (200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, body)) as endpoint:
        assert asked(journal, endpoint, monkeypatch)[0][0].text == "水果" * 1000


def test_a_refusal_for_what_one_request_says_is_that_requests_own(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    flagged: Reply = (403, {}, json.dumps({"error": {"message": "Your input was flagged", "code": 403}}).encode())
    with Endpoint(lambda n: flagged if n == 1 else encoded(answer("fine"))) as endpoint:
        found, _ = asked(journal, endpoint, monkeypatch, draws=2)
    assert found[0].error is not None and "flagged" in found[0].error
    assert found[1].text == "fine"
    for words in ("Your organization's policy denies this key", "The country is not supported", "no permission"):
        other: Reply = (403, {}, json.dumps({"error": {"message": words}}).encode())
        with Endpoint(lambda n, o=other: o) as endpoint, pytest.raises(ModelError, match="refuses the API key"):
            asked(journal, endpoint, monkeypatch, draws=3)


def test_the_query_of_a_classic_azure_address_goes_with_every_request(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with Endpoint(lambda n: encoded(answer("fine"))) as endpoint:
        address = f"{endpoint.base_url.removesuffix('/v1')}/openai/deployments/m"
        monkeypatch.setattr(endpoint, "base_url", f"{address}?api-version=2024-10-21")
        assert asked(journal, endpoint, monkeypatch, draws=2)[0][1].text == "fine"
    assert endpoint.paths == ["/openai/deployments/m/chat/completions?api-version=2024-10-21"] * 2
    assert endpoint.keys == [(None, KEY)] * 2, "Azure has a header of its own for a key"


def test_a_query_that_may_be_a_key_is_refused_and_the_path_of_the_api_is_left_off() -> None:
    from datagen.chat.options import ModelOptions

    with pytest.raises(ValueError, match="base_url holds a password or a query"):
        ModelOptions(model="m", base_url="http://127.0.0.1:1/v1?key=0123456789abcdef")
    with pytest.raises(ValueError, match="base_url holds a password or a query"):
        ModelOptions(model="m", base_url="http://127.0.0.1:1/v1?api-version=0123456789abcdef0123")
    with pytest.raises(ValueError, match="leave /chat/completions off"):
        ModelOptions(model="m", base_url="http://127.0.0.1:1/m/chat/completions?api-version=2024-10-21")
