"""The connection to an endpoint: its client, and one request to its raw answer, which has a limit while it arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from datagen.chat import events
from datagen.chat.masking import masked_answer
from datagen.json_text import dumps

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

CONNECT_TIMEOUT_S = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MB = 1_000_000
MOST_MB = 64.0  # of one answer
FILES = 16  # times that, of a file of a batch
LARGE = MB  # bytes from which an answer waits for its turn to go on arriving
LARGE_AT_ONCE = 4  # so that what is under way together is bounded too
HEAD = 65_536  # bytes of an answer without end that are kept


class TooLargeError(Exception):
    """An answer that did not end within its limit; `head` is what it began with."""

    def __init__(self, most_mb: float, head: bytes) -> None:
        """Say how large it may be."""
        super().__init__(f"the answer is larger than {most_mb:g} MB")
        self.head = head


def head_of(error: Exception, secrets: Sequence[str]) -> str | None:
    """Return what an answer without end began with, where an error of the client is that; else None."""
    return without_secrets(error.head.decode("utf-8", "replace"), secrets) if isinstance(error, TooLargeError) else None


@dataclass(frozen=True)
class Arrived:
    """What came with HTTP 200: the text, without any secret, and the headers."""

    raw: str
    headers: Mapping[str, str]


def client(url: str, key: str | None, timeout_s: float, most_mb: float = MOST_MB) -> AsyncOpenAI:
    """Return the client of an endpoint: it never retries, follows no redirect, and asks no proxy for this machine.

    So one attempt is one request: each is in the journal and in the budget. The query of the address goes with every request,
    as classic Azure wants its `api-version`.

    Args:
        url: the address of the API.
        key: the API key, None where the endpoint needs none.
        timeout_s: of one attempt.
        most_mb: how large an answer may be, decompressed, in millions of bytes; a file of a batch FILES times that.
    """
    import openai

    turns = asyncio.Semaphore(LARGE_AT_ONCE)

    class Bounded(openai.DefaultAsyncHttpxClient):
        async def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
            if azure:
                request.headers["api-key"] = key
                del request.headers["Authorization"]
            response = await super().send(request, stream=True, **more)
            if stream:
                return response
            most = most_mb * (FILES if request.method == "GET" else 1)
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(response.aclose)
                whole = await _read(response, most, turns, stack)
            # As bytes: a header may hold letters outside ASCII.
            kept = [(k, v) for k, v in response.headers.raw if k.lower() not in (b"content-encoding", b"content-length")]
            return type(response)(response.status_code, headers=kept, content=whole, request=request)

    azure = _is_azure(url, key)
    return openai.AsyncOpenAI(**_way(url, key, timeout_s), http_client=Bounded(**_transport(url)))


def streaming_client(url: str, key: str | None, timeout_s: float) -> OpenAI:
    """Return the client of an endpoint for answers that are read while they come, under the same rules; see `client`."""
    import openai

    class Keyed(openai.DefaultHttpxClient):
        def send(self, request: Any, **more: Any) -> Any:
            if azure:
                request.headers["api-key"] = key
                del request.headers["Authorization"]
            return super().send(request, **more)

    azure = _is_azure(url, key)
    return openai.OpenAI(**_way(url, key, timeout_s), http_client=Keyed(**_transport(url)))


def _is_azure(url: str, key: str | None) -> bool:
    """Classic Azure has a header of its own for the key, and takes the usual one for a token of another kind."""
    parts = urlsplit(url)
    return key is not None and "api-version" in dict(parse_qsl(parts.query)) and "/deployments/" in parts.path


def _transport(url: str) -> dict[str, Any]:
    """Plain HTTP to this machine meets no certificate, and reading those of the system takes longer than some requests."""
    parts = urlsplit(url)
    here = parts.hostname in LOOPBACK
    return {"trust_env": not here, "verify": not here or parts.scheme != "http", "follow_redirects": False}


def _way(url: str, key: str | None, timeout_s: float) -> dict[str, Any]:
    import openai

    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return {
        "base_url": url.partition("?")[0] if query else url, "api_key": key or "none", "max_retries": 0,
        "timeout": openai.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)), "default_query": query or None,
    }  # fmt: skip


async def _read(response: Any, most_mb: float, turns: asyncio.Semaphore, stack: contextlib.AsyncExitStack) -> bytes:
    """Return the decoded body of a response; raises TooLargeError as soon as it is larger than it may be."""
    whole, large = bytearray(), False
    async with contextlib.aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            whole += part
            if len(whole) > most_mb * MB:
                raise TooLargeError(most_mb, bytes(whole[:HEAD]))
            if len(whole) > LARGE and not large:
                large = True
                await stack.enter_async_context(turns)
    return bytes(whole)


async def send(
    endpoint: Any, model: str, path: str, body: Mapping[str, Any], secrets: Sequence[str]
) -> Arrived:  # fmt: skip
    """Send a request; return what came with HTTP 200.

    Args:
        endpoint: its client.
        model: the endpoint's name of the model.
        path: `chat/completions` or `completions`.
        body: the request as the endpoint wants it, without its model.
        secrets: what is taken out of the answer: an endpoint may repeat the key that it was given.

    Raises:
        Exception: of the client, see `failures.sort`.
    """
    rest = dict(body)
    known = {k: rest.pop(k) for k in ("messages", "prompt") if k in rest}
    api = endpoint.chat.completions if path == "chat/completions" else endpoint.completions
    answer = await api.with_raw_response.create(model=model, **known, extra_body=rest)
    # JSON is UTF-8 whatever a header says.
    return Arrived(without_secrets(answer.content.decode("utf-8", "replace"), secrets), answer.headers)


def without_secrets(raw: str, secrets: Sequence[str]) -> str:
    """Return a raw answer without any secret; an event stream that told one in pieces is put together."""
    found = masked_answer(raw, secrets)
    if secrets and events.is_stream(raw):
        with contextlib.suppress(ValueError, RecursionError):
            whole = dumps(events.parsed(raw))
            if (told := masked_answer(whole, secrets)) != whole:
                return told
    return found
