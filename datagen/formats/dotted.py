"""Dotted names of what lies deeper in a record: `fields.prompt`, `responses.0.value`, `choices.0.message.content`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datagen.formats.json_values import loads

NOTHING = object()  # what is at a name that leads nowhere
DEEPEST, MOST = 10, 60  # steps down, and names that are looked at, where the names of a record are listed


def value_at(record: Mapping[str, Any], name: str) -> Any:
    """Return what a name of a record leads to, NOTHING where it leads nowhere.

    A number counts the elements of a list from 0. A field whose own name has dots in it is found as well, and comes first; a
    cell that holds JSON text is read where the name goes on in it.
    """
    return record[name] if name in record else _below(record, name.split("."))


def _below(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, list):
        counts = parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 10
        number = int(parts[0]) if counts else len(value)
        return _below(value[number], parts[1:]) if number < len(value) else NOTHING
    if isinstance(value, Mapping):
        for size in range(len(parts), 0, -1):
            key = ".".join(parts[:size])
            if key in value and (found := _below(value[key], parts[size:])) is not NOTHING:
                return found
    return NOTHING


def _parsed(text: str) -> Any:
    """The list or map that a text is as JSON; None for any other."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return None


def leaves(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the dotted names of a record and what they lead to, down to what is no map and no list of maps or texts.

    Of a list the first element is shown; a list of turns is one value.
    """
    found = []
    for name, value in _leaves("", record, 0):
        found.append((name, value))
        if len(found) >= MOST:
            break
    return found


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str) and depth == 1 and isinstance(cell := _parsed(value), (dict, list)) and not is_turns(cell):
        value = cell
    if depth < DEEPEST and isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), inner, depth + 1)
    elif depth < DEEPEST and isinstance(value, list) and value and not is_turns(value) and isinstance(value[0], (dict, str)):
        yield from _leaves(f"{name}.0", value[0], depth + 1)
    else:
        yield name, value


def is_turns(value: Any) -> bool:
    """Whether a value is a list of maps that say who speaks."""
    return isinstance(value, list) and bool(value) and all(isinstance(t, dict) and ("role" in t or "from" in t) for t in value)


def shown(names: list[str], most: int = 30) -> str:
    """Return names as a message lists them."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "") if names else "none"
