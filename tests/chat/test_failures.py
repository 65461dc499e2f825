"""Each way in which an endpoint fails is sorted: try again, give this request up, or stop; and billed or not."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import httpx2
import openai
import pytest

from datagen.chat.failures import Failure, retry_after, sort, wants_max_completion_tokens
from datagen.chat.masking import one_line, without_userinfo

REQUEST = httpx2.Request("POST", "http://host/v1/chat/completions")


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> openai.APIStatusError:
    """The client's own exception for a status."""
    text = body if isinstance(body, str) else json.dumps({"error": body or {"message": "no"}})
    response = httpx2.Response(status, text=text, headers=headers, request=REQUEST)
    client = openai.OpenAI(api_key="x", base_url="http://host/v1")
    return client._make_status_error_from_response(response)


def sorted_(error: Exception, *, answered: bool = True) -> Failure:
    return sort(error, "http://host/v1", "m", ("sk-secret",), answered=answered)


@pytest.mark.parametrize(
    ("status", "body", "then", "outcome"),
    [
        (429, {"message": "slow down"}, "retry", "free"),
        (500, None, "retry", "free"),
        (503, "<html>busy</html>", "retry", "free"),
        (529, None, "retry", "free"),
        (408, None, "retry", "unknown"),
        (504, None, "retry", "unknown"),
        (401, None, "stop", "free"),
        (402, {"message": "Insufficient Balance"}, "stop", "free"),
        (404, {"message": "model not found"}, "stop", "free"),
        (429, {"message": "quota", "code": "insufficient_quota"}, "stop", "free"),
        (400, {"message": "Arrearage", "code": "Arrearage"}, "stop", "free"),
        (400, {"message": "too long", "code": "context_length_exceeded"}, "give_up", "free"),
        (400, {"message": "This model's maximum context length is 4096 tokens"}, "give_up", "free"),
        (400, {"message": "filtered", "code": "content_filter"}, "give_up", "free"),
        (422, {"message": "odd"}, "give_up", "free"),
    ],
)
def test_statuses(status: int, body: Any, then: str, outcome: str) -> None:
    failure = sorted_(refused(status, body))
    assert (failure.then, failure.outcome) == (then, outcome)
    assert "\n" not in failure.said


def test_a_refusal_before_any_answer_is_about_every_request() -> None:
    assert sorted_(refused(400), answered=False).then == "stop"
    assert sorted_(refused(403), answered=False).then == "stop"
    assert sorted_(refused(403), answered=True).then == "give_up"


def test_a_lost_connection_may_have_been_billed_and_one_that_never_was_has_not() -> None:
    lost = openai.APIConnectionError(request=REQUEST)
    lost.__cause__ = httpx2.RemoteProtocolError("peer closed connection")
    assert sorted_(lost) == Failure("retry", "unknown", "the connection was lost: peer closed connection")
    never = openai.APIConnectionError(request=REQUEST)
    never.__cause__ = httpx2.ConnectError("refused")
    failure = sorted_(never)
    assert (failure.then, failure.outcome, failure.at_last) == ("retry", "free", "stop")
    assert sorted_(TimeoutError()).outcome == "unknown"
    assert sorted_(openai.APITimeoutError(request=REQUEST)).outcome == "unknown"


def test_how_long_to_wait_is_read_in_every_form() -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after": "0"}) == 0
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after": soon}) == pytest.approx(30, abs=2)
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "-5"}, {"retry-after": "nan"}, {"retry-after": "inf"}):
        assert retry_after(nothing) is None
    assert sorted_(refused(429, headers={"retry-after": "3"})).retry_after_s == 3
    assert sorted_(refused(429, headers={"retry-after": "86400"})).then == "stop"


def test_the_newer_name_of_the_limit_is_recognised() -> None:
    message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    assert wants_max_completion_tokens(refused(400, {"message": message, "code": "unsupported_parameter"}))
    assert not wants_max_completion_tokens(refused(400, {"message": "bad"}))
    assert not wants_max_completion_tokens(TimeoutError())


def test_the_key_is_masked_wherever_the_endpoint_repeats_it() -> None:
    assert one_line("bad key: Bearer sk-secret\nsee logs", ("sk-secret",)) == "bad key: Bearer *** see logs"
    assert without_userinfo("https://me:pass@host/v1?key=x") == "https://host/v1"
    assert "sk-secret" not in sorted_(refused(400, {"message": "you sent sk-secret"})).said
