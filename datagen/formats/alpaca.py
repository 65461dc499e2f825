"""Alpaca records: instruction, input, output and system, with LLaMA-Factory's `history` and chosen/rejected columns.

Format: https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. Dolly's `context` and `response` are read as
`input` and `output`; so are other common names of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.data.rows import Row, turn
from datagen.formats import messages as chat
from datagen.formats.answers import answer_field
from datagen.formats.conversation import (
    Turn,
    candidates_beyond_pair,
    is_history,
    is_pair,
    is_plain,
    pair_of,
    preference,
    prompt_turns,
    taught,
    turns_of_history,
    unwanted,
)
from datagen.formats.format import Format
from datagen.formats.shape import Record, Style, finish, renamed, restore, text_of
from datagen.formats.tools import sharegpt_tools

NAME = "alpaca"
FIELDS = frozenset({"instruction", "input", "output"})


def detect(record: Record) -> bool:
    """Whether the record has an `instruction`."""
    return "instruction" in record


def read_record(record: Record) -> Row:
    """Return the columns of an Alpaca record."""
    if record.keys() == FIELDS:
        asked, given, said = record["instruction"], record["input"], record["output"]
        if isinstance(asked, str) and isinstance(given, str) and isinstance(said, str):
            return {"instruction": asked, "input": given, "output": said}
    # A response beside chosen and rejected is another model's answer, not the chosen one: it stays where it is.
    said = answer_field(record)
    aliases = {} if "chosen" in record else {"input": ("context",), "output": (said,) if said else ()}
    plain, names = renamed(record, aliases)
    taken = {"instruction", "input", "output", "system", "tools"} & plain.keys()
    fields: Row = {name: text_of(plain[name]) for name in taken}
    if chat.is_messages(plain.get("output")) and len(plain["output"]) == 1:
        fields["output"] = chat.answer_text([chat.read_turn(plain["output"][0])])
    chosen, rejected = plain.get("chosen"), plain.get("rejected")
    if isinstance(chosen, str) and isinstance(rejected, str):
        fields["candidates"] = preference(chosen, rejected)
        fields["output"] = chosen
        taken |= {"chosen", "rejected"}
    history = plain.get("history")
    if is_history(history):
        fields["messages"] = _turns(history, fields)
        taken.add("history")
    theirs = {names.get(name, name) for name in taken}
    return finish(fields, record, theirs, NAME, {}, canonical)


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the Alpaca record of a row; a conversation goes to `history`, or `messages` where that is too little."""
    return restore(row, NAME, canonical)


def canonical(row: Mapping[str, Any], style: Style) -> Record:
    """Return the record as LLaMA-Factory would have it."""
    record: Record = {"instruction": row["instruction"], "input": row["input"], "output": row["output"]}
    turns = row["messages"]
    if unwanted(row):
        turns = taught(turns)
        record["kto_tag"] = False
    if turns is not None:
        history = history_of(turns)
        if history is None:
            record["messages"] = [chat.write_turn(t) for t in (prompt_turns(turns) if is_pair(row) else turns)]
            if turns and turns[-1]["role"] == "assistant":
                last = chat.write_turn(turns[-1])
                record["output"] = last["content"] or text_of(last.get("tool_calls"))
        else:
            asked, answered = turns[-2]["content"], turns[-1]["content"]
            if asked != _task(row["instruction"], row["input"]):  # the turns are the truth
                record["instruction"], record["input"] = asked, ""
            record["output"] = answered
            if history:
                record["history"] = history
    if is_pair(row):
        record["chosen"], record["rejected"] = pair_of(row)
        del record["output"]
    record.update(candidates_beyond_pair(row))
    if row["system"]:
        record["system"] = row["system"]
    if row["tools"]:
        record["tools"] = sharegpt_tools(row["tools"])
    return record


def history_of(turns: list[Turn]) -> list[list[str]] | None:
    """Return [[user, assistant], …] of every exchange but the last; null unless plain turns alternate to an answer."""
    expected = ("user", "assistant") * (len(turns) // 2)
    if len(turns) < 2 or len(turns) % 2 or tuple(t["role"] for t in turns) != expected or not all(map(is_plain, turns)):
        return None
    return [[turns[i]["content"], turns[i + 1]["content"]] for i in range(0, len(turns) - 2, 2)]


def _task(instruction: str, given: str) -> str:
    """Join instruction and input as `rows.conversation_turns` does."""
    return f"{instruction}\n\n{given}" if instruction and given else instruction or given


def _turns(history: list[list[str]], fields: Row) -> list[Turn]:
    task = _task(fields.get("instruction", ""), fields.get("input", ""))
    return [*turns_of_history(history), turn("user", task), turn("assistant", fields.get("output", ""))]


def _notes(row: Row, record: Record) -> tuple[str, ...]:
    turns = row["messages"]
    beyond = turns is not None and not unwanted(row) and history_of(turns) is None
    return ("beyond_history",) if beyond else ()


FORMAT = Format(NAME, write_record, flat=True, one_answer=True, all_taught=True, says_unwanted=True, notes=_notes)
