"""Responses that are well meant and odd in form: no answer that was paid for is thrown away, and none is made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hostile_endpoint import KEY, Endpoint, Reply, answer, asked, encoded

from datagen.chat import completion
from datagen.chat.journal import Journal
from datagen.chat.masking import secrets_of
from datagen.chat.refusals import in_answer
from datagen.errors import ModelError, UsageError

PLACE = ("http://host/v1", "m", (KEY,))
FINE = json.dumps(answer("fine"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as found:
        yield found


@pytest.mark.parametrize("raw", [f"\ufeff{FINE}", f"\n\n {FINE}", f": alive\n\n{FINE}", f"\ufeff: a\r\n: b\r\n\r\n{FINE}"])
def test_what_stands_before_the_json_of_an_answer_costs_it_not(raw: str) -> None:
    assert in_answer(raw, PLACE, answered=True) is None
    assert completion.read("k", raw).text == "fine"


@pytest.mark.parametrize("raw", ["", " \n", "\ufeff", "Service Unavailable", "null", "3", "true", '"busy"', "[]", "ไม่พร้อม"])
def test_what_is_no_answer_at_all_is_tried_again(raw: str) -> None:
    found = in_answer(raw, PLACE, answered=True)
    assert found is not None and found.then == "retry" and "\n" not in found.said


def test_an_empty_body_is_asked_again_and_a_page_behind_a_mark_stops(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.chat.client.BACK_OFF_S", 0.01)
    with Endpoint(lambda n: (200, {}, b"") if n < 3 else encoded(answer("fine"))) as endpoint:
        assert asked(journal, endpoint, monkeypatch)[0][0].text == "fine"
        assert endpoint.requests == 3
    page = (200, {}, b"\xef\xbb\xbf<html>hello</html>")
    found = in_answer(page[2].decode(), PLACE, answered=False)
    assert found is not None and found.then == "stop" and "web page" in found.said


@pytest.mark.parametrize(
    "error",
    ["OK", "None", "null", "No error.", {"code": "200", "message": "Success"}, {"code": 0, "message": "OK"}],
)
def test_an_error_that_says_that_there_is_none_throws_no_answer_away(error: Any) -> None:
    assert in_answer(json.dumps({**answer("fine"), "error": error}), PLACE, answered=True) is None


@pytest.mark.parametrize(
    ("content", "text", "thought"),
    [
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}, {"type": "text", "text": "A"}], "A", "T"),
        ([{"type": "reasoning", "text": "想"}, {"type": "text", "text": "答"}], "答", "想"),
        ([{"type": "thinking", "thinking": "T", "signature": "s"}, {"type": "output_text", "text": "A"}], "A", "T"),
        ([{"type": "text", "text": {"value": "A", "annotations": []}}], "A", None),
        (["A", "B"], "AB", None),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "A"}], "A", None),
    ],
)
def test_a_content_in_parts_is_its_texts_and_its_reasoning_apart(content: Any, text: str, thought: str | None) -> None:
    found = completion.read("k", json.dumps(answer(content)))
    assert (found.text, found.reasoning, found.error) == (text, thought, None)


def test_a_piece_of_a_stream_that_comes_as_a_whole_answer_is_one() -> None:
    raw = json.dumps({"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]})
    assert completion.read("k", raw).text == "fine"


@pytest.mark.parametrize("reason", ["None", "null"])
def test_a_missing_reason_as_python_writes_it_cuts_nothing(reason: str) -> None:
    raw = json.dumps({"choices": [{"message": {"content": "fine"}, "finish_reason": reason}]})
    assert completion.read("k", raw).cut_by is None


def test_a_total_below_the_prompt_tells_nothing() -> None:
    assert completion.usage({"usage": {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": 5}}) is None


def test_half_a_character_beside_a_key_loses_no_answer(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(answer(f"Say {KEY} and HALF")).replace("HALF", "\\ud83d")
    with Endpoint(lambda n: (200, {}, raw.encode())) as endpoint:
        assert asked(journal, endpoint, monkeypatch)[0][0].text == "Say *** and \ufffd"


@pytest.mark.parametrize("name", ["X-Served-By", "Retry-After"])
def test_a_header_outside_ascii_loses_no_answer(journal: Journal, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    reply: Reply = encoded(answer("fine"), **{name: "z\u00fcrich"})
    with Endpoint(lambda n: reply) as endpoint:
        assert asked(journal, endpoint, monkeypatch)[0][0].text == "fine"


def test_a_redirect_to_nowhere_says_so(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Endpoint(lambda n: (302, {}, b"")) as endpoint,
        pytest.raises(ModelError, match=r"answers with a redirect to nowhere \(HTTP 302\); is --base-url right\?"),
    ):
        asked(journal, endpoint, monkeypatch)


@pytest.mark.parametrize("url", [" http://h/v1", "http://h/v1 ", "http://h/v1\r", "http://h/\x1b[31mv1", "h/v1"])
def test_an_address_with_a_blank_or_a_control_character_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="is not a URL; give one such as"):
        secrets_of(url, None)


@pytest.mark.timeout(20)
def test_comments_without_end_are_read_in_one_walk() -> None:
    assert completion.read("k", ": alive\n" * 500_000 + FINE).text == "fine"
    assert completion.read("k", ":\n" * 500_000).text is None
