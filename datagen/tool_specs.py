"""Tools that a model is offered, however a vendor describes them, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Spec = dict[str, Any]
_SCHEMAS = ("parameters", "input_schema", "inputSchema")  # OpenAI and Gemini; Anthropic; Bedrock and MCP
_LISTS = ("functionDeclarations", "function_declarations")  # Gemini's: one tool holds several functions


def openai_tools(specs: list[Any]) -> list[Spec] | None:
    """Return tools as `[{"type": "function", "function": {"name", "description", "parameters"}}]`; null where one is no map.

    What says nothing that is known to be a function (a search that a vendor runs itself) stays as it is.
    """
    if not all(isinstance(spec, dict) for spec in specs):
        return None
    return [tool for spec in specs for tool in _tools(spec)]


def _tools(spec: Spec) -> Iterator[Spec]:
    """Yield the tools of one entry."""
    several = next((spec[name] for name in _LISTS if isinstance(spec.get(name), list)), None)
    if several is not None and all(isinstance(one, dict) for one in several):
        for one in several:
            yield {"type": "function", "function": _function(one)}
    elif isinstance(spec.get("toolSpec"), dict):  # Bedrock
        yield {"type": "function", "function": _function(spec["toolSpec"])}
    elif isinstance(spec.get("function"), dict):
        function = _function(spec["function"])
        right = spec.get("type") == "function" and function == spec["function"]
        others = {key: value for key, value in spec.items() if key != "type"}
        yield spec if right else {"type": "function", **others, "function": function}
    elif isinstance(spec.get("name"), str) and (spec.get("type") in (None, "function", "custom") or _schema(spec)):
        yield {"type": "function", "function": _function({key: value for key, value in spec.items() if key != "type"})}
    else:
        yield spec


def _function(spec: Spec) -> Spec:
    """Return a function with its schema under `parameters`."""
    name = _schema(spec)
    if name in (None, "parameters"):
        return spec if name or not isinstance(spec.get("parameter_definitions"), dict) else _of_cohere(spec)
    schema = spec[name]
    if name == "inputSchema" and isinstance(schema, dict) and isinstance(schema.get("json"), dict):
        schema = schema["json"]
    return {"parameters" if key == name else key: schema if key == name else value for key, value in spec.items()}


def _schema(spec: Mapping[str, Any]) -> str | None:
    return next((name for name in _SCHEMAS if isinstance(spec.get(name), dict)), None)


def _of_cohere(spec: Spec) -> Spec:
    """Return a function whose parameters are maps of their Python type, as Cohere's older requests have them."""
    types = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
    given: dict[str, Any] = {n: p if isinstance(p, dict) else {} for n, p in spec["parameter_definitions"].items()}
    properties = {
        name: {k: types.get(str(v).casefold(), v) if k == "type" else v for k, v in one.items() if k != "required"}
        for name, one in given.items()
    }
    schema: Spec = {"type": "object", "properties": properties}
    if required := [name for name, one in given.items() if one.get("required") is True]:
        schema["required"] = required
    return {"parameters" if k == "parameter_definitions" else k: schema if k == "parameter_definitions" else v
            for k, v in spec.items()}  # fmt: skip
