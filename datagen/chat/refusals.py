"""An answer with HTTP 200 that is none: an error object, no choice, a web page; sorted by the code that it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from datagen.chat import events
from datagen.chat.failures import QUOTA, THIS_ONE, Failure, code_of, is_moderation, of_status
from datagen.chat.journal import FREE, UNKNOWN
from datagen.chat.masking import one_line
from datagen.json_text import dumps

# An endpoint's own words for a code of HTTP, and the codes of endpoints that number errors in their own way.
_WORDS: dict[int, re.Pattern[str]] = {
    429: re.compile(
        r"rate.?limit|too.?many.?requests|throttl|resource.?exhausted|tpm.?limit|rpm.?limit|slow.?down|限流|限速|速率|频率"
    ),
    401: re.compile(r"invalid.?api.?key|incorrect.?api.?key|unauthenticated|authentication.?error"),
    403: re.compile(r"permission.?denied|permission.?error|access.?denied"),
    503: re.compile(
        r"overload|server.?error|internal.?error|unavailable|upstream|bad.?gateway|time.?out|try.?again|no.?capacity|busy"
    ),
    400: re.compile(r"invalid.?request|invalid.?argument|invalid.?parameter|bad.?request|unprocessable"),
}
_MINIMAX = {1002: 429, 1004: 401, 1008: 402, 1026: 403, 1027: 403, 1039: 429, 2013: 400}
_TOLD = ("code", "status", "status_code", "message", "msg", "title")  # where an answer itself is the error
_NO_ERROR = (None, False, "", 0, "0", 200, "200", "success", "ok", "none", "null", "false", "no error", "no_error")


def in_answer(
    raw: str, place: tuple[str, str, Sequence[str]], *, answered: bool, headers: Mapping[str, str] | None = None
) -> Failure | None:  # fmt: skip
    """Return the failure that an answer with HTTP 200 is, None where it is an answer or cannot be read.

    Args:
        raw: what came, an event stream too.
        place: base URL, model and secrets, for messages.
        answered: whether the endpoint has answered a request before.
        headers: of the response.
    """
    if (text := events.json_of(raw))[:1] == "<":
        if answered:
            return Failure("retry", UNKNOWN, "HTTP 200 with a web page in place of an answer")
        return Failure("stop", FREE, f"{place[0]} answers with a web page: is --base-url right? it usually ends in /v1")
    try:
        answer = events.parsed(raw)
    except (ValueError, RecursionError):
        if text[:1] in ("{", "[") or events.is_stream(raw):  # half of an answer, which was paid for
            return None
        return _sorted(text or None, None, place, headers or {})
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and "error" in answer[0]:
        answer = answer[0]  # as Gemini's own API tells it
    if isinstance(answer, list) and answer:  # in a form that nobody knows, and paid for
        return None
    if not isinstance(answer, dict):
        return _sorted(answer if isinstance(answer, str) and answer else None, None, place, headers or {})
    choice = _choice(answer)
    error = _error(answer, choice)
    if choice is not None and error is None:
        return None
    return _sorted(error, choice, place, headers or {})


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first choice of an answer, None where it has none."""
    choices = answer.get("choices")
    one = choices[0] if isinstance(choices, list) and choices else None
    return one if isinstance(one, dict) and one else None


def _error(answer: Mapping[str, Any], choice: Mapping[str, Any] | None) -> Any:
    """Return the error that an answer holds, at its top or in its choice; None where there is none."""
    said = choice.get("message") if choice else None
    places: list[Any] = [answer.get("error"), choice and choice.get("error"), isinstance(said, dict) and said.get("error")]
    if choice is None:
        errors = answer.get("errors")
        places += [errors[0] if isinstance(errors, list) and errors else errors, answer.get("base_resp"), answer.get("detail")]
        places += [answer.get("promptFeedback") or answer.get("prompt_feedback")]
        places += [{name: answer[name] for name in _TOLD if name in answer}]
    for found in places:
        told = found.values() if isinstance(found, dict) else [found]
        if any(bool(v) if isinstance(v, (dict, list)) else _plain(v) not in _NO_ERROR for v in told):
            return found
    return None


def _plain(value: Any) -> Any:
    return value.strip(" .").casefold() if isinstance(value, str) else value


def _sorted(
    error: Any, choice: Mapping[str, Any] | None, place: tuple[str, str, Sequence[str]], headers: Mapping[str, str]
) -> Failure:  # fmt: skip
    """Sort an error by its code, as the same status of HTTP would be; one without a code is tried again."""
    secrets = place[2]
    shown = error if error is not None else {"choices": None}
    words = one_line(shown if isinstance(shown, str) else dumps(shown), secrets)
    said = f"HTTP 200 with an error: {words}" if error is not None else "HTTP 200 without an answer in it"
    code = code_of({"error": error} if isinstance(error, dict) else {})
    status = _status(error, f"{code} {words}".lower())
    own = status is None or (status < 500 and status not in (401, 402, 429))
    if code in THIS_ONE or (own and is_moderation(f"{code} {words}")):
        return Failure("give_up", UNKNOWN if choice else FREE, said)
    if status is None and code not in QUOTA:
        return Failure("retry", UNKNOWN, said)
    # 400 and its like are about one request: an endpoint that hides them in an answer has not refused all.
    found = of_status(status or 402, words, code, headers, place, answered=True)
    # Whatever was done before the error may have been billed; a refusal for want of room was made before any work.
    begun = choice is not None or (found.then == "retry" and not found.limit)
    return replace(
        found, outcome=UNKNOWN if begun else found.outcome, said=said if found.then in ("retry", "give_up") else found.said
    )


def _status(error: Any, words: str) -> int | None:
    """Return the status of HTTP that an error stands for, None where it tells none."""
    told = error if isinstance(error, dict) else {}
    for name in ("code", "status", "status_code", "statusCode", "http_status"):
        value = told.get(name)
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6 else value
        if isinstance(number, int) and not isinstance(number, bool):
            if 400 <= number < 600:
                return number
            if name == "status_code" and number in _MINIMAX:
                return _MINIMAX[number]
    return next((status for status, pattern in _WORDS.items() if pattern.search(words)), None)
