"""Conversations that are no list of turns with a role, as such lists.

Bare texts (LIMA, UltraChat), pairs (Capybara, MOSS), Cohere's `chat_history`, and transcripts (Anthropic's HH, Guanaco).
"""

from __future__ import annotations

import re
from typing import Any

from datagen.formats.names import ANSWERS, CONVERSATIONS, PROMPTS, SIDES, TURN_NAMES, pair_in
from datagen.formats.shape import Record, dumps

_BARE = ("conversations", "data")  # sets are known that write bare texts under these names, the user's first
_TRANSCRIPTS = (re.compile(r"(?:^|\n\n)(Human|Assistant):"), re.compile(r"### (Human|Assistant):"))
_TREE = {"message_id", "parent_id", "role"}


def with_turns(record: Record) -> Record:
    """Return a record with its turns as maps of `role` and `content`; the record itself where it needs nothing.

    Raises:
        ValueError: it is a tree of messages, or a part of one; or a history holds something else than turns.
    """
    _check_tree(record)
    return _transcripts(_chat_history(_pairs(_bare_texts(_translated(record)))))


def _check_tree(record: Record) -> None:
    root = record.get("prompt")
    if (isinstance(root, dict) and "replies" in root) or record.keys() >= {*_TREE, "replies"}:
        raise ValueError("a tree of messages; write each path from its root to an answer as one record of messages")
    if record.keys() >= _TREE:
        raise ValueError(
            "one message of a tree (it has message_id and parent_id); write each path from a root to an answer as one record"
            " of messages"
        )


def _translated(record: Record) -> Record:
    """The record with `role` and `content` for their words in other languages."""
    found = {}
    for name in CONVERSATIONS:
        said = record.get(name)
        if isinstance(said, list) and any(isinstance(one, dict) and one.keys() & TURN_NAMES.keys() for one in said):
            found[name] = [{TURN_NAMES.get(k, k): v for k, v in one.items()} if isinstance(one, dict) else one for one in said]
    return {**record, **found} if found else record


def _taken(record: Record, but: str) -> bool:
    """Whether something else of a record than one field says what was said."""
    return any(name != but and record.get(name) for name in (*PROMPTS, *CONVERSATIONS, *SIDES))


def _bare_texts(record: Record) -> Record:
    for name in _BARE:
        said = record.get(name)
        if not isinstance(said, list) or not said or not all(isinstance(text, str) for text in said):
            continue
        if name == "conversations":
            return {**record, name: [{"from": _role(n, "human", "gpt"), "value": text} for n, text in enumerate(said)]}
        if len(said) > 1 and not _taken(record, name):
            turns = [_turn(_role(n, "user", "assistant"), text) for n, text in enumerate(said)]
            return {"messages" if key == name else key: turns if key == name else value for key, value in record.items()}
    return record


def _role(number: int, first: str, second: str) -> str:
    return second if number % 2 else first


def _turn(role: str, text: str) -> Record:
    return {"role": role, "content": text}


def _pairs(record: Record) -> Record:
    """Turns that stand in pairs, such as `[{"input": …, "output": …}, …]`."""
    for name in (*CONVERSATIONS, "data"):
        said = record.get(name)
        if not isinstance(said, list) or not said or not all(isinstance(one, dict) for one in said):
            continue
        names = pair_in(said[0])
        if names is None or any("role" in one or "from" in one for one in said) or _taken(record, name):
            continue
        turns: list[Record] = []
        for number, one in enumerate(said, 1):
            if not isinstance(one.get(names[0]), str) or not isinstance(one.get(names[1], ""), (str, type(None))):
                raise ValueError(f"exchange {number} in '{name}' has no text as its '{names[0]}' or its '{names[1]}'")
            if isinstance(one.get("system"), str) and one["system"]:
                turns.append(_turn("system", one["system"]))
            turns.append(_turn("user", one[names[0]]))
            if one.get(names[1]) or number < len(said):
                turns.append(_turn("assistant", one.get(names[1]) or ""))
        return {"messages" if key == name else key: turns if key == name else value for key, value in record.items()}
    return record


def _chat_history(record: Record) -> Record:
    """Cohere's requests: what was said before, the message at hand, and the answer."""
    if "chat_history" not in record or not isinstance(record.get("message"), str) or _taken(record, "chat_history"):
        return record
    turns: list[Record] = []
    for said in record["chat_history"] or []:
        text = (
            next((said[key] for key in ("message", "content", "text") if key in said), None) if isinstance(said, dict) else None
        )
        if not isinstance(text, str) or not isinstance(said.get("role"), str):
            raise ValueError(
                f"the field 'chat_history' holds {dumps(said)[:40]}, where a turn with a role and a message belongs"
            )
        turns.append(_turn(said["role"], text))
    turns.append(_turn("user", record["message"]))
    answer = next((name for name in (*ANSWERS, "text") if isinstance(record.get(name), str) and record[name]), None)
    if answer:
        turns.append(_turn("assistant", record[answer]))
    system = "preamble" if isinstance(record.get("preamble"), str) and "system" not in record else ""
    names = {"chat_history": "messages", system: "system"}
    changed = {names.get(key, key): value for key, value in record.items() if key not in ("message", answer)}
    return {**changed, "messages": turns}


def _transcripts(record: Record) -> Record:
    """Texts that write who speaks before what is said; those of a pair, of a prompt, or the only text of a record."""
    found: dict[str, Any] = {}
    if all(turns := [_spoken(record.get(name)) for name in SIDES]):
        found = dict(zip(SIDES, turns, strict=True))
        if not _spoken(record.get("prompt")) and any(record.get(name) for name in (*PROMPTS, *CONVERSATIONS)):
            return record
        return {**{key: value for key, value in record.items() if key != "prompt"}, **found}
    if (prompt := _spoken(record.get("prompt"))) and prompt[-1]["role"] == "user":
        answers = {name: [_turn("assistant", record[name])] for name in SIDES if isinstance(record.get(name), str)}
        return {**record, "prompt": prompt, **answers}
    if (turns_of_text := _spoken(record.get("text"))) and not _taken(record, "text"):
        return {"messages" if key == "text" else key: turns_of_text if key == "text" else v for key, v in record.items()}
    return record


def _spoken(text: Any) -> list[Record] | None:
    """Return the turns of a transcript, the last one left out where it is an answer yet to be given; None for other texts."""
    if not isinstance(text, str):
        return None
    for mark in _TRANSCRIPTS:
        marks = list(mark.finditer(text))
        if len({found[1] for found in marks}) < 2 or marks[0][1] != "Human" or text[: marks[0].start()].strip():
            continue
        ends = [*(found.start() for found in marks[1:]), len(text)]
        roles = {"Human": "user", "Assistant": "assistant"}
        turns = [_turn(roles[m[1]], text[m.end() : end].strip()) for m, end in zip(marks, ends, strict=True)]
        return turns if turns[-1]["content"] or turns[-1]["role"] == "user" else turns[:-1]
    return None
