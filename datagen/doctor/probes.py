"""What the doctor finds out about an endpoint itself: address, key, model, paths, limits, speed and price."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from datagen.chat.masking import without_userinfo
from datagen.chat.prices import find_price
from datagen.doctor.probe_client import UNANSWERED, Answer, Visit, dig, is_quota
from datagen.errors import nearest

Verdict = Literal["works", "does not", "ignored", "unknown"]
WINDOWS = (
    ("max_model_len",), ("meta", "n_ctx"), ("loaded_context_length",), ("context_length",), ("context_window",),
    ("max_context_length",), ("top_provider", "context_length"), ("max_input_tokens",), ("meta", "n_ctx_train"),
)  # fmt: skip  # vLLM, llama.cpp, LM Studio, OpenRouter and Together, Groq, Mistral, OpenRouter, LiteLLM; as trained: llama.cpp
PATHS = ("/chat/completions", "/completions", "/models")
SHORT, LONGEST = 1024, 131_072  # tokens of the prompts that `--context` tries
AT_ONCE = 4
BATCHES = 2.0  # AT_ONCE requests at once that take less than so many times one of them are answered together


@dataclass(frozen=True)
class Finding:
    """What one probe found: `words` is one line, `values` what a program may want to know."""

    probe: str
    verdict: Verdict
    words: str
    values: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    tried: bool = True


def failed(probe: str, answer: Answer) -> Finding:
    """The finding of a refused request: `unknown` where the refusal says nothing about what was asked for."""
    return Finding(probe, "unknown" if answer.status in UNANSWERED else "does not", answer.words)


async def reachable(visit: Visit) -> Finding:
    """Whether anything that speaks HTTP is there, and whether the API is at this address or one step beside it."""
    answer = await visit.models()
    base, shown = visit.base_url, without_userinfo(visit.base_url)
    if answer.status is None:
        return Finding("reachable", "does not", answer.words + _advice(answer.words, shown))
    for path in PATHS:
        if base.endswith(path):
            return Finding("reachable", "does not", f"leave {path} off: --base-url {shown.removesuffix(path)}")
    if not answer.ok and answer.status in (200, 404, 405) and not re.search(r"/v\d\w*$", base):
        other = visit.client.with_options(base_url=f"{base}/v1")
        beside = await visit.ask(lambda: other.models.with_raw_response.list())
        if beside.ok or beside.status in (401, 403):
            return Finding("reachable", "does not", f"the API is at /v1: --base-url {shown}/v1")
    if visit.model is None and len(ids := model_ids(answer)) == 1:
        visit.model = ids[0]
    note = "" if answer.ok or answer.status in (401, 403) else f"; /models: {answer.words}"
    return Finding("reachable", "works", f"{shown} answers{note}")


def _advice(words: str, base: str) -> str:
    """What to do about a failed connection."""
    low = words.lower()
    if base.startswith("https://") and any(
        s in low for s in ("wrong_version", "wrong version", "record layer", "packet length")
    ):
        return f"; there is no TLS there: --base-url http://{base.removeprefix('https://')}"
    if "certificate" in low:
        return "; the certificate is not trusted: SSL_CERT_FILE names your own authority"
    if "refused" in low or "connect call failed" in low or "connection attempts failed" in low:
        return "; is the server up, and the port right?"
    if "name or service" in low or "resolution" in low or "nodename" in low:
        return "; is the host's name right?"
    return ""


async def key_accepted(visit: Visit) -> Finding:
    """Whether the key opens the models, not the list of them alone, which some endpoints show to everybody."""
    listed = await visit.models()
    if visit.model is None and listed.status != 401:
        return Finding("key", "unknown", "a model's answer would tell")
    answer = listed if listed.status == 401 else await visit.first_chat()
    if answer.status == 401 or (answer.status == 403 and "model" not in answer.words.lower()):
        return Finding("key", "does not", f"{answer.words}; set OPENAI_API_KEY to a key that it accepts")
    if is_quota(answer):
        return Finding("key", "does not", f"nothing is left to spend: {answer.words}")
    if answer.status is None:
        return failed("key", answer)
    return Finding("key", "works", "accepted" if visit.has_key else "none set, none asked for")


async def model_known(visit: Visit) -> Finding:
    """Whether the endpoint knows the model: an answer is proof, a list alone is not, for many lists are not complete."""
    entries = _entries(await visit.models())
    ids = model_ids(await visit.models())
    offered = f"{', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"
    if visit.model is None:
        return Finding("model", "does not", f"name one with --model{'; it offers ' if ids else ''}{offered}")
    names = {name for entry in entries for name in _names(entry)}
    listed = visit.model in names or f"{visit.model}:latest" in names
    if (await visit.first_chat()).ok or (await visit.first_completion()).ok:
        note = "" if listed or visit.local else "; it is not in the list of /models"
        return Finding("model", "works", ("the model of this machine" if visit.local else visit.model) + " answers" + note)
    if listed:
        return Finding("model", "works", f"{visit.model} is in the list of /models")
    if not ids:
        return Finding("model", "unknown", "nothing answers, and /models lists nothing")
    part = [name for name in ids if visit.model.lower() in name.lower()]
    near = f"; did you mean '{part[0]}'?" if part else nearest(visit.model, ids)
    hint = near or f"; known: {offered}"
    return Finding("model", "does not", f"{visit.model} is not among its {len(ids)} models{hint}")


def model_ids(answer: Answer) -> list[str]:
    """The names in a list of models."""
    return [name for entry in _entries(answer) for name in _names(entry)[:1]]


def _entries(answer: Answer) -> list[Any]:
    entries = dig(answer.body, "data")
    return entries if isinstance(entries, list) else []


def _names(entry: Any) -> list[str]:
    """The name of a listed model, and its aliases."""
    aliases = dig(entry, "aliases")
    names = [dig(entry, "id"), *(aliases if isinstance(aliases, list) else [])]
    return [name for name in names if isinstance(name, str)]


async def chat(visit: Visit) -> Finding:
    """Whether chat works."""
    answer = await visit.first_chat()
    if not answer.ok:
        return failed("chat", answer)
    if not (answer.text or answer.thought):
        return Finding("chat", "does not", f"the answer holds no text, even with {visit.room} tokens of room")
    note = "; as an event stream that nobody asked for, which is read" if visit.streams else ""
    return Finding("chat", "works", f"{answer.seconds:.2f} s for the first answer{note}")


async def completions(visit: Visit) -> Finding:
    """Whether raw completions work, which Magpie needs."""
    answer = await visit.first_completion()
    return Finding("completions", "works", "raw text is continued") if answer.ok else failed("completions", answer)


async def context(visit: Visit) -> Finding:
    """How many tokens the model reads, as the endpoint or the model's own folder says."""
    entries = _entries(await visit.models())
    for entry in entries:
        if len(entries) == 1 or visit.model in _names(entry):
            for path in WINDOWS:
                tokens = dig(entry, *path)
                if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0:
                    how = "by training; the server may hold less" if path[-1] == "n_ctx_train" else f"{path[-1]} of /models"
                    return Finding("context", "works", f"{tokens:,} tokens ({how})", {"tokens": tokens})
    if tokens := _trained_context(visit):
        return Finding("context", "works", f"{tokens:,} tokens (config.json of the model)", {"tokens": tokens})
    return Finding("context", "unknown", "/models does not say; --context finds out, for the price of the input tokens")


