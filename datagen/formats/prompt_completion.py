"""Prompt and completion records as TRL has them: texts, or lists of messages; also prompt, chosen and rejected.

Format: https://huggingface.co/docs/trl/dataset_formats. `question` or `query` are read as the prompt, `response`,
`answer`, `output` or `generation` as the completion, so files such as GSM8K need no map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.data.rows import Row, conversation_turns, turn
from datagen.formats.answers import answer_field
from datagen.formats.conversation import (
    Turn,
    answer_turn,
    candidates_beyond_pair,
    columns_of,
    is_history,
    is_pair,
    is_preference,
    preference,
    split_system,
    taught,
    turns_of_history,
    unwanted,
)
from datagen.formats.format import Format
from datagen.formats.messages import answer_text, is_messages, read_turn, shared, sides, write_turn
from datagen.formats.names import PROMPTS
from datagen.formats.shape import Record, Style, finish, renamed, restore, text_of
from datagen.formats.tools import offered

NAME = "prompt_completion"


def detect(record: Record) -> bool:
    """Whether the record has a prompt under one of its names."""
    return "prompt" in record or "question" in record or "query" in record


def read_record(record: Record) -> Row:
    """Return the columns of a prompt and completion record."""
    said = answer_field(record)
    aliases = {"prompt": PROMPTS[2:], "completion": (said,) if said else ()}
    if "chosen" in record and "rejected" in record:
        del aliases["completion"]  # a response beside a pair is another model's answer
    plain, names = renamed(record, aliases)
    style: dict[str, Any] = {}
    taken = {"prompt", "completion", "system", "tools"} & plain.keys()
    prompt, completion = plain["prompt"], plain.get("completion")
    lists = is_messages(prompt) or (prompt == [] and is_messages(completion))  # an assistant may speak first
    answers = _pair(plain.get("chosen"), plain.get("rejected"), lists=lists)
    if answers:
        taken |= {"chosen", "rejected"}
        taken.discard("completion")
    elif is_messages(completion) or (lists and completion == []):
        style.update({} if len(completion) == 1 else {"completion_turns": len(completion)})
        answers = [[read_turn(m) for m in completion]]
    else:
        answers = [[answer_turn(text_of(completion))]]
    turns = [read_turn(m) for m in prompt] if lists else [turn("user", text_of(prompt))]
    history = plain.get("history")
    if not lists and is_history(history):  # ms-swift's `query`, `response` and `history`
        turns = [*turns_of_history(history), *turns]
        taken.add("history")
    fields = _columns([*turns, *answers[0]], text_of(plain.get("system")), lists, style)
    fields["tools"] = text_of(plain.get("tools") or None)
    if len(answers) == 2:
        same = shared(*answers)
        parted = [side[same:] for side in answers]
        fields["candidates"] = preference(*map(answer_text, parted))
        fields["output"] = fields["candidates"][0]["text"] if len(parted[0]) == 1 else fields["output"]
    theirs = {names.get(name, name) for name in taken}
    return finish(fields, record, theirs, NAME, style, canonical)


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the prompt and completion record of a row: texts for one plain exchange, else lists of messages."""
    return restore(row, NAME, canonical)


def canonical(row: Mapping[str, Any], style: Style) -> Record:
    """Return texts where one exchange without a system prompt says it all, else lists of messages."""
    turns = conversation_turns(row)
    said: Record = {}
    if unwanted(row):
        turns, said = taught(turns), {"label": False}
    plain = bool(said) and len(turns) == 2 and not row["tools"]
    lists = bool(style.get("lists")) or (row["messages"] is not None and not plain) or bool(row["system"])
    # Also where the file has all in its prompt, or all in its completion: the format wants the answer behind what is asked.
    count = style.get("completion_turns", 0)
    count = count if 0 < count < len(turns) else int(bool(turns) and turns[-1]["role"] == "assistant")
    both: list[list[Turn]] = []
    prompt = turns[: len(turns) - count]
    if is_preference(row):
        prompt, *both = sides(row, turns)
        lists = lists or not is_pair(row)
    record: Record = {"prompt": [write_turn(t) for t in prompt] if lists else turns[0]["content"]}
    if is_preference(row):
        for name, side in zip(("chosen", "rejected"), both, strict=True):
            record[name] = [write_turn(t) for t in side] if lists else side[0]["content"]
    else:
        record["completion"] = [write_turn(t) for t in turns[len(turns) - count :]] if lists else row["output"]
    tools = offered(row["tools"])
    aside = {name: tools.pop(name) for name in ("tools_",) if name in tools}
    record.update({**said, **candidates_beyond_pair(row, one_each=False), **tools, **aside})
    return record


def _pair(chosen: Any, rejected: Any, *, lists: bool) -> list[list[Turn]]:
    """Return the turns of chosen and rejected; [] where they are absent or not written like the prompt."""
    if lists and is_messages(chosen) and is_messages(rejected):
        return [[read_turn(m) for m in side] for side in (chosen, rejected)]
    if isinstance(chosen, str) and isinstance(rejected, str):
        return [[answer_turn(chosen)], [answer_turn(rejected)]]
    return []


def _columns(turns: list[Turn], system: str, lists: bool, style: dict[str, Any]) -> Row:
    """Return the columns of the turns, and note in the style what they do not show."""
    if lists and not system:
        system, turns = split_system(turns)
    fields = columns_of(turns, system)
    if lists and "messages" not in fields and not system:
        style["lists"] = True
    return fields


FORMAT = Format(
    NAME, write_record, flat=True, one_answer=True, needs_prompt=True, tools="text", long_sides=True,
)  # fmt: skip
