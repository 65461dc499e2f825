"""Chat records: `messages` of role and content, as OpenAI, TRL, ms-swift and Axolotl write them.

Preference rows: a prompt in `messages` with one `chosen` and one `rejected` message (LLaMA-Factory), the same as lists,
or `chosen` and `rejected` as whole conversations (TRL's implicit prompt; UltraFeedback repeats it in `messages`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from datagen.data.rows import Row, conversation_turns, turn
from datagen.formats.conversation import (
    Turn,
    answer_turn,
    candidates_beyond_pair,
    columns_of,
    is_pair,
    is_preference,
    long_side,
    pair_of,
    preference,
    prompt_turns,
    split_system,
)
from datagen.formats.format import Format
from datagen.formats.roles import role_of
from datagen.formats.shape import Record, Style, dumps, finish, restore, text_of
from datagen.formats.tools import offered, openai_calls

NAME = "messages"
REASONING = ("reasoning_content", "reasoning", "thinking", "thought")  # names of what was thought before a turn


def detect(record: Record) -> bool:
    """Whether the record holds a list of turns with a `role`."""
    if "messages" in record or "conversations" in record:
        return _field(record) is not None
    return "chosen" in record and not isinstance(record.get("prompt"), list) and _is_implicit(record)


def is_messages(value: Any) -> TypeGuard[list[Record]]:
    """Whether a value is a non-empty list of messages with a role."""
    return isinstance(value, list) and bool(value) and all(isinstance(m, dict) and "role" in m for m in value)


def read_record(record: Record) -> Row:
    """Return the columns of a chat record.

    Raises:
        ValueError: a turn has no text as its role.
    """
    field = _field(record)
    pair = _pair_style(record, field)
    style: dict[str, Any] = {} if pair in (None, "single") else {"pair": pair}
    taken = {"system", "tools"} & record.keys()
    if pair == "implicit":
        said = record["chosen"]
    else:
        said = record[field or "messages"]
        taken.add(field or "messages")
    turns = [read_turn(m) for m in said]
    candidates = None
    if pair is not None:
        taken |= {"chosen", "rejected"}
        chosen, rejected = _answers(record)
        if pair in ("single", "list"):
            turns += [read_turn(m) for m in _listed(record["chosen"])]
        candidates = preference(answer_text(chosen), answer_text(rejected))
        one = len(chosen) == 1
    system = text_of(record.get("system"))
    if not system:
        system, turns = split_system(turns)
    fields = columns_of(turns, system)
    fields["tools"] = text_of(record.get("tools") or None)
    if candidates is not None:
        fields["candidates"] = candidates
        fields["output"] = candidates[0]["text"] if one else fields["output"]
    # Alpaca records of a conversation that `history` cannot hold show its last exchange beside it.
    taken |= {name for name in ("instruction", "input", "output") if record.get(name) == fields.get(name, "")}
    return finish(fields, record, taken, NAME, style, canonical)


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the chat record of a row."""
    return restore(row, NAME, canonical)


def canonical(row: Mapping[str, Any], style: Style) -> Record:
    """Return the record with the system prompt as its first message, tools as a list, answers as messages."""
    turns = conversation_turns(row)
    record: Record = {}
    if is_preference(row):
        pair = style.get("pair", "single")
        prompt, chosen, rejected = ([write_turn(t) for t in part] for part in sides(row, turns))
        if pair == "full":
            record["messages"] = [*prompt, *chosen]
        elif pair != "implicit":
            record["messages"] = prompt
        before = prompt if pair in ("full", "implicit") else []
        single = pair == "single" and is_pair(row)
        record["chosen"] = chosen[0] if single else [*before, *chosen]
        record["rejected"] = rejected[0] if single else [*before, *rejected]
    else:
        record["messages"] = [write_turn(t) for t in turns]
    tools = offered(row["tools"])
    aside = {name: tools.pop(name) for name in ("tools_",) if name in tools}
    record.update({**tools, **candidates_beyond_pair(row, one_each=False), **aside})
    return record


def read_turn(message: Mapping[str, Any]) -> Turn:
    """Return one message as a turn; what no column can say is left to the shape.

    Raises:
        ValueError: the message is no object, or its role is no text.
    """
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise ValueError("a message without a role")
    role: str = message["role"]
    read = turn(role_of(role), _content(message.get("content")) or "")
    if message.get("tool_calls"):
        read["tool_calls"] = text_of(message["tool_calls"])
        read["content"] = read["content"] or None
    if isinstance(message.get("tool_call_id"), str):
        read["tool_call_id"] = message["tool_call_id"]
    for key in REASONING:
        if isinstance(message.get(key), str) and read["reasoning"] is None:
            read["reasoning"] = message[key]
    read_training(message, read)
    return read