def _trained_context(visit: Visit) -> int:
    """The context length in the folder of a model that is served here; 0 where it is not."""
    config = Path(visit.model or "", "config.json")
    if not visit.local or not config.is_file():
        return 0
    tokens = dig(json.loads(config.read_text("utf-8")), "max_position_embeddings")
    return tokens if isinstance(tokens, int) else 0


async def context_by_asking(visit: Visit) -> Finding:
    """How long a prompt may be, by doubling one until it is refused or cut: it costs twice the tokens that it finds."""

    def found(tokens: int, words: str) -> Finding:
        return Finding("context", "works", words, {"tokens": tokens})

    held, size = 0, SHORT
    usual = (await visit.first()).usage
    while size <= LONGEST:
        answer = await visit.say("word " * size)
        named = re.search(r"(?:context|n_ctx|max_model_len)\D{0,40}(\d[\d,]{2,})", answer.words)
        if not answer.ok and named:
            tokens = int(named[1].replace(",", ""))
            return found(tokens, f"{tokens:,} tokens, as its refusal of a longer prompt says")
        if not answer.ok:
            return found(held, f"{held:,} tokens or more; then: {answer.words}") if held else failed("context", answer)
        # A count that never changes is none.
        counted = answer.usage.input if answer.usage and usual and answer.usage.input != usual.input else size
        if counted < size * 0.9:
            return found(counted, f"longer prompts are cut to {counted:,} tokens")
        held, size = counted, size * 2
    return found(held, f"{held:,} tokens or more")


