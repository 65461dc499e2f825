"""Keys and passwords: found in an address, and masked in everything that an endpoint says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from datagen.errors import ModelError, UsageError

WORDS = 200  # characters of an endpoint's words that are kept
WINDOW = 8  # so many characters of a key in a row are masked, wherever an endpoint repeats them


def secrets_of(base_url: str, api_key: str | None) -> tuple[str, ...]:
    """Return everything of an address and a key that must not be shown.

    Raises:
        UsageError: the address is not one.
        ModelError: the key cannot be sent.
    """
    example = "give one such as http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(base_url)
        ok = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise UsageError(f"--base-url is not a URL; {example}") from None
    if not ok:
        raise UsageError(f"--base-url {base_url.rpartition('@')[2]} is not a URL; {example}")
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ModelError("OPENAI_API_KEY holds a space, a line break or a letter outside ASCII; set it without")
    return tuple(filter(None, (api_key, parts.password, *(value for _, value in parse_qsl(parts.query)))))


def one_line(text: str, secrets: Sequence[str], most: int = WORDS) -> str:
    """Return words for a terminal: one line, no control characters, no secret nor a piece of one, `most` characters."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            text = text.replace(form, "***")
        pieces = {secret[i : i + WINDOW] for i in range(len(secret) - WINDOW + 1)}
        hidden = {j for i in range(len(text)) if text[i : i + WINDOW] in pieces for j in range(i, i + WINDOW)}
        text = "".join("\0" if i in hidden else c for i, c in enumerate(text))
    text = "***".join(part for part in text.split("\0") if part) if "\0" in text else text
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def without_userinfo(base_url: str) -> str:
    """Return an address that may be shown: no user, password or query."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
