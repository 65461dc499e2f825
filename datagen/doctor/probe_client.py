"""How the doctor asks an endpoint: small requests, counted and timed, that never raise and whose words hold no secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datagen.chat import completion, events
from datagen.chat.failures import QUOTA, retry_after
from datagen.chat.journal import Tokens
from datagen.chat.masking import one_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ROOM = 16  # output tokens of a probe
THINKING_ROOM = 512  # of a model that thinks before it answers
BACK_OFF_S = 1.0  # after a rate limit that does not say how long
LONG = "Count from one to one hundred in words, separated by commas."  # longer than ROOM tokens in any language
LOST = frozenset({"ReadError", "WriteError", "RemoteProtocolError", "CloseError"})  # of httpx: there was a connection
UNANSWERED = frozenset({None, 408, 429, 502, 503, 504, 529})  # says nothing about what the endpoint can do


@dataclass(frozen=True)
class Answer:
    """What came back: `words` is "" for an answer, else why it is none, on one line."""

    status: int | None  # of HTTP; None where no answer came
    body: Any  # parsed JSON; None where it is none
    words: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    lost: bool = False  # a connection that was there broke off: most likely one that the endpoint closed when it was idle

    @property
    def ok(self) -> bool:
        """Whether it is an answer of the API."""
        return not self.words

    @property
    def text(self) -> str:
        """The first choice's text, of either path; "" where there is none."""
        said = dig(self.body, "choices", 0, "message", "content") or dig(self.body, "choices", 0, "text")
        return said if isinstance(said, str) else ""

    @property
    def thought(self) -> str:
        """What a reasoning model said beside its answer."""
        message = dig(self.body, "choices", 0, "message")
        said = dig(message, "reasoning_content") or dig(message, "reasoning")
        return said if isinstance(said, str) else ""

    @property
    def cut(self) -> bool:
        """Whether the limit of output tokens ended it."""
        return bool(dig(self.body, "choices", 0, "finish_reason") == "length")

    @property
    def usage(self) -> Tokens | None:
        """The tokens that the endpoint counted, None where it reported none."""
        return completion.usage(self.body)


