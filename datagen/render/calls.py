"""Tools and their calls in the OpenAI form that chat templates read."""

from __future__ import annotations

import json
from typing import Any

from datagen.json_text import dumps
from datagen.tool_specs import openai_tools


def parsed_calls(text: str | None) -> list[Any] | None:
    """Return tool calls in OpenAI form, arguments as an object; None if there are none or they are unreadable."""
    parsed = []
    for call in json_list(text or "") or ():
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return None
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                return None
        known = {"id": call["id"]} if call.get("id") is not None else {}
        parsed.append({**known, "type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return parsed or None


def with_text_arguments(calls: list[Any]) -> list[Any]:
    """Return calls with their arguments as JSON text, for templates that join them to text without serialising them."""
    return [{**c, "function": {**c["function"], "arguments": dumps(c["function"]["arguments"])}} for c in calls]


def parsed_tools(text: str) -> list[Any] | None:
    """Return the tools of a row in OpenAI form; None if there are none or they are not JSON objects."""
    tools = json_list(text)
    return openai_tools(tools) if tools else None


def json_list(text: str) -> list[Any] | None:
    """Return what a JSON text holds, one value as a list of one; None where it is empty or no JSON."""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) or value is None else [value]
