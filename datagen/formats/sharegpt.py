"""ShareGPT records: `conversations` of from and value, with LLaMA-Factory's tool roles and preference columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.data.rows import Row, turn
from datagen.formats.conversation import (
    Turn,
    candidates_beyond_pair,
    columns_of,
    is_pair,
    preference,
    prompt_turns,
    split_system,
    turns_of,
)
from datagen.formats.format import Format
from datagen.formats.messages import REASONING, answer_text, answer_turns, read_training, write_training
from datagen.formats.roles import CALLS, role_of
from datagen.formats.shape import Record, Style, finish, restore, text_of
from datagen.formats.tools import sharegpt_calls, sharegpt_tools

NAME = "sharegpt"
TAGS = {"user": "human", "assistant": "gpt", "tool": "observation"}
CALL = "function_call"


def detect(record: Record) -> bool:
    """Whether the record holds a list of turns with a `from`, or an empty list of conversations."""
    return _field(record) is not None


def read_record(record: Record) -> Row:
    """Return the columns of a ShareGPT record.

    Raises:
        ValueError: a turn has no text as its `from`.
    """
    field = _field(record) or "conversations"
    taken = {field} | ({"system", "tools"} & record.keys())
    style: dict[str, Any] = {}
    turns = [read_turn(t) for t in record[field]]
    candidates = None
    if _is_turn(record.get("chosen")) and _is_turn(record.get("rejected")):
        chosen, rejected = read_turn(record["chosen"]), read_turn(record["rejected"])
        candidates = preference(answer_text([chosen]), answer_text([rejected]))
        turns.append(chosen)
        taken |= {"chosen", "rejected"}
    system = text_of(record.get("system"))
    if not system:
        system, turns = split_system(turns)
        if system:
            style["system"] = "turn"
    fields = columns_of(turns, system)
    fields["tools"] = text_of(record.get("tools") or None)
    if candidates is not None:
        fields["candidates"] = candidates
        fields["output"] = candidates[0]["text"]
    return finish(fields, record, taken, NAME, style, canonical)


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the ShareGPT record of a row."""
    return restore(row, NAME, canonical)


def canonical(row: Mapping[str, Any], style: Style) -> Record:
    """Return the record with `system` and `tools` as text fields, chosen and rejected as single turns."""
    as_turn = row["system"] and style.get("system") == "turn"
    turns = ([turn("system", row["system"])] if as_turn else []) + turns_of(row)
    record: Record = {}
    if is_pair(row):
        record["conversations"] = _written(prompt_turns(turns))
        for side, answer in zip(("chosen", "rejected"), answer_turns(row, turns), strict=True):
            record[side] = _written([answer])[-1]
    else:
        record["conversations"] = _written(turns)
    record.update(candidates_beyond_pair(row))
    if row["system"] and not as_turn:
        record["system"] = row["system"]
    if row["tools"]:
        record["tools"] = sharegpt_tools(row["tools"])
    return record


def read_turn(said: Mapping[str, Any]) -> Turn:
    """Return one ShareGPT turn as a turn of a row.

    Raises:
        ValueError: the turn is no object, or its `from` is no text.
    """
    if not isinstance(said, dict) or not isinstance(said.get("from"), str):
        raise ValueError("a conversation turn without 'from'")
    role: str = said["from"]
    value = said.get("value")
    text = text_of(value)
    read = turn("assistant", None if text else "", tool_calls=text or None) if role in CALLS else turn(role_of(role), text)
    if isinstance(said.get("tool_call_id"), str):
        read["tool_call_id"] = said["tool_call_id"]
    read["reasoning"] = next((said[key] for key in REASONING if isinstance(said.get(key), str)), None)
    read_training(said, read)
    return read


def _written(turns: list[Turn]) -> list[Record]:
    """Return turns as ShareGPT's; an answer that also calls a tool becomes two."""
    written = []
    for said in turns:
        parts = [(TAGS.get(said["role"], said["role"]), said["content"])]
        if said["tool_calls"] is not None:
            call = (CALL, sharegpt_calls(said["tool_calls"]))
            parts = [*parts, call] if said["content"] else [call]
        for tag, value in parts:
            written.append({"from": tag, "value": value or ""})
        if said["tool_call_id"] is not None:
            written[-1]["tool_call_id"] = said["tool_call_id"]
        if said["reasoning"] is not None:
            written[-len(parts)]["reasoning"] = said["reasoning"]
        write_training(said, written[-1])
    return written


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("from"), str)


def _field(record: Record) -> str | None:
    """Return the field that holds the turns."""
    for field in ("conversations", "messages"):
        said = record.get(field)
        if isinstance(said, list) and (all(_is_turn(t) for t in said) if said else field == "conversations"):
            return field
    return None


FORMAT = Format(NAME, write_record)
