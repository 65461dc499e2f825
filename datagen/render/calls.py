"""Tools and their calls in the OpenAI form that chat templates read."""

from __future__ import annotations

from typing import Any

from datagen.json_text import dumps, finite, storable
from datagen.tool_calls import listed, parsed
from datagen.tool_specs import openai_tools


def parsed_calls(text: str | None) -> list[Any] | None:
    """Return tool calls in OpenAI form, arguments as an object; None if there are none or they are unreadable."""
    found = []
    for call in listed(text):
        arguments = parsed(call["arguments"])
        if isinstance(arguments, str):
            if arguments.strip():
                return None
            arguments = {}  # as servers write a call without any
        known = {"id": call["id"]} if call["id"] is not None else {}
        found.append({**known, "type": "function", "function": {"name": call["name"], "arguments": arguments}})
    return _writable(found) or None


def with_text_arguments(calls: list[Any]) -> list[Any]:
    """Return calls with their arguments as JSON text, for templates that join them to text without serialising them."""
    return [{**c, "function": {**c["function"], "arguments": dumps(c["function"]["arguments"])}} for c in calls]


def parsed_tools(text: str) -> list[Any] | None:
    """Return the tools of a row in OpenAI form; None if there are none or they are not JSON objects."""
    loaded = parsed(text) if text else None
    tools = openai_tools(loaded if isinstance(loaded, list) else [loaded])
    return _writable(tools) if tools else None


def _writable(value: Any) -> Any:
    """Return a value of JSON as it can be written again: NaN is null, half a character is U+FFFD."""
    return _whole(finite(value))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value
