"""Tool calls in every way that files write them."""

from __future__ import annotations

import pytest

from datagen.formats.tools import calls, openai_calls, sharegpt_calls, tools_list
from datagen.render.calls import parsed_calls, parsed_tools

ONE = {"name": "f", "arguments": {"x": 1}}


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "arguments": {"x": 1}}',
        '[{"name": "f", "arguments": "{\\"x\\": 1}"}]',
        '[{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\\"x\\": 1}"}}]',
        '[{"function": {"name": "f", "arguments": {"x": 1}}}]',
        '{"name": "f", "parameters": {"x": 1}}',
        '[{"name": "f", "args": {"x": 1}, "id": "a", "type": "tool_call"}]',
        '{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}',
        '[{"function": {"name": "f", "arguments": null, "parameters": "{\\"x\\": 1}"}}]',
    ],
)
def test_every_way_is_one_name_and_its_arguments_read_and_shown_to_a_model(text):
    assert calls(text) == [ONE]
    assert [call["function"] for call in parsed_calls(text)] == [ONE]


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "f(1)", "5", "[]", "[1]", '{"arguments": {}}', '[{"name": "f"}, {"no": 1}]', "[" * 10**5),
        '{"name": "f", "with": {"x": 1}}',  # without its arguments it would be another call
    ],
)
def test_what_is_no_call_is_none(text):
    assert calls(text) == []
    assert parsed_calls(text) is None


def test_arguments_that_are_no_json_stay_text():
    assert calls('{"name": "f", "arguments": "x=1"}') == [{"name": "f", "arguments": "x=1"}]
    assert openai_calls('{"name": "f", "arguments": "x=1"}')[0]["function"]["arguments"] == "x=1"


def test_sharegpt_keeps_its_own_text():
    assert sharegpt_calls('{"name":"f",  "arguments":{}}') == '{"name":"f",  "arguments":{}}'
    assert sharegpt_calls("f(1)") == "f(1)"


def test_tools_are_wrapped_once():
    wrapped = [{"type": "function", "function": {"name": "f"}}]
    assert tools_list('[{"name": "f"}]') == wrapped == tools_list('[{"type": "function", "function": {"name": "f"}}]')
    assert tools_list("f") is None is tools_list("")
    assert tools_list('[{"type": "web_search"}]') == [{"type": "web_search"}] == parsed_tools('[{"type": "web_search"}]')
