"""Tools and their calls in the OpenAI form that chat templates read."""

from __future__ import annotations

from typing import Any

from datagen.json_text import dumps
from datagen.tool_calls import as_function, listed, parsed


def parsed_calls(text: str | None) -> list[Any] | None:
    """Return tool calls in OpenAI form, arguments as an object; None if there are none or they are unreadable."""
    found = []
    for call in listed(text):
        arguments = parsed(call["arguments"])
        if isinstance(arguments, str):
            return None
        known = {"id": call["id"]} if call["id"] is not None else {}
        found.append({**known, "type": "function", "function": {"name": call["name"], "arguments": arguments}})
    return found or None


def with_text_arguments(calls: list[Any]) -> list[Any]:
    """Return calls with their arguments as JSON text, for templates that join them to text without serialising them."""
    return [{**c, "function": {**c["function"], "arguments": dumps(c["function"]["arguments"])}} for c in calls]


def parsed_tools(text: str) -> list[Any] | None:
    """Return the tools of a row in OpenAI form; None if there are none or they are not JSON objects."""
    loaded = parsed(text) if text else None
    tools: list[Any] = loaded if isinstance(loaded, list) else [loaded]
    return [as_function(tool) for tool in tools] if tools and all(isinstance(tool, dict) for tool in tools) else None