def dig(value: Any, *path: str | int) -> Any:
    """Return what lies at a path of parsed JSON, None where the path ends early."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


class Visit:
    """One visit to an endpoint: whom it asks, what it learnt on the way, and what it cost.

    `limit` is the parameter that caps an answer, `room` its value; the first chat sets both to what the model needs.
    `varies` is whether equal requests draw different texts, None before that is known.
    """

    def __init__(
        self, client: AsyncOpenAI, model: str | None, *, secrets: Sequence[str], timeout_s: float, has_key: bool, local: bool
    ) -> None:  # fmt: skip
        """Prepare; nothing is sent."""
        self.client, self.model, self.secrets, self.timeout_s = client, model, secrets, timeout_s
        self.has_key, self.local = has_key, local
        self.limit, self.room, self.first_room = "max_tokens", ROOM, ROOM
        self.varies: bool | None = None
        self.streams = False  # whether it has answered with an event stream, which nobody asked for
        self.requests = self.uncounted = 0
        self.used = Tokens(0, 0)
        self.answers: list[Answer] = []
        self._deadline = 0.0
        self._first: dict[str, Answer] = {}

    @property
    def base_url(self) -> str:
        """The endpoint as the client has it, without a slash at its end."""
        return str(self.client.base_url).rstrip("/")

    def begin(self) -> None:
        """Start the clock of one probe; its requests share `timeout_s`."""
        self._deadline = asyncio.get_running_loop().time() + self.timeout_s

    async def models(self) -> Answer:
        """Return the list of models, asked for once."""
        return await self._once("models", lambda: self.ask(lambda: self.client.models.with_raw_response.list()))

    async def first_chat(self) -> Answer:
        """Return the answer to the first chat, from which several probes read."""
        return await self._once("chat", self._try_chat)

    async def first_completion(self) -> Answer:
        """Return the answer to the first raw completion: of a text that breaks off in mid-word."""
        return await self._once("completions", lambda: self.complete("The quick brown fox jumps over the la", temperature=0))

    async def chat(self, text: str, *, system: str | None = None, **parameters: Any) -> Answer:
        """Ask one chat; a parameter named as `limit` replaces `room`."""
        messages = [{"role": "system", "content": system}] if system else []
        body = {self.limit: self.room, **parameters, "messages": [*messages, {"role": "user", "content": text}]}
        api: Any = self.client.chat.completions.with_raw_response
        return await self._generate(lambda: api.create(model=self.model, **body), "message")

    async def complete(self, prompt: str, **parameters: Any) -> Answer:
        """Ask one raw completion."""
        body = {"max_tokens": self.room, **parameters, "prompt": prompt}
        api: Any = self.client.completions.with_raw_response
        return await self._generate(lambda: api.create(model=self.model, **body), "text")

    async def say(self, text: str, **parameters: Any) -> Answer:
        """Ask by chat where that works, else by raw completion."""
        if (await self.first_chat()).ok:
            return await self.chat(text, **parameters)
        return await self.complete(text, **{"max_tokens" if k == self.limit else k: v for k, v in parameters.items()})

    async def first(self) -> Answer:
        """Return the first answer of the path that `say` takes."""
        chat = await self.first_chat()
        return chat if chat.ok else await self.first_completion()

    async def ask(self, send: Callable[[], Awaitable[Any]]) -> Answer:
        """Send one request; what goes wrong is in the answer's words.

        A rate limit that ends within the probe is waited for, and a connection that broke off is tried a second time: some
        servers close it after an error, which shows only when the next request is sent.
        """
        clock = asyncio.get_running_loop().time
        again, limited = True, None
        while True:
            answer = await self._ask_once(send)
            if limited is not None and answer.status is None and not answer.lost:
                return limited  # the time ran out in the middle of a try: what was heard says more
            if answer.lost and again:
                again = False
                continue
            wait = max(retry_after(answer.headers) or BACK_OFF_S, 0.05)
            if answer.status != 429 or is_quota(answer) or clock() + wait >= self._deadline:
                return answer
            limited = answer
            await asyncio.sleep(wait)

    async def _once(self, name: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        if name not in self._first:
            self._first[name] = await ask()
        return self._first[name]

    async def _try_chat(self) -> Answer:
        """The first chat: with the other name of the limit where that is demanded, with more room where the model thinks."""
        answer = await self.chat(LONG)
        if not answer.ok and "max_completion_tokens" in answer.words:
            self.limit = "max_completion_tokens"
            answer = await self.chat(LONG)
        if answer.ok and (answer.thought or "<think>" in answer.text or (answer.cut and not answer.text)):
            self.room = THINKING_ROOM
            if not answer.text:
                self.first_room = THINKING_ROOM
                answer = await self.chat(LONG)
        return answer

    async def _generate(self, send: Callable[[], Awaitable[Any]], kind: str) -> Answer:
        answer = await self.ask(send)
        if not answer.ok:
            self.uncounted += answer.status is None  # it may have been worked on, and billed
            return answer
        if (used := answer.usage) is not None:
            self.used = Tokens(self.used.input + used.input, self.used.output + used.output)
        else:
            self.uncounted += 1
        if dig(answer.body, "choices", 0, kind) is None:
            words = "HTTP 200 without a choice in it"
            if dig(answer.body, "error"):
                words = one_line(f"HTTP 200 with an error: {_said(answer.body, str(answer.body))}", self.secrets)
            return Answer(answer.status, answer.body, words, answer.headers, answer.seconds)
        self.answers.append(answer)
        return answer

    async def _ask_once(self, send: Callable[[], Awaitable[Any]]) -> Answer:
        import openai

        self.requests += 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout_at(self._deadline):
                raw = await send()
        except (TimeoutError, openai.APITimeoutError):
            return Answer(None, None, f"no answer within {self.timeout_s:g} s; a slow start needs a longer --timeout-s")
        except openai.APIStatusError as e:
            body = _parsed(e.response.text)
            words = f"HTTP {e.status_code}: {_said(body, e.response.text)}"
            return Answer(e.status_code, body, one_line(words, self.secrets), dict(e.response.headers))
        except openai.APIConnectionError as e:
            lost = type(e.__cause__).__name__ in LOST
            return Answer(None, None, one_line(f"no connection: {_cause(e)}", self.secrets), lost=lost)
        seconds = time.perf_counter() - started
        self.streams = self.streams or events.is_stream(raw.text)
        body = _parsed(raw.text)
        words = "" if isinstance(body, dict) else f"HTTP {raw.status_code}, but {_said(body, raw.text)}"
        return Answer(raw.status_code, body, one_line(words, self.secrets), dict(raw.headers), seconds)


def is_quota(answer: Answer) -> bool:
    """Whether it was refused because nothing is left to spend."""
    code = dig(answer.body, "error", "code") or dig(answer.body, "error", "type")
    return answer.status == 402 or str(code).lower() in QUOTA


def _parsed(text: str) -> Any:
    try:
        return events.parsed(text)
    except (ValueError, RecursionError):
        return None


def _said(body: Any, text: str) -> str:
    """The message inside an endpoint's answer, in any of the shapes that are about."""
    for path in (("error", "message"), ("error",), ("detail",), ("message",)):
        said = dig(body, *path)
        if isinstance(said, str) and said.strip():
            return said
    if text.lstrip()[:1] == "<":
        return "an HTML page instead of JSON"
    return text if text.strip() else "an empty answer"


def _cause(error: BaseException) -> str:
    """The innermost cause of a failed connection, as it says itself."""
    words = ""
    seen: BaseException | None = error
    while seen is not None:
        words = str(seen) or words
        seen = seen.__cause__ or seen.__context__
    return words
