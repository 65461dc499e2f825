"""The models of a conversation, each behind its endpoint; one that is here is served as long as it is needed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from datagen.chat.masking import secrets_of, without_userinfo
from datagen.chat.opening import OPENAI, not_here
from datagen.chat.wire import streaming_client
from datagen.errors import ModelError, UsageError
from datagen.models.names import is_local, short_names

TIMEOUT_S = 600.0  # until the first part of an answer: a small machine reads a long conversation slowly


@dataclass(frozen=True)
class Voice:
    """A model that answers: its name for the person, the client of its endpoint, its name there."""

    name: str
    client: Any
    model: str
    secrets: tuple[str, ...] = ()  # what an error must not repeat


@contextlib.contextmanager
def opened(models: Sequence[str], base_url: str | None) -> Iterator[list[Voice]]:
    """Open models: each is served here where it is local, else asked at the endpoint.

    Args:
        models: their names; no two the same.
        base_url: the endpoint of those that are not here; None = OPENAI_BASE_URL, else OpenAI.

    Raises:
        ModelError: no such model, no key where one is needed, or a server that does not start.
        UsageError: a model twice, or an endpoint and no model of it.
    """
    if twice := next((name for name in models if models.count(name) > 1), None):
        raise UsageError(f"'{twice}' is named twice; give another --adapter")
    if base_url and all(map(is_local, models)):
        raise UsageError(f"{models[0]} is here, and --base-url is of models that are not; leave one of them out")
    names = short_names(models)
    with contextlib.ExitStack() as stack:
        yield [_voice(model, names[model], base_url, stack) for model in models]


def _voice(model: str, name: str, base_url: str | None, stack: contextlib.ExitStack) -> Voice:
    if is_local(model):
        from datagen.serving.servable import servable
        from datagen.serving.served import served

        endpoint = stack.enter_context(served(servable(model)[0]))
        client = stack.enter_context(streaming_client(endpoint.base_url, None, TIMEOUT_S))
        return Voice(name, client, endpoint.model)
    not_here(model)
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    key = os.environ.get("OPENAI_API_KEY")
    if url == OPENAI and key is None:
        raise ModelError(
            f"there is no local model '{model}', and OpenAI needs a key: set OPENAI_API_KEY, name an endpoint with --base-url,"
            " or talk to smollm2"
        )
    client = stack.enter_context(streaming_client(without_userinfo(url), key, TIMEOUT_S))
    return Voice(name, client, model, tuple(secrets_of(url, key)))
