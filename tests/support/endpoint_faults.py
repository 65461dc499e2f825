"""How the local endpoint misbehaves: which fault a request meets, and what is sent, billed and left out because of it."""

from __future__ import annotations

import email.utils
import hashlib
import json
import math
import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from invented_answers import Body, count, digest, first_tokens, invented, prompt_of
from invented_words import language_of

# Name -> status, code and message of a refusal; nothing is billed for it, but for 504 where the model went on working.
REFUSALS: dict[str, tuple[int, str | None, str]] = {
    "429": (429, "rate_limit_exceeded", "scripted 429"),
    "quota": (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "500": (500, None, "scripted 500"),
    "502": (502, None, "scripted 502"),
    "503": (503, None, "The engine is currently overloaded, please try again later"),
    "504": (504, None, "scripted 504"),
    "401": (401, "invalid_api_key", "scripted 401"),
    "404": (404, "model_not_found", "The model does not exist or you do not have access to it."),
    "moderated": (403, None, "Your input was flagged by our moderation."),
    "null_choices": (200, None, "Provider returned error"),  # HTTP 200 with choices null, and the code 429 in it
    "echo": (400, None, "Incorrect API key provided: {authorization}"),
    "context": (
        400,
        "context_length_exceeded",
        "This model's maximum context length is 4096 tokens; reduce the prompt",
    ),
}
# Those that pass: the same body, sent again, meets none sooner or later. All other faults stay with the body.
PASSING = {"429", "500", "502", "503", "504", "hang", "hang_up", "reset", "slow", "null_choices"}
ENDINGS = {"cut": "length", "filtered": "content_filter", "broke_off": "error"}  # fault -> finish_reason of half an answer
ANSWERS = {*ENDINGS, "broken", "no_choices", "null_text", "no_usage", "reasoning", "think", "think_cut", "think_left"}
ANSWERS |= {"huge", "overbilled", "stream"}
MISBEHAVIOUR = {*REFUSALS, *PASSING, *ANSWERS}
OVERBILLED = 14  # times the tokens that an answer may have
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
IN_A_ROW = 3  # faults that pass, at most
PARAMETERS = {"n", "seed", "logprobs", "max_tokens", "stop"}
UNSUPPORTED = "Unsupported parameter: '{}' is not supported with this model."


def share(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    found = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(found, "big") / 2**64


class Faults:
    """Draws the fault of each request: from the seed, the body, and how often the body has come."""

    def __init__(self, shares: Mapping[str, float], seed: int) -> None:
        """Take the share of requests that meets each fault."""
        self._seed = seed
        self._passing = {k: v for k, v in shares.items() if k in PASSING}
        self._lasting = {k: v for k, v in shares.items() if k not in PASSING}
        self._came: dict[str, tuple[int, int]] = {}  # body -> times, and faults in a row

    def of(self, body: str) -> str:
        """Return the fault of a body, by its hash, that comes now; "" = none."""
        times, row = self._came.get(body, (0, 0))
        fault = self._drawn(self._passing, body, times) if row < IN_A_ROW else ""
        self._came[body] = times + 1, row + 1 if fault else 0
        return fault or self._drawn(self._lasting, body)

    def _drawn(self, shares: Mapping[str, float], *parts: object) -> str:
        at = share(self._seed, *parts) if shares else 1.0
        for name, wide in shares.items():
            at -= wide
            if at < 0:
                return name
        return ""


@dataclass
class Reply:
    """What is sent to one request: `status` and `data`, and `billed` tokens in and out whether it arrives or not."""

    status: int
    data: bytes
    billed: tuple[int, int] = (0, 0)
    headers: list[str] = field(default_factory=list)
    kind: str = "application/json"

    def response(self) -> bytes:
        """Return the HTTP response."""
        head = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Error')}", f"Content-Type: {self.kind}"]
        return "\r\n".join([*head, f"Content-Length: {len(self.data)}", *self.headers, "", ""]).encode() + self.data


def refusal(name: str, retry_after: str | None, authorization: str = "") -> Reply:
    """Return the refusal of that name."""
    status, code, message = REFUSALS[name]
    error = {"message": message.format(authorization=authorization), "type": code, "param": None, "code": code}
    if status == 200:
        return Reply(200, json.dumps({"id": None, "choices": None, "usage": None, "error": {**error, "code": 429}}).encode())
    return Reply(status, json.dumps({"error": error}).encode(), headers=wait_headers(retry_after))


def wait_headers(retry_after: str | None) -> list[str]:
    """Return the headers that ask to wait: seconds as they are, `date:S` as a date, `ms:M` as milliseconds; None = not at all.

    The openai client takes a Retry-After of 0 for none and backs off, hence the milliseconds beside it.
    """
    kind, _, amount = (retry_after or "").partition(":")
    if retry_after is None:
        return ["Retry-After: 0", "retry-after-ms: 1"]
    if kind == "ms":
        return [f"retry-after-ms: {amount}"]
    if kind == "date":
        return [f"Retry-After: {email.utils.formatdate(time.time() + float(amount), usegmt=True)}"]
    return [f"Retry-After: {retry_after}"]


def unsupported(body: Body, path: str, lacks: Collection[str]) -> Reply | None:
    """Return the refusal of a request that asks for what the endpoint lacks, or None."""
    lacking = {"completions": path == "/v1/completions", "chat": path == "/v1/chat/completions"}
    if any(name in lacks and asked for name, asked in lacking.items()):
        return Reply(404, b'{"error": {"message": "Not Found"}}')
    names = [p for p in PARAMETERS if p in body] + (["response_format"] if "response_format" in body else [])
    for name in names:
        if ("json_schema" if name == "response_format" else name) in lacks:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            said = {"message": UNSUPPORTED.format(name) + instead, "param": name, "code": "unsupported_parameter"}
            return Reply(400, json.dumps({"error": {**said, "type": "invalid_request_error"}}).encode())
    return None


def heeded(body: Body, ignores: Collection[str]) -> Body:
    """Return what the endpoint takes notice of."""
    dropped = {"response_format" if name == "json_schema" else name for name in ignores}
    return {k: v for k, v in body.items() if k not in dropped} if dropped else body


def drawn_length(spec: str) -> Callable[[random.Random], int | None]:
    """Read `uniform:50:3072`, `fixed:200`, `fixed` or "" (as many tokens as the form takes)."""
    kind, *bounds = spec.split(":")
    if kind == "fixed":
        tokens = int(bounds[0]) if bounds else 200
        return lambda draw: tokens
    if kind == "uniform":
        low, high = map(int, bounds)
        return lambda draw: draw.randint(low, high)
    assert not spec, f"--output-tokens {spec}: uniform:LEAST:MOST or fixed:N"
    return lambda draw: None


def answer(body: Body, path: str, fault: str, length: Callable[[random.Random], int | None], name: str) -> Reply:
    """Return the answer of the model to a body, with what a fault changes in it; `name` is the response's id."""
    chat, key = path == "/v1/chat/completions", digest(body)
    choices: list[dict[str, Any]] = []
    came_out = thought = 0
    for index in range(int(body.get("n") or 1)):
        draw = random.Random(f"{key}:{index}" if index else key)
        said, finish, tokens, reasoning = _said(body, draw, length(draw), fault)
        came_out, thought = came_out + tokens, thought + reasoning
        choices.append({"index": index, "finish_reason": finish, "logprobs": _logprobs(body, said, chat), **_shown(said, chat)})
    if fault == "null_text":
        choices = [{**c, **({"message": {"role": "assistant", "content": None}} if chat else {"text": None})} for c in choices]
    went_in = count(prompt_of(body))
    if fault == "huge":
        went_in, came_out = 50 * went_in, 50 * came_out
    if fault == "overbilled":
        came_out = OVERBILLED * int(body.get("max_completion_tokens") or body.get("max_tokens") or 100)
    content: dict[str, Any] = {
        "id": name, "object": "chat.completion" if chat else "text_completion", "created": int(time.time()),
        "model": body.get("model"), "choices": [] if fault == "no_choices" else choices,
    }  # fmt: skip
    if fault != "no_usage":
        content["usage"] = {"prompt_tokens": went_in, "completion_tokens": came_out, "total_tokens": went_in + came_out}
        if thought:
            content["usage"]["completion_tokens_details"] = {"reasoning_tokens": thought}
    if fault == "stream":
        return Reply(200, streamed(content, chat), (went_in, came_out), kind="text/event-stream")
    data = json.dumps(content).encode()
    return Reply(200, data[: len(data) // 2] if fault == "broken" else data, (went_in, came_out))


def streamed(content: Mapping[str, Any], chat: bool) -> bytes:
    """Return an answer as an event stream: the text of its choice in two pieces, why it ended, its usage."""
    choice = content["choices"][0]
    said = choice["message"]["content"] if chat else choice["text"]
    pieces = [{"delta": {"content": p}} if chat else {"text": p} for p in (said[: len(said) // 2], said[len(said) // 2 :])]
    parts = [{"choices": [{"index": 0, **p}]} for p in (*pieces, {"finish_reason": choice["finish_reason"]})]
    events = [*map(json.dumps, [*parts, {"choices": [], "usage": content["usage"]}]), "[DONE]"]
    return "".join(f"data: {one}\n\n" for one in events).encode()


def _said(body: Body, draw: random.Random, drawn: int | None, fault: str) -> tuple[dict[str, str], str, int, int]:
    """Return content and reasoning of one choice, why it ended, its tokens, and those of the reasoning among them."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 10**9
    text = invented(body, draw, drawn and min(drawn, limit))
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop, 1)[0]
    finish = "stop"
    if fault in ENDINGS:
        text, finish = _cut(text, draw), ENDINGS[fault]
    thought = language_of(prompt_of(body)).text(draw, 3) if fault.startswith(("reasoning", "think")) else ""
    reasoning = min(count(thought), limit)
    tokens = max(count(text), drawn or 0) if fault not in ENDINGS else count(text)
    if reasoning + tokens > limit or fault == "think_cut":
        finish = "length"
        text = first_tokens(text, limit - reasoning) if reasoning < limit else ""
        tokens = limit - reasoning
    if fault == "think_cut":
        return {"content": f"<think>\n{thought}"}, finish, reasoning, reasoning
    if fault == "think":
        return {"content": f"<think>\n{thought}\n</think>\n\n{text}"}, finish, reasoning + tokens, reasoning
    if fault == "think_left":
        return {"content": f"{thought}\n</think>\n\n{text}"}, finish, reasoning + tokens, reasoning
    return {"content": text, **({"reasoning_content": thought} if thought else {})}, finish, reasoning + tokens, reasoning


def _cut(text: str, draw: random.Random) -> str:
    """Return a text that ends in its last task after the instruction, or anywhere in its second half."""
    task = text.rfind(" Instruction:")
    begin = text.find("\n", task) if task >= 0 else len(text) // 2
    return text[: draw.randint(max(1, begin), max(1, begin, len(text) - 1))]


def _shown(said: Mapping[str, str], chat: bool) -> dict[str, Any]:
    return {"message": {"role": "assistant", **said}} if chat else {"text": said["content"]}


def _logprobs(body: Body, said: Mapping[str, str], chat: bool) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    words = re.findall(r"\s*\d|\s*[^\s\d]+|\s+", said["content"])
    if not chat:
        return {"tokens": words, "token_logprobs": [-0.5] * len(words), "top_logprobs": None, "text_offset": []}
    return {"content": [
        {"token": w, "logprob": -0.5, "bytes": list(w.encode()), "top_logprobs": _alternatives(w)} for w in words
    ]}  # fmt: skip


def _alternatives(token: str) -> list[dict[str, Any]]:
    """A token's alternatives: of a score the next one too, half as likely."""
    found = [{"token": token, "logprob": math.log(2 / 3), "bytes": None}]
    if token.strip().isdecimal():
        found.append({"token": str(int(token) % 5 + 1), "logprob": math.log(1 / 3), "bytes": None})
    return found
