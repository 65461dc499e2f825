"""From options to a model that answers: served here, at an endpoint, or from the journal alone."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.chat.batches import MOST_REQUESTS, Batches
from datagen.chat.budget import Budget
from datagen.chat.client import Chat
from datagen.chat.journal import Journal
from datagen.chat.masking import secrets_of, without_userinfo
from datagen.chat.online import Online
from datagen.chat.options import ModelOptions, address
from datagen.chat.pace import Pace
from datagen.chat.prices import Price, find_price
from datagen.chat.wire import client
from datagen.errors import ModelError, UsageError
from datagen.models.names import EMBEDDED, is_gguf, is_local

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
LOCAL_TIMEOUT_S = 3600.0  # at least, of an attempt at a model that is served here


def price_of(options: ModelOptions) -> Price | None:
    """Return what the model costs: as the options say, else by the list; a model served here costs nothing.

    Raises:
        UsageError: a budget, and no price is known.
    """
    said = options.price_in is not None
    found = None if options.local and not said else find_price(
        options.model, address(options) or OPENAI, options.price_in, options.price_out
    )  # fmt: skip
    if options.budget_usd is not None and found is None:
        raise UsageError(
            f"--budget-usd needs a price, and none is known for '{options.model}' there: give --price-in and --price-out,"
            " in dollars per million tokens"
        )
    return found


@contextlib.contextmanager
def opened(options: ModelOptions, journal: Journal, *, offline: bool = False) -> Iterator[Chat]:
    """Open a model: served here when it is local and no endpoint is named, else at the endpoint.

    The endpoint is `base_url`, else OPENAI_BASE_URL, else OpenAI itself; the key comes from OPENAI_API_KEY only. With
    `offline` nothing is opened: answers come from the journal.

    Raises:
        ModelError: no such model, no key where one is needed, or a server that does not start.
        UsageError: a base URL that is not one, or a budget without a price.
    """
    from datagen.serving.embedded import NAME_Q8
    from datagen.serving.servable import servable

    # Without an endpoint nothing is bought, so that no price has to be found and no cap is in the way.
    caps = (None, None, None) if offline else (price_of(options), options.budget_usd, options.max_requests)
    budget = Budget(*caps, journal.attempts())
    url, folder, digest = address(options), "", ""
    if is_local(options.model) and not (url and is_gguf(options.model)):  # the file may be one that somebody else serves
        folder, digest = servable(options.model, offline=offline)
    elif not url:
        not_here(options.model)
    llama = is_gguf(folder) and not url
    name = f"{Path(folder).name}@{digest[:16]}" if digest and options.model != EMBEDDED else options.model
    # The 8-bit copy has a name of its own: a run begun with the other one asks again, and mixes no answers of the two.
    if options.model == EMBEDDED and (not _only_float32(journal) if offline else llama):
        name = NAME_Q8
    with contextlib.ExitStack() as stack:
        if url:
            model = options.model
        elif folder:
            from datagen.serving.served import served

            model = folder
            url = "offline" if offline else stack.enter_context(served(folder)).base_url
        else:
            model, url = options.model, OPENAI
        key = None if options.local else os.environ.get("OPENAI_API_KEY")
        # A server here answers as fast as the machine can, and nobody bills: an answer given up is work thrown away.
        timeout_s = max(options.timeout_s, LOCAL_TIMEOUT_S) if options.local else options.timeout_s
        asked = None if offline else _client(url, key, options.model, timeout_s, options.max_answer_mb)
        in_batches = options.via == "batch"
        seeded = llama and "seed" not in (options.extra_body or {})
        yield Chat(
            name, model, without_userinfo(url), journal, asked, budget, Pace(options.rpm, options.tpm),
            concurrency=MOST_REQUESTS if in_batches else options.concurrency, paid=not options.local,
            secrets=() if offline else secrets_of(url, key), retry_failed=options.retry_failed,
            extra=options.extra_body or {},
            over=Batches if in_batches else functools.partial(Online, timeout_s=timeout_s, seeded=seeded),
        )  # fmt: skip


def not_here(model: str) -> None:
    """Raise ModelError where a model is named as a GGUF file that is not there."""
    if model.lower().endswith(".gguf"):
        raise ModelError(f"no such model: '{model}' is not a file, and no endpoint is named that may know it")


def _only_float32(journal: Journal) -> bool:
    """Whether a journal's answers of the embedded model are all of its float32 copy, which `transformers serve` gives."""
    from datagen.serving.embedded import NAME_Q8

    return journal.knows(EMBEDDED) and not journal.knows(NAME_Q8)


def _client(url: str, key: str | None, model: str, timeout_s: float, most_mb: float) -> AsyncOpenAI:
    if key is None and url.startswith("https://api.openai.com"):
        raise ModelError(
            f"there is no local model '{model}', and OpenAI needs a key: set OPENAI_API_KEY, name an endpoint with"
            " --base-url, or use --model smollm2"
        )
    return client(url, key, timeout_s, most_mb)
