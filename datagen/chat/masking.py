"""Keys and passwords: found in an address, and masked in everything that an endpoint says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from datagen.errors import ModelError, UsageError
from datagen.json_text import dumps

WORDS = 200  # characters of an endpoint's words that are kept
LONGEST = 4000  # characters of an endpoint's words that are read
HIDDEN = "***"
SECRET = 16  # characters; a shorter key is a placeholder, and taking it out of an answer would take words out
VERSION = re.compile(r"v?\d[\w.]{0,9}(?:-\w{1,10}){0,4}|latest|preview")
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
    if not ok or any(c.isspace() or not c.isprintable() for c in base_url):
        raise UsageError(f"--base-url '{base_url.rpartition('@')[2]}' is not a URL; {example}")
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ModelError("OPENAI_API_KEY holds a space, a line break or a letter outside ASCII; set it without")
    # Neither `?v=1` nor Azure's `?api-version=2024-10-21` is one.
    open_ = {"api-version", "api_version", "version"}
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    values = [v for name, v in query if len(v) >= WINDOW and not (name in open_ and VERSION.fullmatch(v))]
    return tuple(filter(None, (api_key, parts.username, parts.password, *values)))


def masked(text: str, secrets: Sequence[str], window: int = WINDOW) -> str:
    """Return a text without any secret: plain, in a URL, in JSON, in base64, nor `window` characters of one in a row."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        escaped = dumps(secret, ensure_ascii=True)[1:-1]
        for form in {secret, quote(secret, safe=""), escaped, secret.replace("/", "\\/"), *_base64(secret)}:
            text = text.replace(form, HIDDEN) if form else text
        pieces = {secret[i : i + window] for i in range(len(secret) - window + 1)}
        if any(piece in text for piece in pieces):
            covered = {j for i in range(len(text)) if text[i : i + window] in pieces for j in range(i, i + window)}
            text = "".join("\0" if i in covered else c for i, c in enumerate(text))
            text = re.sub("\0+", HIDDEN, text)
    return text


def _base64(secret: str) -> list[str]:
    """What the base64 of any text with the secret in it holds: one piece for each of the three places it may begin at."""
    found = []
    for before in range(3) if len(secret) >= WINDOW else ():
        code = base64.b64encode(b"\0" * before + secret.encode()).decode()
        whole = (len(secret) + before) // 3 * 4  # what comes after the secret changes the last group
        found.append(code[4 if before else 0 : whole].rstrip("="))
    return found


def masked_answer(text: str, secrets: Sequence[str]) -> str:
    """Return the text of an answer in which no string holds a secret; other answers character by character as they came.

    Only what is long enough to be a secret is looked for: a placeholder such as `none` is a word of the answers. The strings
    of JSON are masked as they read, whatever escapes they are written with, and its structure stays.
    """
    long = [s for s in secrets if len(s) >= SECRET]
    if not long:
        return text
    try:
        value = json.loads(text)
        changed = _each_string(value, lambda said: masked(said, long, SECRET))
        # Half a character is an escape in JSON text, which nothing else can hold.
        return text if changed == value else dumps(changed).encode("utf-8", "backslashreplace").decode("utf-8")
    except (ValueError, RecursionError):
        return masked(text, long, SECRET)


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each_string(v, change) for v in value]
    return {change(k): _each_string(v, change) for k, v in value.items()} if isinstance(value, dict) else value


def one_line(text: str, secrets: Sequence[str], most: int = WORDS) -> str:
    """Return words for a terminal: one line, no control characters, no secret nor a piece of one, `most` characters."""
    text = masked(text[:LONGEST], secrets)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def without_userinfo(base_url: str) -> str:
    """Return an address that may be shown: no user, password or query."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
