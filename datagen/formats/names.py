"""The names under which files hold tasks, answers and turns."""

from __future__ import annotations

from functools import lru_cache

PROMPTS = ("instruction", "prompt", "question", "query")
ANSWERS = ("output", "completion", "response", "answer", "generation")  # one answer, the surest name first
LISTS = ("completions", "generations", "responses", "outputs", "answers")  # several answers of one task
SIDES = ("chosen", "rejected")
CONVERSATIONS = ("messages", "conversations", "conversation", "contents", "dialogue", "dialog")
OTHERS = ("input", "context", "system", "history", "tools", "functions", "candidates", "instances")
KNOWN = frozenset({*PROMPTS, *ANSWERS, *LISTS, *SIDES, *CONVERSATIONS, *OTHERS})


@lru_cache(4096)
def known_name(key: str) -> str:
    """Return the known name that a name is but for blanks around it and capitals; any other name as it is."""
    if key in KNOWN:
        return key
    plain = key.strip(" \t\r\n\ufeff\u00a0\u200b").casefold()
    return plain if plain in KNOWN else key
