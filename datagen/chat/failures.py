"""What a failed attempt means: try again, give this request up, or stop the run; and whether it may have been billed."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from datagen.chat.journal import FREE, UNKNOWN
from datagen.chat.masking import one_line
from datagen.chat.wire import TooLargeError
from datagen.json_text import dumps

QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "arrearage", "insufficient_balance"}
THIS_ONE = {
    "context_length_exceeded", "exceed_context_size_error", "content_filter", "content_policy_violation",
    "data_inspection_failed",
}  # fmt: skip  # the second is llama.cpp's
# What a refusal says that is about the words of one request, and what it says where a policy or a right is the account's.
_MODERATION = re.compile(
    r"moderat|flagged|content.{0,3}(?:filter|polic|management|violat)|safety|prohibited|inappropriate|harmful|jailbreak|unsafe"
    r"|responsible.?ai|guardrail|data.?inspection|sensitive|polic(?:y|ies)|敏感|违规|不安全|涉黄|ละเมิดนโยบาย",
    flags=re.I,
)
_ACCOUNT = re.compile(
    r"api.?key|permission|credential|authori[sz]|authenticat|access denied|organi[sz]ation|account|country"
    r"|region|territory|billing|subscription|suspended|disabled|(?:iam|data|privacy|access|network|firewall|key).?polic",
    flags=re.I,
)
LONGEST_WAIT_S = 600.0  # an endpoint that asks for more is not going to answer in this run


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        then: `retry`, `rename` (again at once, a parameter by its other name), `give_up` (this request only) or `stop` (every
            request would fail).
        outcome: `free` when the endpoint refused before any work, else `unknown`: it may have been billed.
        said: one line, without the key.
        retry_after_s: how long the endpoint asks to wait.
        limit: whether it was a rate limit, which holds for every request.
        at_last: what follows when no retry helped: a server that cannot be reached ends the run.
    """

    then: Literal["retry", "rename", "give_up", "stop"]
    outcome: str
    said: str
    retry_after_s: float | None = None
    limit: bool = False
    at_last: Literal["give_up", "stop"] = "give_up"


def sort(error: Exception, base_url: str, model: str, secrets: Sequence[str], *, answered: bool) -> Failure:
    """Sort what an attempt raised.

    Args:
        error: an exception of the `openai` client, or TimeoutError.
        base_url: the endpoint, for the message.
        model: the model, for the message.
        secrets: what no message may show.
        answered: whether the endpoint has answered a request before. Then a refusal is about this request, else about all.
    """
    import openai

    if isinstance(error, (openai.APITimeoutError, TimeoutError)):
        if type(error.__cause__).__name__ in ("ConnectTimeout", "PoolTimeout"):
            said = f"cannot reach {base_url}: the connection timed out; is --base-url right?"
            return Failure("retry", FREE, said, at_last="stop")
        return Failure("retry", UNKNOWN, "no answer in time")
    if isinstance(error, openai.APIConnectionError):
        return _unconnected(error, base_url, secrets)
    if isinstance(error, openai.APIStatusError):
        return _refused(error, base_url, model, secrets, answered=answered)
    if isinstance(error, TooLargeError):
        return Failure("give_up", UNKNOWN, f"{error}; --max-answer-mb allows more")
    return Failure("give_up", UNKNOWN, f"{type(error).__name__}: {one_line(str(error), secrets)}")


def _unconnected(error: Exception, base_url: str, secrets: Sequence[str]) -> Failure:
    cause = error.__cause__
    kind, words = type(cause).__name__, one_line(str(cause or error), secrets)
    if kind in ("ConnectError", "ProxyError", "UnsupportedProtocol"):
        said = f"cannot reach {base_url}: {words}; is the server up and --base-url right?"
        return Failure("retry", FREE, said, at_last="stop")
    return Failure("retry", UNKNOWN, f"the connection was lost: {words or kind}")


def _refused(error: Any, base_url: str, model: str, secrets: Sequence[str], *, answered: bool) -> Failure:
    """Sort an HTTP status that is an error."""
    words = one_line(error.response.content[:8000].decode("utf-8", "replace"), secrets)
    place = (base_url, model, secrets)
    return of_status(error.status_code, words, code_of(error.body), error.response.headers, place, answered=answered)


