"""Why an answer ended, in the words of any provider: at its end, or cut, and by what; pure."""

from __future__ import annotations

import re
from typing import Literal

Cut = Literal["cut_off", "filtered", "endpoint_error"]

# An answer that is whole: it ended by itself, at a stop sequence, or with a call. Some local servers say null, or nothing.
WHOLE = frozenset({
    "", "stop", "stopped", "stop_sequence", "stop_token", "stop_string", "eos", "eos_token", "eos_token_id", "eog",
    "end", "end_turn", "end_of_turn", "endoftext", "end_of_text", "end_of_sequence", "complete", "completed", "finish",
    "finished", "finish_reason_stop", "success", "done", "word", "tool_call", "tool_calls", "tool_use", "function_call",
    "function_calls", "none", "null",
})  # fmt: skip
_FILTERED = re.compile(
    r"filter|safety|recitation|blocklist|blocked|prohibited|spii|sensitive|moderat|guardrail|refus|toxic|polic|flagged|unsafe"
    r"|harm|violat|jailbreak|language"
)
_LENGTH = re.compile(r"length|max|limit|context|truncat|budget|not_finished|token|size")
_FAILED = re.compile(
    r"error|abort|cancel|fail|interrupt|time_?out|resource|unavailable|disconnect|malformed|invalid|other|unspecified|network"
    r"|overload|shutdown|preempt"
)


def cut_by(finish_reason: str | None) -> Cut | None:
    """Return what cut an answer with this finish reason, None where it is whole.

    `filtered`: by moderation; `endpoint_error`: by a fault of the endpoint; `cut_off`: by a limit, or by what nobody knows.
    """
    if finish_reason is None:
        return None
    word = re.sub(r"[\s-]+", "_", finish_reason.strip()).lower()
    if word in WHOLE:
        return None
    if _FILTERED.search(word):
        return "filtered"
    if _LENGTH.search(word):  # before the next: Cohere's ERROR_LIMIT is one
        return "cut_off"
    return "endpoint_error" if _FAILED.search(word) else "cut_off"
