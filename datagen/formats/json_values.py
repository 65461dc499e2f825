"""JSON values out of a text, one after another: NaN is missing, and a key that stands twice is said, never the last one."""

from __future__ import annotations

import json
import math
from typing import Any

LONGEST = 1 << 26  # bytes of a line, or characters of a value, that are read: more is no row, but a bomb or a broken file


class Decoder:
    """Decodes values, and says what in them JSON allows and no row can hold."""

    def __init__(self) -> None:
        """Make a decoder; one per file, for it remembers what was wrong with the value at hand."""
        self._fault = ""
        # `NaN` and `Infinity` are no JSON; they are how pandas writes that something is missing.
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=lambda _: None, parse_float=self._number
        ).raw_decode

    def value(self, text: str, at: int = 0) -> tuple[Any, int, str]:
        """Return the value that starts at a place, the place after it, and what is wrong with it ("" for nothing).

        Raises:
            ValueError: no JSON value starts there, or it ends in the middle.
            RecursionError: it is nested too deeply.
        """
        self._fault = ""
        record, end = self._decode(text, at)
        return record, end, self._fault

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs) and not self._fault:
            names = [name for name, _ in pairs]
            self._fault = f"the key '{next(n for n in names if names.count(n) > 1)}' stands twice in one object"
        return found

    def _number(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            self._fault = self._fault or f"the number {text[:20]} is too large"
        return number


def loads(text: str) -> Any:
    """Return the value that a text holds.

    Raises:
        ValueError: it is no JSON, or an object in it has a key twice.
        RecursionError: it is nested too deeply.
    """
    text = text.strip(" \t\n\r")
    record, end, fault = Decoder().value(text)
    if fault or end != len(text):
        raise ValueError(fault or "something stands after the value")
    return record
