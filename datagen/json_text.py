"""JSON text that every reader takes: NaN and infinity, which JSON has no word for, are null, as pandas writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any


def dumps(
    value: Any, *, indent: int | None = None, sort_keys: bool = False, ensure_ascii: bool = False,
    default: Callable[[Any], Any] | None = None,
) -> str:  # fmt: skip
    """Return a value as JSON text; what is written to disk or printed as JSON goes through here.

    Requests do not: a number that is none in one is an error, and not null (`json.dumps(…, allow_nan=False)`).

    Args:
        value: what JSON can hold; NaN and infinity become null, and a key that is one its name as text.
        indent: blanks per level, over several lines; None for one line.
        sort_keys: names in the order of the alphabet.
        ensure_ascii: every other character as an escape; without it every script stays readable.
        default: what stands for a value that JSON has no type for.

    Raises:
        TypeError: a value that JSON has no type for, without `default`.
        ValueError: a whole number of more than 4,300 digits, and what else Python writes as no JSON.
    """
    how: dict[str, Any] = {"indent": indent, "sort_keys": sort_keys, "ensure_ascii": ensure_ascii, "allow_nan": False}
    try:
        return json.dumps(value, default=default, **how)
    except ValueError:  # most likely of a number that is none
        return json.dumps(finite(value), default=(lambda v: finite(default(v))) if default else None, **how)


def finite(value: Any) -> Any:
    """Return a value with null for NaN and infinity at any depth; the value itself where it holds none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        changed = {k: new for k, v in value.items() if type(v) is not str and (new := finite(v)) is not v}
        found = {**value, **changed} if changed else value
        if any(isinstance(k, float) and not math.isfinite(k) for k in found):
            found = {str(k) if isinstance(k, float) and not math.isfinite(k) else k: v for k, v in found.items()}
        return found
    if isinstance(value, (list, tuple)):
        new = [finite(v) for v in value]
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def storable(text: str) -> str:
    """Return a text that can be stored: half of a character, as a cut emoji leaves it, becomes U+FFFD; two halves are one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
