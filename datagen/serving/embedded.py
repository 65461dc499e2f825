"""Which server the embedded model has on this machine: llama.cpp, or `transformers serve` where the first one does not do.

llama.cpp is tried once in a child process, and what came of it is kept in the user's cache by version and processor. On a
processor with bfloat16, where `transformers serve` computes in it and llama.cpp's wheel does not, both are timed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from datagen.errors import ModelError
from datagen.models import cache
from datagen.models.weights import smollm2_dir, smollm2_gguf
from datagen.serving.served import Endpoint, opener, served

Server = Literal["llama.cpp", "transformers"]
NAME_Q8 = "smollm2-q8_0"  # in request keys and rows: answers of the 8-bit copy, which are not those of the float32 one
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux names what torch looks for
KEPT = "embedded-server.json"  # in the user's cache
AT_ONCE, ANSWER_TOKENS = 16, 24  # of the requests by which servers are timed


@dataclass(frozen=True)
class Way:
    """The server of the embedded model, and why it is not llama.cpp."""

    server: Server
    why: str = ""


@lru_cache(maxsize=1)
def way() -> Way:
    """Return how the embedded model is served here; where not by llama.cpp, that is logged once.

    Raises:
        ModelError: its weights cannot be had.
    """
    found = chosen(_version("xllamacpp"), processor_flags() & BFLOAT16 != set())
    if found.why:
        logging.getLogger(__name__).warning("smollm2 is served by `transformers serve`: %s", found.why)
    return found


def chosen(installed: str, bfloat16: bool) -> Way:
    """Return the way for a version of xllamacpp ("" = not installed) on a processor with or without bfloat16."""
    if not installed:
        return Way("transformers", "llama.cpp, which is faster, is not installed: pip install xllamacpp")
    mark = f"xllamacpp {installed}, transformers {_version('transformers')}, {_processor()}"
    told = cache.recall(KEPT) or {}
    if told.pop("mark", None) == mark:
        with contextlib.suppress(TypeError):  # of an older version
            return Way(**told)
    try:
        with served(str(smollm2_gguf())) as endpoint:
            speed = tokens_per_second(endpoint, AT_ONCE, AT_ONCE, ANSWER_TOKENS) if bfloat16 else 0.0
    except (ModelError, OSError) as e:  # also a copy that came out otherwise, or a server that died
        found = Way("transformers", str(e))
        if not getattr(e, "illegal", False):  # it may do another time
            return found
    else:
        found = _faster(speed) if bfloat16 else Way("llama.cpp")
    cache.keep(KEPT, {"mark": mark, **asdict(found)})
    return found


def _faster(speed: float) -> Way:
    """Time the other server beside llama.cpp's tokens per second."""
    try:
        with served(str(smollm2_dir())) as endpoint:
            other = tokens_per_second(endpoint, AT_ONCE, AT_ONCE, ANSWER_TOKENS)
    except (ModelError, OSError):  # what works is taken
        return Way("llama.cpp")
    if other <= speed:
        return Way("llama.cpp")
    return Way("transformers", f"in bfloat16 it is faster on this processor, {other:.0f} tokens/s to {speed:.0f} of llama.cpp")


def tokens_per_second(endpoint: Endpoint, requests: int, at_once: int, tokens: int) -> float:
    """Return the tokens per second of requests, so many of them at once, each of so many tokens at most, after a first one."""

    def answered(number: int) -> int:
        said = f"Write a story about the number {number}."
        body = {"model": endpoint.model, "max_tokens": tokens, "temperature": 1.0, "seed": number}
        data = json.dumps({**body, "messages": [{"role": "user", "content": said}]}, allow_nan=False).encode()
        request = urllib.request.Request(  # noqa: S310 - of this machine
            f"{endpoint.base_url}/chat/completions", data, {"Content-Type": "application/json"}
        )
        with opener().open(request, timeout=600) as answer:
            return int(json.load(answer)["usage"]["completion_tokens"])

    answered(0)
    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        made = sum(pool.map(answered, range(1, requests + 1)))
    return made / (time.monotonic() - started)


def processor_flags() -> set[str]:
    """Return what Linux says that the processor can do; empty elsewhere."""
    return set(_cpuinfo("flags").split())


def _processor() -> str:
    return f"{platform.machine()} {_cpuinfo('model name') or platform.processor()} {' '.join(sorted(processor_flags()))}"


def _cpuinfo(key: str) -> str:
    """Return the value of a key for the first processor of /proc/cpuinfo, "" where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
