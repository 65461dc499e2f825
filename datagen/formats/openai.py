"""OpenAI fine-tuning lines: strict messages, and preference lines for DPO.

Format: https://platform.openai.com/docs/guides/supervised-fine-tuning. Other fields of a record have no place there.
Supervised lines are read by `messages`; preference lines here, as chat records with `chosen` and `rejected`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.formats import messages
from datagen.formats.conversation import Turn, is_pair, prompt_turns
from datagen.formats.messages import answer_turns
from datagen.formats.parts import plain_turns
from datagen.formats.shape import Record
from datagen.formats.tools import openai_calls, tools_list
from datagen.rows import Row, conversation_turns

NAME = "openai"
_SIDES = {"chosen": "preferred_output", "rejected": "non_preferred_output"}


def detect(record: Record) -> bool:
    """Whether the record is a preference line."""
    given = record.get("input")
    return isinstance(given, dict) and "messages" in given and "preferred_output" in record


def read_record(record: Record) -> Row:
    """Return the columns of a preference line, read as the chat record that says the same.

    Raises:
        ValueError: its messages are no messages.
    """
    others = {key: value for key, value in record.items() if key not in ("input", *_SIDES.values())}
    answers = {ours: record.get(theirs) for ours, theirs in _SIDES.items()}
    chat = {**others, **record["input"], **answers}
    chat.update({name: plain_turns(turns) for name, turns in chat.items() if messages.is_messages(turns)})
    if not messages.detect(chat):
        raise ValueError("the input of a preference line holds no messages")
    return messages.read_record(chat)


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the fine-tuning line of a row; a row with candidates becomes a preference line."""
    turns = conversation_turns(row)
    tools = tools_list(row["tools"])
    offered: Record = {"tools": tools} if tools else {}
    if not is_pair(row):
        return {"messages": _messages(turns), **offered}
    # One numbering of the calls for prompt and answer: an answer may respond to a call of the prompt.
    prompt = _messages(prompt_turns(turns))
    chosen, rejected = answer_turns(row, turns)
    return {
        "input": {"messages": prompt, **offered},
        "preferred_output": _answer(chosen),
        "non_preferred_output": _answer(rejected),
    }


def _answer(said: Turn) -> list[Record]:
    message = _messages([said])
    for part in message:
        part.pop("weight", None)  # weights are for supervised lines
    return message


def _messages(turns: list[Turn]) -> list[Record]:
    """Return turns as messages, every call with an id and every tool result with the id it answers."""
    written: list[Record] = []
    open_calls: list[str] = []  # ids that no tool turn has answered yet
    numbered = 0
    for said in turns:
        listed = openai_calls(said["tool_calls"])
        for call in listed:
            if "id" not in call:
                numbered += 1
                call["id"] = f"call_{numbered}"
            open_calls.append(call["id"])
        calls = [{"id": c["id"], "type": "function", "function": c["function"]} for c in listed]
        previous = written[-1] if written else {}
        if calls and not said["content"] and previous.get("role") == "assistant":
            # ShareGPT spreads over several turns what OpenAI wants in one message: a text, then parallel calls.
            previous.setdefault("tool_calls", []).extend(calls)
            previous.update(_weight(said))
            continue
        content = said["content"]
        if said["tool_calls"] is not None and not calls:
            content = f"{content}\n{said['tool_calls']}" if content else said["tool_calls"]
        message: Record = {"role": said["role"], "content": content if content is not None or calls else ""}
        if calls:
            message["tool_calls"] = calls
        if said["role"] == "tool":
            message["tool_call_id"] = _answered(said["tool_call_id"], open_calls)
        message.update(_weight(said))
        written.append(message)
    return written


def _answered(named: str | None, open_calls: list[str]) -> str:
    """Return the id of the call that a tool turn answers: the one it names, else the oldest open one."""
    if named is None:
        return open_calls.pop(0) if open_calls else "call_0"
    if named in open_calls:
        open_calls.remove(named)
    return named


def _weight(said: Turn) -> Record:
    """Return {"weight": 0 or 1} for an assistant turn that says whether it is trained on."""
    if said["role"] != "assistant" or (said["train"] is None and said["weight"] is None):
        return {}
    return {"weight": int(said["train"] is not False and said["weight"] != 0)}
