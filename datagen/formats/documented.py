"""Whether a record stands in the one documented shape of its format: such a record may be written back as it came.

The shapes are those that trainers read: Alpaca's and ShareGPT's of LLaMA-Factory, chat messages and prompt/completion of TRL.
Other fields, of a record or of a turn, are allowed everywhere, but nothing that means something may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from datagen.formats.conversation import is_history

ROLES = frozenset({"system", "user", "assistant", "tool"})
TAGS = frozenset({"system", "human", "gpt", "function_call", "observation"})


def _texts(record: Mapping[str, Any], *names: str) -> bool:
    """Whether each of some fields is absent or a text."""
    return all(isinstance(record.get(name, ""), str) for name in names)


def alpaca(record: Mapping[str, Any]) -> bool:
    """Whether a record is Alpaca's: texts, `history` in pairs, and `chosen` and `rejected` in place of `output`."""
    history = record.get("history", [])
    pairs = isinstance(history, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in history
    )
    answered = isinstance(record.get("output"), str) or {"chosen", "rejected"} <= record.keys()
    names = ("instruction", "input", "output", "chosen", "rejected", "system", "tools")
    return answered and pairs and _texts(record, *names) and not isinstance(record.get("messages"), list)


def sharegpt(record: Mapping[str, Any]) -> bool:
    """Whether a record is ShareGPT's: `conversations` of `from` and `value`, `system` and `tools` as texts."""
    turns = record.get("conversations")
    if not isinstance(turns, list):
        return False
    turns = [*turns, *(record[side] for side in ("chosen", "rejected") if side in record)]
    return bool(turns) and all(map(_said, turns)) and _texts(record, "system", "tools")


def messages(record: Mapping[str, Any]) -> bool:
    """Whether a record is of chat messages: with the system text as a turn, `tools` as a list, sides as messages."""
    sides = [record[side] for side in ("chosen", "rejected") if side in record]
    if "system" in record or not _tools(record):
        return False
    if "messages" not in record:
        return len(sides) == 2 and all(isinstance(side, list) and _list(side) for side in sides)
    return _list(record["messages"]) and all(_list(side if isinstance(side, list) else [side]) for side in sides)


def prompt_completion(record: Mapping[str, Any]) -> bool:
    """Whether a record is TRL's: a prompt and what answers it, all texts or all lists of messages."""
    if "system" in record or not _tools(record) or "prompt" not in record or is_history(record.get("history")):
        return False
    parts = [record[name] for name in ("prompt", "completion", "chosen", "rejected") if name in record]
    return all(isinstance(part, str) for part in parts) or all(map(_list, parts))


DOCUMENTED: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "alpaca": alpaca, "sharegpt": sharegpt, "messages": messages, "prompt_completion": prompt_completion,
}  # fmt: skip


def _said(turn: Any) -> bool:
    known = isinstance(turn, dict) and turn.get("from") in TAGS and isinstance(turn.get("value"), str)
    return known and None not in turn.values()


def _list(turns: Any) -> bool:
    return isinstance(turns, list) and bool(turns) and all(map(message, turns))


def message(turn: Any) -> bool:
    """Whether a turn is a chat message: a known role, a text, and calls of tools in OpenAI's form."""
    if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
        return False
    if None in turn.values() or not _texts(turn, "reasoning_content", "tool_call_id"):
        return False
    if turn.keys() & {"reasoning", "loss_weight", "function_call"}:  # other names of what has one
        return False
    if "tool_calls" not in turn:
        return True
    listed = turn["tool_calls"]
    return turn["role"] == "assistant" and isinstance(listed, list) and bool(listed) and all(map(_call, listed))


def _call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return (
        isinstance(function, dict)
        and call.get("type") == "function"
        and _texts(call, "id")
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), (str, dict))
    )


def _tools(record: Mapping[str, Any]) -> bool:
    """Whether the tools of a record are absent, or a list in OpenAI's form."""
    if "tools" not in record:
        return True
    tools = record["tools"]
    return (
        isinstance(tools, list)
        and bool(tools)
        and all(isinstance(t, dict) and t.get("type") == "function" and isinstance(t.get("function"), dict) for t in tools)
        and all(isinstance(t["function"].get("name"), str) and "input_schema" not in t["function"] for t in tools)
    )
