"""The one client of language models: any OpenAI-compatible endpoint, every answer through the journal."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datagen.errors import ModelError, UsageError
from datagen.models.journal import Journal, request_key

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TIMEOUT_S = 120.0
RETRIES = 4  # of one request, with the client's exponential back-off and Retry-After

Path_ = Literal["chat/completions", "completions"]


@dataclass(frozen=True)
class Completion:
    """One answer of a model, or the reason why there is none.

    `text` is None where the request was given up; `error` then says why. Tokens are what the endpoint reported.
    """

    key: str
    text: str | None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None


@dataclass
class Chat:
    """A model at an endpoint.

    `name` enters request keys (a local folder's with the hash of its weights); `model` is the endpoint's own name for it.
    """

    name: str
    model: str
    base_url: str
    journal: Journal
    client: AsyncOpenAI
    sent: int = 0  # requests that were not found in the journal

    async def complete(self, path: Path_, body: Mapping[str, Any], draw: int) -> Completion:
        """Return the answer to a request, from the journal where it is recorded.

        Args:
            path: `chat/completions` or `completions`.
            body: the request without its model.
            draw: index that tells equal requests apart.

        Raises:
            ModelError: the endpoint cannot be reached or refuses every request (key, quota, unknown model).
        """
        key = request_key(self.name, path, body, draw)
        raw = self.journal.answer(key)
        if raw is None:
            self.journal.asked(key, path, body, draw, self.base_url)
            self.sent += 1
            try:
                raw = await self._send(path, {"model": self.model, **body})
            except _GivenUp as e:
                return Completion(key, None, error=str(e))
            self.journal.answered(key, raw)
        return _read(key, raw)

    async def _send(self, path: Path_, body: dict[str, Any]) -> str:
        import openai

        api = self.client.chat.completions if path == "chat/completions" else self.client.completions
        try:
            answer = await api.with_raw_response.create(**body)
        except openai.APITimeoutError:
            raise _GivenUp(f"no answer within {TIMEOUT_S:g} s") from None
        except openai.APIConnectionError as e:
            raise ModelError(
                f"cannot reach {self.base_url}: {e.__cause__ or e}; is the server up and --base-url right?"
            ) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            raise ModelError(f"{self.base_url} refuses the API key; set OPENAI_API_KEY to one that it accepts") from None
        except openai.NotFoundError:
            raise ModelError(
                f"{self.base_url} does not know the model '{self.name}' (or the path {path}); check --model"
            ) from None
        except openai.RateLimitError as e:
            if e.code == "insufficient_quota":
                raise ModelError(f"{self.base_url}: the quota of this API key is used up") from None
            raise _GivenUp("still rate-limited after every retry") from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as e:
            # The same request would be refused for ever, and so would its like.
            raise ModelError(f"{self.base_url} refuses the request (HTTP {e.status_code}): {_said(e.response.text)}") from None
        except openai.APIStatusError as e:
            raise _GivenUp(f"HTTP {e.status_code}: {_said(e.response.text)}") from None
        return str(answer.text)


def _said(body: str) -> str:
    """The endpoint's own words on one line, cut to what a line holds, without the key that it may repeat."""
    key = os.environ.get("OPENAI_API_KEY")
    return " ".join((body.replace(key, "***") if key else body).split())[:200]


class _GivenUp(Exception):
    """This one request failed for good; the run goes on."""


def _read(key: str, raw: str) -> Completion:
    """Read a raw answer; one that cannot be read is a completion without text, never an exception."""
    try:
        answer = json.loads(raw)
        choice = answer["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        usage = answer.get("usage") or {}
        if not isinstance(text, str):
            return Completion(key, None, error="the answer holds no text")
        text.encode()  # a lone surrogate cannot be stored
        return Completion(key, text, choice.get("finish_reason"), usage.get("prompt_tokens"), usage.get("completion_tokens"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as e:
        return Completion(key, None, error=f"the answer cannot be read: {type(e).__name__}")


def is_local(model: str) -> bool:
    """Whether a model is served here: the embedded one, or a folder with a config.json."""
    return model == "smollm2" or Path(model, "config.json").is_file()


@contextlib.contextmanager
def opened(model: str, base_url: str | None, journal: Journal) -> Iterator[Chat]:
    """Open a model by its name: served here when it is local and no endpoint is named, else at the endpoint.

    The endpoint is `base_url`, else OPENAI_BASE_URL, else OpenAI itself; the key comes from OPENAI_API_KEY only.

    Raises:
        ModelError: no such model, no key where one is needed, or a server that does not start.
        UsageError: a base URL that is not one.
    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    from datagen.models.causal_lm import resolve
    from datagen.models.served import Endpoint, served

    base_url = base_url or (None if is_local(model) else os.environ.get("OPENAI_BASE_URL"))
    if base_url and not base_url.startswith(("http://", "https://")):
        raise UsageError(f"--base-url {base_url} is not a URL; give one such as http://127.0.0.1:8000/v1")
    with contextlib.ExitStack() as stack:
        if base_url:
            endpoint = Endpoint(base_url, model)
        elif is_local(model):
            endpoint = stack.enter_context(served(resolve(model)[0]))
        else:
            endpoint = Endpoint("https://api.openai.com/v1", model)
        key = None if is_local(model) and not base_url else os.environ.get("OPENAI_API_KEY")
        if key is None and endpoint.base_url.startswith("https://api.openai.com"):
            raise ModelError(
                f"there is no local model '{model}', and OpenAI needs a key: set OPENAI_API_KEY, name an endpoint with"
                " --base-url, or use --model smollm2"
            )
        # A server on this machine is not behind the user's proxy.
        here = "://127.0.0.1:" in endpoint.base_url or "://localhost:" in endpoint.base_url
        client = AsyncOpenAI(
            base_url=endpoint.base_url, api_key=key or "none", max_retries=RETRIES, timeout=TIMEOUT_S,
            http_client=DefaultAsyncHttpxClient(trust_env=False) if here else None,
        )  # fmt: skip
        name = f"{model}@{resolve(model)[1][:16]}" if is_local(model) and model != "smollm2" else model
        yield Chat(name, endpoint.model, endpoint.base_url, journal, client)