async def rate_limits(visit: Visit) -> Finding:
    """The limits in the headers of an answer, as the options that keep them."""
    headers = (await visit.first()).headers
    values: dict[str, int | float | str | bool] = {}
    # Groq's limit of requests is one per day.
    daily = (urlsplit(visit.base_url).hostname or "").endswith("groq.com")
    for option, unit in (("rpm", "requests"), ("tpm", "tokens")):
        told = headers.get(f"x-ratelimit-limit-{unit}-minute") or headers.get(f"x-ratelimit-limit-{unit}")
        if told and told.isdecimal() and int(told) > 0 and not (daily and unit == "requests"):
            values[option] = int(told)
    day = headers.get("x-ratelimit-limit-requests-day") or (headers.get("x-ratelimit-limit-requests") if daily else None)
    words = "".join(f" --{option} {limit}" for option, limit in values.items())
    words += f"; {int(day):,} requests per day" if day and day.isdecimal() else ""
    if not words:
        return Finding("rate limits", "unknown", "no x-ratelimit headers")
    return Finding("rate limits", "works", words.lstrip(" ;") + (" by its headers" if values else ""), values)


async def latency(visit: Visit) -> Finding:
    """How long a short answer takes, alone and beside three others."""

    async def seconds(start: int) -> Answer:
        return await visit.say(f"Count from {start} to two hundred in words, separated by commas.")

    clock = asyncio.get_running_loop().time
    alone = await seconds(11)
    started = clock()
    answers = await asyncio.gather(*(seconds(12 + i) for i in range(AT_ONCE)))
    together = clock() - started
    for answer in (alone, *answers):
        if not answer.ok:
            return failed("latency", answer)
    values: dict[str, Any] = {"alone_s": round(alone.seconds, 3), "at_once_s": round(together, 3)}
    how = (
        "it batches" if together < BATCHES * alone.seconds else "it answers one after another, more --concurrency gains little"
    )
    return Finding("latency", "works", f"{alone.seconds:.2f} s alone, {together:.2f} s for {AT_ONCE} at once: {how}", values)


async def price(visit: Visit) -> Finding:
    """Whether the price list knows the model at this endpoint."""
    if visit.local:
        return Finding("price", "unknown", "it is served on this machine and costs nothing")
    found = find_price(visit.model, visit.base_url, None, None) if visit.model else None
    if found is None:
        return Finding("price", "unknown", "not in genai-prices; a budget needs --price-in and --price-out")
    words = f"${found.input:g} in, ${found.output:g} out per million tokens ({found.source})"
    return Finding("price", "works", words, {"input": found.input, "output": found.output})


async def batch_api(visit: Visit) -> Finding:
    """Whether the endpoint takes batches, which cost half at some; a list of them is asked for, none is made."""
    answer = await visit.ask(lambda: visit.client.batches.with_raw_response.list(limit=1))
    if not answer.ok:
        return failed("batch API", answer)
    if not isinstance(dig(answer.body, "data"), list):
        return Finding("batch API", "does not", "/batches answers without a list")
    return Finding("batch API", "works", "/batches answers")
