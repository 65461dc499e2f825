"""The options of everything that asks a model: which one, how it samples, how fast, and what it may cost."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datagen import assets
from datagen.chat.masking import secrets_of
from datagen.errors import UsageError
from datagen.models.names import EMBEDDED, is_gguf, is_local
from datagen.options import option

ENGLISH_ONLY = "the embedded model smollm2 knows English only"
NAME_ANOTHER = "name another one with --model, and its --base-url"
TAKE_ENGLISH = "take the English rows alone: datagen filter ROWS -o ENGLISH --stage rules:use=language,languages=en"
DEFAULT_OUTPUT_TOKENS = 3072  # of one completion
LIMITS = ("max_tokens", "max_completion_tokens")  # of an answer, in a request
UNREAD = 0.01  # share of the rows that may be in other languages
Via = Literal["online", "batch"]
OURS = ("model", "messages", "prompt", "stream", "n", "best_of")  # keys of a request that a user's --extra-body may not set

# Options that change neither a request nor what is made of its answer: not part of any fingerprint; prompts count by text.
TRAVEL = (
    "base_url", "concurrency", "rpm", "tpm", "timeout_s", "max_answer_mb", "budget_usd", "max_requests", "retry_failed",
    "prompts", "via",
)  # fmt: skip

MOST = 1e12
# Name -> least, most, and whether the least itself is left out.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "temperature": (0, 2, False), "top_p": (0, 1, False), "max_output_tokens": (1, MOST, False),
    "concurrency": (1, 1000, False), "rpm": (0, MOST, True), "tpm": (1, MOST, False), "timeout_s": (0, MOST, True),
    "max_answer_mb": (0, 100_000, True), "budget_usd": (0, MOST, True), "max_requests": (1, MOST, False),
    "price_in": (0, MOST, False), "price_out": (0, MOST, False),
}  # fmt: skip


@dataclass(frozen=True)
class ModelOptions:
    """Options shared by every command that asks a model."""

    model: str = option(EMBEDDED, "the embedded model, a local folder or GGUF file, or a model of the endpoint")
    base_url: str | None = option(None, "an OpenAI-compatible endpoint; off = OPENAI_BASE_URL, OpenAI, or a local server")
    temperature: float | None = option(0.9, "0..2; off = the endpoint's default", group="Sampling")
    top_p: float | None = option(None, "0..1; off = the endpoint's default", group="Sampling")
    extra_body: dict[str, Any] | None = option(
        None, 'more parameters of a request, such as {"top_k": 20}; null takes one away', group="Sampling"
    )
    max_output_tokens: int | None = option(
        None, "of one completion, reasoning included; off = 3072, a small model's own limits", group="Sampling"
    )
    concurrency: int = option(16, "requests in flight", group="Pace")
    rpm: float | None = option(None, "requests per minute", group="Pace")
    tpm: int | None = option(
        None, "tokens per minute, in and out; a request counts with its worst case until it ends", group="Pace"
    )
    via: Via = option("online", "batch: through the endpoint's Batch API, at its lower price and within a day", group="Pace")
    timeout_s: float = option(300.0, "of one attempt, from the first byte sent to the last received", group="Pace")
    max_answer_mb: float = option(
        64.0, "size of one answer, decompressed, in millions of bytes; a larger one is a failed request", group="Pace"
    )
    budget_usd: float | None = option(None, "hard cap in dollars over the whole life of the run folder")
    max_requests: int | None = option(
        None, "hard cap on requests sent, retries included, over the whole life of the run folder", group="Cost"
    )
    price_in: float | None = option(None, "dollars per million input tokens; off = the list of genai-prices", group="Cost")
    price_out: float | None = option(None, "dollars per million output tokens", group="Cost")
    retry_failed: bool = option(False, "ask again what was given up in an earlier run", group="Pace")
    prompts: str | None = option(
        None, "a folder whose NAME.LANGUAGE.jinja take the place of the prompts that come with datagen", group="Sampling"
    )

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one is out of its range.
            UsageError: the address is not one.
        """
        for name, (least, most, above) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (least < value or (value == least and not above)):
                raise ValueError(f"{name} must be {'above' if above else 'at least'} {least:g}, not {value:g}")
            if value is not None and value > most:
                raise ValueError(f"{name} must be at most {most:g}, not {value:g}")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("give price_in and price_out together, in dollars per million tokens")
        address = (self.base_url or "").partition("?")[0].rstrip("/")
        path = next((p for p in ("/chat/completions", "/completions") if address.endswith(p)), None)
        if path:
            raise ValueError(f"base_url is the address of the API: leave {path} off")
        if self.base_url and self.model == EMBEDDED and not self.others:
            raise ValueError("base_url needs model: the endpoint's own name of one (--model)")
        if self.base_url and secrets_of(self.base_url, None):
            raise ValueError("base_url holds a password or a query, which the run folder would keep; the key is OPENAI_API_KEY")
        if self.via == "batch" and self.local:
            raise ValueError("via=batch needs an endpoint with a Batch API: name a model of it, and its base_url")
        if self.prompts is not None:
            assets.check_prompts(self.prompts, also=getattr(self, "prompt", ""))  # a judge may have one of any name
        self._check_extra(self.extra_body or {})

    def _check_extra(self, extra: dict[str, Any]) -> None:
        if odd := next((key for key in extra if not isinstance(key, str)), None):
            raise ValueError(f"extra_body: {odd!r} is no name of a parameter")
        wrong = [key for key in extra if key in OURS]
        if wrong:
            raise ValueError(f"extra_body may not set '{wrong[0]}', which datagen sets itself")
        try:
            json.dumps(extra, ensure_ascii=False, allow_nan=False).encode()
        except ValueError as e:
            raise ValueError(f"extra_body cannot be sent as JSON: {e}") from None
        for name in LIMITS:
            limit = extra.get(name, 1)
            if limit is None and self.budget_usd is not None and not any(extra.get(other) for other in LIMITS):
                raise ValueError(f"budget_usd needs a limit of each answer: extra_body may not take {name} away")
            if limit is not None and (type(limit) is not int or not 1 <= limit <= MOST):
                raise ValueError(f"extra_body: {name} is a whole number of 1 or more, not {limit!r}")

    def check_language(self, language: str) -> None:
        """Raise ValueError where the embedded model is asked in a language that it does not know."""
        if self.embedded and language != "en":
            raise ValueError(f"{ENGLISH_ONLY}; for language {language} {NAME_ANOTHER}")

    def check_rows(self, step: str, languages: Iterable[str], leeway: float = 1.0) -> None:
        """Refuse the embedded model for rows that it does not read.

        Args:
            step: the name for the message.
            languages: of each row, empty where it has none.
            leeway: so many times the share of rows in other languages may be there that is borne else.

        Raises:
            UsageError: too many of them are not English.
        """
        if self.embedded and (told := not_english(languages, leeway)):
            raise UsageError(f"'{step}': {ENGLISH_ONLY}, and {told}; {NAME_ANOTHER}; or {TAKE_ENGLISH}")

    @property
    def others(self) -> bool:
        """Whether other models than `model` are asked too, of which the endpoint may be."""
        return False

    @property
    def embedded(self) -> bool:
        """Whether the model is the one that comes along, or an adapter of it."""
        if self.base_url is not None:
            return False
        from datagen.models.adapter import base_of
        from datagen.models.weights import UNPACKED

        base = base_of(self.model)
        return EMBEDDED in (self.model, base) or Path(base).name.startswith(UNPACKED)

    @property
    def local(self) -> bool:
        """Whether the model is served here: a local one, and no endpoint is named."""
        return self.base_url is None and is_local(self.model)

    @property
    def loadable(self) -> bool:
        """Whether torch can load the model here, a small one; a GGUF file can only be asked, and may be of any size."""
        return self.local and not is_gguf(self.model)

    def sampling(self) -> dict[str, Any]:
        """The parameters of a request that say how to sample; those that are off are left to the endpoint."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_output_tokens or DEFAULT_OUTPUT_TOKENS,
        }


def not_english(languages: Iterable[str], leeway: float = 1.0) -> str:
    """Return how many rows are in other languages, where they are more than a model that knows English only may meet."""
    found = Counter(languages)
    other = [(name, count) for name, count in found.most_common() if name not in ("en", "")]
    if sum(count for _, count in other) <= UNREAD * leeway * found.total():
        return ""
    return f"of {found.total():,} rows {', '.join(f'{count:,} in {name}' for name, count in other[:3])}"


def address(options: ModelOptions) -> str | None:
    """The endpoint that options name, in themselves or through OPENAI_BASE_URL; None = a local server, or OpenAI."""
    return options.base_url or (None if is_local(options.model) else os.environ.get("OPENAI_BASE_URL"))
