"""Tools and their calls as texts hold them: one reading for the formats, and for what a model is shown.

ShareGPT holds a call as JSON text (`{"name": …, "arguments": {…}}` or a list of those), OpenAI as a list of
`{"id", "type", "function": {"name", "arguments"}}` with the arguments as JSON text; LangChain says `args`, Anthropic `input`.
"""

from __future__ import annotations

import json
from typing import Any

ARGUMENTS = ("arguments", "parameters", "args", "input")  # names under which a call has what it is called with
Call = dict[str, Any]


def listed(text: str | None) -> list[Call]:
    """Return the calls in a text as `[{"name": str, "arguments": …, "id": …}]`; [] unless every item is a call.

    Arguments are as they stand there: an object, or its JSON text. A call with a structure under none of the names of
    arguments is none: shown without it, it would be another call.
    """
    loaded = parsed(text) if text else None
    found: list[Call] = []
    for item in loaded if isinstance(loaded, list) else [loaded]:
        if not isinstance(item, dict):
            return []
        function = item["function"] if isinstance(item.get("function"), dict) else item
        name = next((name for name in ARGUMENTS if function.get(name) is not None), None)
        unknown = name is None and any(isinstance(value, (dict, list)) and value for value in function.values())
        if not isinstance(function.get("name"), str) or unknown:
            return []
        found.append({"name": function["name"], "arguments": {} if name is None else function[name], "id": item.get("id")})
    return found


def parsed(text: Any) -> Any:
    """Return JSON text as a value, anything else unchanged."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def strings(text: str) -> list[str]:
    r"""Return the texts that calls hold, decoded: of `{"q": "\\u5c0f"}`, also as JSON inside JSON, `小`; no call: the text."""
    found: list[str] = []
    waiting = [parsed(text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, str):
            inner = parsed(value) if value.lstrip()[:1] in ("{", "[", '"') else value
            if isinstance(inner, (dict, list)) or (isinstance(inner, str) and inner != value):
                waiting.append(inner)
            else:
                found.append(value)
    return found
