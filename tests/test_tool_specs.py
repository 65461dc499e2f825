"""Tools as vendors describe them, in OpenAI's form."""

from __future__ import annotations

import pytest

from datagen.tool_specs import openai_tools

SCHEMA = {"type": "object", "properties": {"เมือง": {"type": "string"}}}
RIGHT = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}


@pytest.mark.parametrize(
    "spec",
    [
        RIGHT,
        {"function": FUNCTION},
        FUNCTION,
        {"type": "function", **FUNCTION},  # the Responses API
        {"name": "f", "description": "d", "input_schema": SCHEMA},  # Anthropic
        {"type": "custom", "name": "f", "description": "d", "input_schema": SCHEMA},
        {"name": "f", "description": "d", "inputSchema": SCHEMA},  # MCP
        {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}},  # Bedrock
        {"functionDeclarations": [FUNCTION]},  # Gemini
        {"function_declarations": [FUNCTION]},
        {"type": "function", "function": {"name": "f", "description": "d", "input_schema": SCHEMA}},
        {"name": "f", "description": "d", "parameter_definitions": {"เมือง": {"type": "str"}}},  # Cohere
    ],
)
def test_every_vendor_says_the_same_function(spec):
    assert openai_tools([spec]) == [RIGHT]


def test_one_of_geminis_tools_may_be_several_functions():
    several = openai_tools([{"functionDeclarations": [FUNCTION, {"name": "g"}]}])
    assert several == [RIGHT, {"type": "function", "function": {"name": "g"}}]


def test_cohere_says_what_is_required():
    (tool,) = openai_tools([{"name": "f", "parameter_definitions": {"n": {"type": "int", "required": True}}}])
    assert tool["function"]["parameters"] == {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_what_is_no_function_stays_as_it_is():
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert openai_tools([search, {}]) == [search, {}]
    assert openai_tools([RIGHT, "f"]) is None