def read_training(message: Mapping[str, Any], read: Turn) -> None:
    """Fill `train` and `weight` of a turn from the keys that trainers use."""
    if isinstance(message.get("train"), bool):
        read["train"] = message["train"]
    for key in ("weight", "loss_weight"):
        weight = message.get(key)
        if isinstance(weight, (int, float)) and not isinstance(weight, bool) and read["weight"] is None:
            read["weight"] = float(weight)


def write_turn(said: Mapping[str, Any]) -> Record:
    """Return one turn as a message, whose content is always a text; a tool call that does not parse is shown in it."""
    message: Record = {"role": said["role"], "content": said["content"] or ""}
    if said["tool_calls"] is not None:
        listed = openai_calls(said["tool_calls"]) if said["role"] == "assistant" else []
        if listed:
            message["tool_calls"] = listed
        else:
            message["content"] = "\n".join(filter(None, (said["content"], said["tool_calls"])))
    if said["tool_call_id"] is not None:
        message["tool_call_id"] = said["tool_call_id"]
    if said["reasoning"] is not None:
        message["reasoning_content"] = said["reasoning"]
    write_training(said, message)
    return message


def write_training(said: Mapping[str, Any], message: Record) -> None:
    """Put `train` and `weight` of a turn into its message, whole weights as integers."""
    if said["train"] is not None:
        message["train"] = said["train"]
    weight = said["weight"]
    if weight is not None:
        message["weight"] = int(weight) if float(weight).is_integer() else weight


def answer_turns(row: Mapping[str, Any], turns: list[Turn]) -> tuple[Turn, Turn]:
    """Return the best and the worst candidate as turns; the best is the final turn itself where that says the same."""
    best, worst = pair_of(row)
    final = turns[-1] if turns else answer_turn(best)
    return final if answer_text([final]) == best else answer_turn(best), answer_turn(worst)


def sides(row: Mapping[str, Any], turns: list[Turn]) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """Return the prompt, the best and the worst candidate of a preference row as turns, several of them where it is so long."""
    best, worst = pair_of(row)
    chosen, rejected = answer_turns(row, turns)
    long = [None if found is None else [read_turn(m) for m in found] for found in (long_side(best), long_side(worst))]
    prompt = prompt_turns(turns)
    if long[0] is not None and answer_text(turns[-len(long[0]) :]) == best:
        prompt = turns[: -len(long[0])]
    return prompt, long[0] or [chosen], long[1] or [rejected]


def answer_text(turns: list[Turn]) -> str:
    """Return an answer of one turn as its text (or tool call), a longer one as the JSON text of its messages."""
    if len(turns) == 1:
        return turns[0]["content"] or turns[0]["tool_calls"] or ""
    return dumps([write_turn(t) for t in turns])


def _content(content: Any) -> str | None:
    """Return content as text: parts that are all text joined by newlines, anything else as its JSON text."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        texts = [_part_text(part) for part in content]
        if all(text is not None for text in texts):
            return "\n".join(text for text in texts if text is not None)
    return dumps(content)


def _part_text(part: Any) -> str | None:
    if isinstance(part, dict) and part.get("type") == "text":
        text = part.get("text", part.get("value"))
        return text if isinstance(text, str) else None
    return part if isinstance(part, str) else None


def _field(record: Record) -> str | None:
    """Return the field that holds the turns; an empty `messages` counts, an empty `conversations` is ShareGPT's."""
    if "messages" in record and (record["messages"] == [] or is_messages(record["messages"])):
        return "messages"
    return "conversations" if "conversations" in record and is_messages(record["conversations"]) else None


def _is_implicit(record: Record) -> bool:
    chosen, rejected = record.get("chosen"), record.get("rejected")
    return is_messages(chosen) and is_messages(rejected) and shared(chosen, rejected) > 0


def shared(chosen: list[Any], rejected: list[Any]) -> int:
    """Return how many messages two lists of them have in common before they part, the last ones never among them."""
    most = min(len(chosen), len(rejected)) - 1
    return next((n for n in range(most) if chosen[n] != rejected[n]), max(most, 0))


def _pair_style(record: Record, field: str | None) -> str | None:
    """Return how chosen and rejected are written; null when they are absent or of no known form."""
    chosen, rejected = record.get("chosen"), record.get("rejected")
    if field is None:
        return "implicit"
    if is_messages([chosen]) and is_messages([rejected]):
        return "single"
    if not is_messages(chosen) or not is_messages(rejected):
        return None
    if _is_implicit(record) and record[field] == chosen:
        return "full"
    return "list"


def _answers(record: Record) -> tuple[list[Turn], list[Turn]]:
    both = [_listed(record["chosen"]), _listed(record["rejected"])]
    same = shared(*both)
    chosen, rejected = ([read_turn(m) for m in side[same:]] for side in both)
    return chosen, rejected


def _listed(side: Any) -> list[Any]:
    return side if isinstance(side, list) else [side]


FORMAT = Format(NAME, write_record, tools="text", long_sides=True)
