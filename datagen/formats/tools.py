"""Tool calls and tools as files write them; a row keeps the text of its source."""

from __future__ import annotations

from typing import Any

from datagen.formats.shape import dumps
from datagen.json_text import finite
from datagen.tool_calls import Call, listed, parsed
from datagen.tool_specs import openai_tools


def calls(text: str | None) -> list[Call]:
    """Return tool calls as `[{"name": str, "arguments": object}]`; [] when the text is not a tool call.

    Arguments given as JSON text are parsed; text that is not JSON stays text.
    """
    return [{"name": call["name"], "arguments": _arguments(call["arguments"])} for call in listed(text)]


def _arguments(given: Any) -> Any:
    """Return arguments as a value; a text that JSON cannot hold as one, such as 1e400, stays a text."""
    value = parsed(given)
    return given if isinstance(given, str) and finite(value) is not value else value


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
    tools = [loaded] if isinstance(loaded, dict) else loaded
    return openai_tools(tools) if isinstance(tools, list) else None


def functions(text: str) -> list[Any]:
    """Return the tools of a text that are functions, in OpenAI form; others have no place in what trainers read."""
    return [tool for tool in tools_list(text) or () if _is_function(tool)]


def offered(text: str) -> dict[str, Any]:
    """Return `{"tools": […]}` in OpenAI form; what is no function moves aside to `tools_`, as its text."""
    tools = tools_list(text)
    if tools is None:
        return {"tools_": text} if text else {}
    good, rest = functions(text), [tool for tool in tools if not _is_function(tool)]
    return {**({"tools": good} if good else {}), **({"tools_": dumps(rest)} if rest else {})}


def _is_function(tool: dict[str, Any]) -> bool:
    function = tool.get("function")
    return tool.get("type") == "function" and isinstance(function, dict) and isinstance(function.get("name"), str)


def sharegpt_tools(text: str) -> str:
    """Return tools as ShareGPT writes them: the text itself, or other vendors' lists turned into name and parameters."""
    loaded = parsed(text)
    tools = tools_list(text)
    if tools is None or (isinstance(loaded, list) and tools == [t if "function" in t else _wrapped(t) for t in loaded]):
        return text
    return dumps([tool.get("function", tool) for tool in tools])


def _wrapped(function: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": function}