def of_line(status: int, body: Any, base_url: str, model: str, secrets: Sequence[str]) -> Failure:
    """Sort the HTTP status of one request of a batch, by the same rules."""
    words = one_line(dumps(body), secrets)
    if status == 400 and "max_completion_tokens" in words:
        return Failure("rename", FREE, "max_tokens is called max_completion_tokens here", 0.0)
    return of_status(status, words, code_of(body), {}, (base_url, model, secrets), answered=True)


def of_status(
    status: int, words: str, code: str, headers: Mapping[str, str], place: tuple[str, str, Sequence[str]], *, answered: bool
) -> Failure:  # fmt: skip
    """Sort a status that is an error.

    Args:
        status: of HTTP, or the same number inside an answer.
        words: what the endpoint says, one line without secrets.
        code: its own word for the error, lower case.
        headers: of the response.
        place: base URL, model and secrets, for messages.
        answered: see `sort`.
    """
    base_url, model, secrets = place
    said = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    if 400 <= status < 500 and status not in (401, 402, 404, 429) and code not in QUOTA and is_moderation(f"{code} {words}"):
        return Failure("give_up", FREE, said)
    if status == 401 or (status == 403 and (not answered or _ACCOUNT.search(words))):
        return Failure("stop", FREE, f"{base_url} refuses the API key; set OPENAI_API_KEY to one that it accepts")
    if status == 402 or code in QUOTA:
        return Failure("stop", FREE, f"{base_url}: the quota of this API key is used up ({words}); add credit, then go on")
    if 300 <= status < 400:
        target = one_line(headers.get("location", ""), secrets)
        if not target:
            return Failure("stop", FREE, f"{base_url} answers with a redirect to nowhere ({said}); is --base-url right?")
        return Failure("stop", FREE, f"{base_url} redirects to {target}: give that as --base-url (without /chat/completions)")
    if status == 404 and code not in THIS_ONE:
        where = "check --model" if "model" in words.lower() else "check --base-url (it usually ends in /v1), then --model"
        said = f"{base_url} does not know the model '{model}' or the path: {words}; {where}; `datagen doctor` tells"
        return Failure("stop", FREE, said)
    if status in (408, 409, 425, 429) or status >= 500:
        outcome = UNKNOWN if status in (408, 504, 524) else FREE  # a gateway that gave up: the model may have answered
        wait = retry_after(headers)
        if wait is not None and wait > LONGEST_WAIT_S:
            return Failure("stop", FREE, f"{base_url} asks to wait {wait:.0f} s ({said}); run the same command again then")
        return Failure("retry", outcome, said, wait, limit=status == 429)
    # What a judge asks for and can go without is no refusal of every request.
    if code in THIS_ONE or "context length" in words.lower() or "logprobs" in words.lower() or answered:
        return Failure("give_up", FREE, said)
    return Failure("stop", FREE, f"{base_url} refuses the request ({said})")


def is_moderation(words: str) -> bool:
    """Whether words of a refusal are about what one request says, and not about the right of the key to ask."""
    return bool(_MODERATION.search(words)) and not _ACCOUNT.search(words)


def code_of(given: Any) -> str:
    """The endpoint's own word for an error in its body, lower case; "" where it gives none."""
    body: dict[str, Any] = given if isinstance(given, dict) else {}
    nested = body.get("error")
    inner = nested if isinstance(nested, dict) else body
    code = inner.get("code")  # llama.cpp repeats the HTTP status there
    return str((None if isinstance(code, int) else code) or inner.get("type") or "").lower()


def wants_max_completion_tokens(error: Exception) -> bool:
    """Whether an endpoint refuses `max_tokens` and names the newer parameter."""
    return getattr(error, "status_code", 0) == 400 and "max_completion_tokens" in str(getattr(error, "body", ""))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that headers ask for, as milliseconds, seconds or a date; None = nothing readable."""
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value or "").timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
