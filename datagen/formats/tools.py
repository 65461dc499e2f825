"""Tool calls and tools as files write them; a row keeps the text of its source."""

from __future__ import annotations

from typing import Any

from datagen.formats.shape import Style, dumps
from datagen.tool_calls import Call, as_function, listed, parsed


def calls(text: str | None) -> list[Call]:
    """Return tool calls as `[{"name": str, "arguments": object}]`; [] when the text is not a tool call.

    Arguments given as JSON text are parsed; text that is not JSON stays text.
    """
    return [{"name": call["name"], "arguments": parsed(call["arguments"])} for call in listed(text)]


def openai_calls(text: str | None) -> list[Call]:
    """Return tool calls as OpenAI writes them, `arguments` as JSON text, `id` only where the source has one."""
    found = []
    for call in listed(text):
        arguments = call["arguments"]
        function = {
            "name": call["name"],
            "arguments": arguments if isinstance(arguments, str) else dumps(arguments),
        }
        identity = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
        found.append({**identity, "type": "function", "function": function})
    return found


def sharegpt_calls(text: str) -> str:
    """Return tool calls as ShareGPT writes them: the text itself, or OpenAI's list turned into name and arguments."""
    loaded = parsed(text)
    if not isinstance(loaded, list) or not any(isinstance(call, dict) and "function" in call for call in loaded):
        return text
    plain = calls(text)
    if not plain:
        return text
    return dumps(plain[0] if len(plain) == 1 else plain)


def without_nulls(value: Any) -> Any:
    """Return a structure without the null fields of its maps, with which Arrow pads every row to the fields of all."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def tools_list(text: str) -> list[Any] | None:
    """Return tools in OpenAI form, `[{"type": "function", "function": …}]`; null when they do not parse."""
    loaded = parsed(text) if text else None
    if not isinstance(loaded, list) or not all(isinstance(tool, dict) for tool in loaded):
        return None
    return [as_function(tool) for tool in loaded]


def tools_style(tools: Any) -> dict[str, str]:
    """Return how a record holds its tools where that is not OpenAI's way: as JSON text, or as a bare list."""
    if isinstance(tools, str) and tools:
        return {"tools": "text"}
    bare = tools_list(dumps(tools)) != tools if isinstance(tools, list) and tools else False
    return {"tools": "bare"} if bare else {}


def written_tools(text: str, style: Style) -> Any:
    """Return the tools of a row as a list in OpenAI form, or the way that the style of its record asks for."""
    way = style.get("tools")
    value = text if way == "text" else parsed(text) if way == "bare" else tools_list(text)
    return text if value is None else value
