"""How one comes to an answer, where that has a field of its own (`Complex_CoT`, `rationale`): the reasoning of the answer."""

from __future__ import annotations

import json
from typing import Any

from datagen.data.rows import Row, new_row
from datagen.formats.answers import is_missing
from datagen.formats.conversation import Turn, columns_of, turns_of
from datagen.formats.names import is_reasoning, plain_name
from datagen.formats.notes import Notes
from datagen.formats.shape import Record, dumps, of_dialect, text_of

_SWITCHES = frozenset({
    *("on", "off", "true", "false", "yes", "no", "none", "low", "medium", "high", "enabled", "disabled", "auto"),
})  # fmt: skip
_SEVERAL = "there are several answers, and it does not say whose reasoning it is"


def with_reasoning(fields: Row, record: Record, notes: Notes) -> Row:
    """Return the columns of one answer with its reasoning in the answer's turn; the columns themselves without one.

    A field that cannot be the reasoning of the one answer stays in `extra`, and that is said.

    Args:
        fields: the columns that a shape read of the record.
        record: plain, as the shape read it.
        notes: gets what was done.
    """
    names = [name for name in record if is_reasoning(name) and not is_missing(record[name])]
    if not names:
        return fields
    name = next((name for name in names if _text(record[name])), names[0])
    for other in names:
        if other != name:
            notes.add(f"the field '{other}' is left out: '{name}' holds the reasoning")
    thought = _text(record[name])
    if not thought:
        notes.add(f"the field '{name}' is left out: it holds no text that could be the reasoning of an answer")
        return fields
    system = fields.get("system", "")
    turns = turns_of(new_row(**fields))
    several = fields.get("candidates") or not is_missing(record.get("candidates"))
    why = _SEVERAL if several else _why_not(turns, thought)
    if why:
        if why != "there":
            notes.add(f"the field '{name}' is left out: {why}")
        return fields
    notes.add(f"the field '{name}' is taught as the reasoning of the answer")
    fields = of_dialect(fields)
    extra = {key: value for key, value in json.loads(fields.get("extra") or "{}").items() if key != name}
    read = columns_of([*turns[:-1], {**turns[-1], "reasoning": thought}], system)
    return {**fields, "input": "", **read, "extra": dumps(extra) if extra else ""}


def _text(value: Any) -> str:
    """The text of a field, also as the only one of a list; "" where it is something else, or only switches thinking."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value.strip() and plain_name(value) not in _SWITCHES else ""


def _why_not(turns: list[Turn], thought: str) -> str:
    """Why a thought is not the reasoning of the last turn: `there` where the turn holds it already; "" where it may be."""
    answers = sum(turn["role"] == "assistant" for turn in turns)
    last = turns[-1] if turns else {"role": ""}
    if answers != 1 or last["role"] != "assistant":
        return _SEVERAL if answers else "there is no answer"
    said = [text_of(last[name]) for name in ("content", "reasoning")]
    if not any(said) and not last["tool_calls"]:
        return "there is no answer"
    if any(thought.strip() in text for text in said):
        return "there"
    return "the answer has another reasoning of its own" if said[1] or "<think" in said[0][:200] else ""
