"""Who speaks: the one table of the names that files give to the four roles of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from datagen.data.rows import ROLES
from datagen.errors import UsageError, nearest

# Only what is certain. `agent` is none of these: it is a person in one file and a model in another.
_SPELLINGS = {
    "user": ("user", "human", "prompter", "customer", "用户", "使用者", "人类", "ผู้ใช้"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai", "助手", "助理", "ผู้ช่วย"),
    "system": ("system", "developer", "系统", "系統", "ระบบ"),
    "tool": (
        *("tool", "tool response", "tool result", "function", "function response", "function result"),
        *("observation", "ipython"),
    ),
}
_MEANT = {spelling: role for role, spellings in _SPELLINGS.items() for spelling in spellings}
CALLS = frozenset({"function_call", "tool_call"})  # roles of a turn that is nothing but a call
_NUMBERED = re.compile(r"(user|human|prompter|customer|assistant|gpt|bot|chatbot|model|ai)[ -]?\d{1,3}")


def role_of(name: str) -> str:
    """Return the role that a file's name for it means: capitals, blanks and numbers (`Human`, `human_1`) do not matter.

    Raises:
        ValueError: the name is of no known role.
    """
    known = _MEANT.get(name)
    if known:
        return known
    plain = " ".join(name.replace("_", " ").split()).casefold().rstrip(":")
    numbered = _NUMBERED.fullmatch(plain)
    known = _MEANT.get(numbered[1] if numbered else plain)
    if known is None:
        raise ValueError(f"the role '{name[:40]}' is unknown; if it is the user's, say --roles {name[:40]}=user")
    return known


def taken_for(name: str) -> str:
    """Return the role that a file's name for it is taken for; "" where it is called so itself, or means none."""
    try:
        role = role_of(name)
    except ValueError:
        return ""
    return "" if role == name.strip().casefold() else role


def is_answer(turn: Mapping[str, Any]) -> bool:
    """Whether a turn of a file, of `role` or `from`, is the assistant's: what it says, or a call of a tool.

    Raises:
        ValueError: the role is unknown.
    """
    name = turn.get("role", turn.get("from"))
    return isinstance(name, str) and (name in CALLS or role_of(name) == "assistant")


def checked_roles(roles: Mapping[str, str] | None) -> dict[str, str]:
    """Return a user's map {the file's name of a role: ours}.

    Raises:
        UsageError: one of the roles is not one of ours.
    """
    for theirs, ours in (roles or {}).items():
        if ours not in ROLES:
            raise UsageError(f"roles: '{ours}' (for '{theirs}') is no role{nearest(ours, ROLES)}; they are {', '.join(ROLES)}")
    return dict(roles or {})
