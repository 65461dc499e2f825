"""OpenAI fine-tuning lines: strict messages, and preference lines for DPO.

Format: https://platform.openai.com/docs/guides/supervised-fine-tuning. Other fields of a record have no place there.
Supervised lines are read by `messages`; preference lines here, as chat records with `chosen` and `rejected`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from datagen.data.rows import Row, conversation_turns
from datagen.formats import messages
from datagen.formats.conversation import Turn, is_pair, prompt_turns
from datagen.formats.format import Format
from datagen.formats.messages import answer_turns
from datagen.formats.parts import plain_turns
from datagen.formats.shape import Record, dumps, of_dialect
from datagen.formats.tools import functions, openai_calls
from datagen.marks import split_calls, split_responses

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
    return of_dialect(messages.read_record(chat))


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the fine-tuning line of a row; a row with candidates becomes a preference line."""
    turns = conversation_turns(row)
    tools = functions(row["tools"])
    offered: Record = {"tools": tools} if tools else {}
    ids = _Ids({call["id"] for said in turns for call in openai_calls(said["tool_calls"]) if "id" in call})
    if not is_pair(row):
        return {"messages": _messages(turns, ids), **offered}
    # One numbering of the calls for prompt and answer: an answer may respond to a call of the prompt.
    prompt = _messages(prompt_turns(turns), ids)
    chosen, rejected = (_answer(said, ids) for said in answer_turns(row, turns))
    return {"input": {"messages": prompt, **offered}, "preferred_output": chosen, "non_preferred_output": rejected}


def is_complete(record: Record) -> bool:
    """Whether every result of a tool in a line answers a call before it; OpenAI refuses a line with one that does not."""
    open_calls: set[str] = set()
    for message in record["messages"] if "messages" in record else record["input"]["messages"]:
        if message["role"] == "tool" and message["tool_call_id"] not in open_calls:
            return False
        open_calls |= {call["id"] for call in message.get("tool_calls", ())}
    return True


@dataclass
class _Ids:
    """The ids of the calls of one conversation: those that it has, and invented ones."""

    taken: set[str]
    waiting: list[str] = field(default_factory=list)  # ids that no result has answered yet
    number: int = 0

    def new(self, name: str | None = None) -> str:
        """Return an id that no call has: the given one, or an invented one."""
        while name is None or name in self.taken:
            name, self.number = f"call_{self.number}", self.number + 1
        self.taken.add(name)
        return name

    def answered(self, named: str | None) -> str:
        """Return the id of the call that a result answers: the one it names, else the oldest without one."""
        if named is None:
            return self.waiting.pop(0) if self.waiting else self.new()
        if named in self.waiting:
            self.waiting.remove(named)
        return named


def _answer(said: Turn, ids: _Ids) -> list[Record]:
    message = _messages([said], ids)
    for part in message:
        part.pop("weight", None)  # weights are for supervised lines
    return message


def _messages(turns: list[Turn], ids: _Ids) -> list[Record]:
    """Return turns as messages, every call with an id and every tool result with the id it answers."""
    written: list[Record] = []
    for at, said in enumerate(turns):
        results = _results(said, ids)
        if results:
            named = said["tool_call_id"] if len(results) == 1 else None
            written += [{"role": "tool", "content": text, "tool_call_id": ids.answered(named)} for text in results]
            continue
        content, calls = _calls(said, ids, _named(turns[at + 1 :]))
        previous = written[-1] if written else {}
        if calls and not content and previous.get("role") == "assistant":
            # ShareGPT spreads over several turns what OpenAI wants in one message: a text, then parallel calls.
            previous.setdefault("tool_calls", []).extend(calls)
            previous.update(_weight(said))
            continue
        message: Record = {"role": said["role"], "content": content or (None if calls else "")}
        if calls:
            message["tool_calls"] = calls
        message.update(_weight(said))
        written.append(message)
    return written


def _results(said: Turn, ids: _Ids) -> list[str]:
    """Return what tools said in a turn, one text per call; [] for another turn.

    Hermes and Qwen write results between marks, several of them in one turn, which may be the user's.
    """
    text = said["content"] or ""
    if said["role"] == "tool":
        return split_responses(text) or [text]
    return split_responses(text) if said["role"] == "user" and ids.waiting else []


def _named(after: list[Turn]) -> Iterator[str]:
    """Yield the ids that the results of tools name before somebody else speaks."""
    for said in after:
        if said["role"] == "tool" and said["tool_call_id"]:
            yield said["tool_call_id"]
        elif said["role"] != "assistant" or not said["tool_calls"]:
            return


def _calls(said: Turn, ids: _Ids, named: Iterable[str]) -> tuple[str | None, list[Record]]:
    """Return the content of a turn and its calls, each with its id; calls between marks in the content are calls."""
    content = said["content"]
    listed = openai_calls(said["tool_calls"]) if said["role"] == "assistant" else []
    if said["role"] == "assistant" and content and not said["tool_calls"]:
        text, found = split_calls(content)
        listed = openai_calls(dumps(found)) if found else []
        content = text if listed else content
    elif said["tool_calls"] is not None and not listed:
        content = f"{content}\n{said['tool_calls']}" if content else said["tool_calls"]
    free = (name for name in named if name not in ids.taken)  # calls without an id have those that their results name
    calls = [
        {"id": call.get("id") or ids.new(next(free, None)), "type": "function", "function": call["function"]} for call in listed
    ]
    ids.waiting += [call["id"] for call in calls]
    return content, calls


def _weight(said: Turn) -> Record:
    """Return {"weight": 0 or 1} for an assistant turn that says whether it is trained on."""
    if said["role"] != "assistant" or (said["train"] is None and said["weight"] is None):
        return {}
    return {"weight": int(said["train"] is not False and said["weight"] != 0)}


def _notes(row: Row, record: Record) -> tuple[str, ...]:
    return () if is_complete(record) else ("no_call",)


FORMAT = Format(
    NAME, write_record, one_answer=True, tools="functions", candidates=False, reasoning=False, weights="whole", mixed="own",
    notes=_notes,
)  # fmt: skip
