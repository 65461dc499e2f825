"""A conversation as the columns of a row: which turns need `messages`, and what the flat columns show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from datagen.data.rows import Row, conversation_turns, extra_of, turn
from datagen.formats.kto import MARKS, truth
from datagen.formats.names import plain_name

Turn = dict[str, Any]


def is_plain(said: Mapping[str, Any]) -> bool:
    """Whether a turn is only a role and a text."""
    return (
        said["content"] is not None
        and said["tool_calls"] is None
        and said["tool_call_id"] is None
        and said["reasoning"] is None
        and said["train"] is None
        and said["weight"] is None
    )


def split_system(turns: list[Turn]) -> tuple[str, list[Turn]]:
    """Return the text of a leading system turn that only holds text, and the turns after it; else "" and all turns."""
    if turns and turns[0]["role"] == "system" and turns[0]["content"] and is_plain(turns[0]):
        return turns[0]["content"], turns[1:]
    return "", turns


def columns_of(turns: list[Turn], system: str = "") -> Row:
    """Return the columns instruction, output, system and, unless one plain exchange says it all, messages.

    Args:
        turns: every turn except the one that became `system`.
        system: the system prompt, "" for none.
    """
    if len(turns) == 2 and is_plain(turns[0]) and is_plain(turns[1]):
        asked, answered = turns
        if asked["role"] == "user" and answered["role"] == "assistant":
            return {"instruction": asked["content"], "output": answered["content"], "system": system}
    last_user = next((t["content"] for t in reversed(turns) if t["role"] == "user"), None)
    final = turns[-1] if turns and turns[-1]["role"] == "assistant" else None
    answer = (final["content"] or final["tool_calls"]) if final else None
    return {"instruction": last_user or "", "output": answer or "", "system": system, "messages": turns}


def turns_of(row: Mapping[str, Any]) -> list[Turn]:
    """Return the turns of a row without the one that `system` stands for."""
    return conversation_turns(row)[1 if row["system"] else 0 :]


def is_history(value: Any) -> TypeGuard[list[list[str]]]:
    """Whether a value is what was said before a task: a list of pairs of texts, the user's and the answer."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(p, list) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in value)
    )


def turns_of_history(history: list[list[str]]) -> list[Turn]:
    """Return the turns of a history."""
    return [turn(role, text) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)]


def preference(chosen: str, rejected: str) -> list[dict[str, Any]]:
    """Return the candidates of a preference row, the chosen answer first."""
    return [
        {"text": chosen, "score": None, "source": "chosen"},
        {"text": rejected, "score": None, "source": "rejected"},
    ]


def long_side(text: str) -> list[dict[str, Any]] | None:
    """Return the messages of a candidate that is several of them, which stand as JSON text; None for one answer's text."""
    if not text.startswith('[{"role": '):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    several = len(found) > 1 and all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in found)
    return found if several else None


def is_pair(row: Mapping[str, Any]) -> bool:
    """Whether a row is a preference with one answer on each side, which every format of preferences can hold."""
    return is_preference(row) and not any(map(long_side, pair_of(row)))


def is_preference(row: Mapping[str, Any]) -> bool:
    """Whether a row has an answer and at least one that is worse; a list of answers without scores or names has no order."""
    candidates = row["candidates"] or ()
    return len(candidates) >= 2 and any(c["score"] is not None or c["source"] is not None for c in candidates)


def pair_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the best and the worst candidate's text."""
    return row["candidates"][0]["text"], row["candidates"][-1]["text"]


def unwanted(row: Mapping[str, Any]) -> bool:
    """Whether a row is plain exchanges of which people did not want the last answer, as KTO's `label` or `kto_tag` says."""
    turns: list[Turn] = row["messages"] or []
    if not turns or [t["role"] for t in turns] != ["user", "assistant"] * (len(turns) // 2) or turns[-1]["train"] is not False:
        return False
    if not all(map(is_plain, [*turns[:-1], {**turns[-1], "train": None}])):
        return False
    return any(plain_name(name) in MARKS and truth(value) is False for name, value in extra_of(row).items())


def taught(turns: list[Turn]) -> list[Turn]:
    """Return turns with the last as one that is taught: for formats whose records say beside them that it is not."""
    return [*turns[:-1], {**turns[-1], "train": None}]


def prompt_turns(turns: list[Turn]) -> list[Turn]:
    """Return the turns before the final answer; all of them where the conversation does not end with an answer."""
    return turns[:-1] if turns and turns[-1]["role"] == "assistant" else turns


def candidates_beyond_pair(row: Mapping[str, Any], *, one_each: bool = True) -> dict[str, Any]:
    """Return `{"candidates": […]}` where chosen and rejected would lose candidates, scores or sources; else {}.

    Args:
        row: the row.
        one_each: whether the format has one answer a side only; a side of several messages is then lost without candidates.
    """
    candidates = row["candidates"] or []
    if one_each and is_preference(row) and not is_pair(row):
        return {"candidates": [dict(c) for c in candidates]}
    plain = [{"score": None, "source": name} for name in ("chosen", "rejected")]
    if not candidates or [{"score": c["score"], "source": c["source"]} for c in candidates] == plain:
        return {}
    return {"candidates": [dict(c) for c in candidates]}


def answer_turn(text: str) -> Turn:
    """Return a plain assistant turn."""
    return turn("assistant", text)
