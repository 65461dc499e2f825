"""The one documented shape of each export, checked field by field and independently of the package."""

from __future__ import annotations

import json
from typing import Any

ROLES = {"system", "user", "assistant", "tool"}
TAGS = {"system", "human", "gpt", "function_call", "observation"}
OTHER_NAMES = {"from", "parts", "loss_weight", "function_call", "reasoning"}  # of a turn


def wrong(to: str, record: Any) -> str:
    """Say in what a record is not in the documented shape of a target; "" where it is."""
    try:
        {"alpaca": _alpaca, "sharegpt": _sharegpt, "messages": _chat, "prompt_completion": _prompt_completion,
         "openai": _openai, "axolotl": _chat, "llamafactory": _llamafactory}[to](record)  # fmt: skip
    except (AssertionError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__} {error}: {json.dumps(record, ensure_ascii=False)[:400]}"
    return ""


def _text(value: Any, what: str) -> None:
    assert isinstance(value, str), f"{what} is no text"


def _tools(record: Any) -> None:
    if "tools" not in record:
        return
    assert isinstance(record["tools"], list) and record["tools"], "tools is no list"
    for tool in record["tools"]:
        assert tool["type"] == "function", "a tool is no function"
        _text(tool["function"]["name"], "the name of a tool")
        assert not tool["function"].keys() & {"input_schema", "inputSchema", "parameter_definitions"}, "a vendor's schema"


def _message(message: Any, *, strict: bool = False) -> None:
    assert message["role"] in ROLES, f"role {message['role']}"
    calls = message.get("tool_calls")
    if not (strict and calls and message["content"] is None):  # OpenAI's own lines have null there
        _text(message["content"], "content")
    assert not message.keys() & OTHER_NAMES, "a field of another dialect"
    assert all(value is not None for key, value in message.items() if key != "content"), "null"
    if calls is not None:
        assert message["role"] == "assistant" and calls, "calls of another role"
        for call in calls:
            assert call["type"] == "function", "a call is no function"
            _text(call["function"]["name"], "the name of a call")
            assert isinstance(call["function"]["arguments"], str if strict else (str, dict)), "arguments"
            if strict:
                _text(call["id"], "the id of a call")
    if strict and message["role"] == "tool":
        _text(message["tool_call_id"], "tool_call_id")
    for name in ("reasoning_content", "tool_call_id"):
        assert isinstance(message.get(name, ""), str), f"{name} is no text"


def _list(messages: Any, *, strict: bool = False) -> None:
    assert isinstance(messages, list) and messages, "no messages"
    for message in messages:
        _message(message, strict=strict)


def _chat(record: Any) -> None:
    _tools(record)
    assert "system" not in record, "the system text is no turn"
    sides = [record[side] for side in ("chosen", "rejected") if side in record]
    if "messages" in record:
        _list(record["messages"])
    else:
        assert len(sides) == 2 and all(isinstance(side, list) for side in sides), "no messages"
    for side in sides:
        _list(side if isinstance(side, list) else [side])


def _openai(record: Any) -> None:
    given = record.get("input", record)
    assert record.keys() <= {"messages", "tools", "input", "preferred_output", "non_preferred_output"}, "other fields"
    _tools(given)
    _list(given["messages"], strict=True)
    if given is record:
        assert record["messages"][-1]["role"] == "assistant", "no answer at the end"
    else:
        for side in ("preferred_output", "non_preferred_output"):
            _list(record[side], strict=True)


def _alpaca(record: Any) -> None:
    for name in ("instruction", "input", *(("chosen", "rejected") if "chosen" in record else ("output",))):
        if name != "input" or name in record:
            _text(record[name], name)
    for name in ("system", "tools"):
        _text(record.get(name, ""), name)
    assert isinstance(record.get("history", []), list), "history is no list"
    for pair in record.get("history", []):
        asked, said = pair
        _text(asked, "history")
        _text(said, "history")
    if isinstance(record.get("messages"), list):
        _list(record["messages"])


def _turn(turn: Any) -> None:
    assert turn["from"] in TAGS, f"from {turn['from']}"
    _text(turn["value"], "value")
    assert None not in turn.values(), "null"


def _sharegpt(record: Any) -> None:
    for name in ("system", "tools"):
        _text(record.get(name, ""), name)
    sides = [record[side] for side in ("chosen", "rejected") if side in record]
    assert record["conversations"] or len(sides) == 2, "no turns"
    for turn in [*record["conversations"], *sides]:
        _turn(turn)


def _llamafactory(record: Any) -> None:
    (_sharegpt if "conversations" in record else _alpaca)(record)


def _prompt_completion(record: Any) -> None:
    _tools(record)
    assert "system" not in record, "the system text is no turn"
    parts = [record[name] for name in ("prompt", "completion", "chosen", "rejected") if name in record]
    if isinstance(record["prompt"], str):
        for part in parts:
            _text(part, "a part")
    else:
        for part in parts:
            _list(part)


def told(row: Any) -> Any:
    """Return what a row says, calls and tools parsed: what must be the same after any way out and back."""
    from datagen.data.rows import conversation_turns
    from datagen.formats.tools import calls, functions

    turns = [
        {**{k: v for k, v in turn.items() if v is not None and k != "content"}, "content": turn["content"] or "",
         "tool_calls": calls(turn["tool_calls"]) or turn["tool_calls"]}
        for turn in conversation_turns(row)
    ]  # fmt: skip
    tools = functions(row["tools"])  # other texts are written beside
    candidates = [(c["text"], c["score"], c["source"]) for c in row["candidates"] or ()]
    return {"turns": turns, "answer": calls(row["output"]) or row["output"], "tools": tools, "candidates": candidates}


def speech(row: Any) -> Any:
    """Return the texts and calls of a row in order: what ShareGPT keeps of a turn that speaks and calls, as two turns."""
    found = told(row)
    parts = [(turn["role"], part) for turn in found["turns"] for part in (turn["content"], turn["tool_calls"]) if part]
    return parts, found["tools"], found["candidates"]


def is_sound(row: Any) -> bool:
    """Whether each call in a row is one, of the assistant, and each candidate says something, the first what ends the row.

    Any other text under the name of a call is written as what is said, and an empty side is none.
    """
    from datagen.formats.tools import calls

    called = [t for t in row["messages"] or () if t["tool_calls"]]
    right = all(t["role"] == "assistant" and calls(t["tool_calls"]) for t in called)
    if not row["candidates"]:
        return right
    best, answered = row["candidates"][0]["text"], row["messages"] is None or row["messages"][-1]["role"] == "assistant"
    return (
        right and answered and all(c["text"] for c in row["candidates"]) and (best == row["output"] or best[:8] == '[{"role"')
    )
