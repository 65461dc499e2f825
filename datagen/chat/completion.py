"""A raw answer to what it says: text, reasoning, why it ended, and the tokens it used; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from datagen.chat import events
from datagen.chat.journal import Tokens
from datagen.json_text import storable
from datagen.marks import split_thought

_THINKS = re.compile(r"think|reason|thought", re.I)  # types of parts


@dataclass(frozen=True)
class Completion:
    """One answer of a model, or the reason why there is none.

    `text` is None where the request was given up or the answer cannot be read; `error` then says why. `used` is what the
    endpoint reported, reasoning among its output; None where it did not.
    """

    key: str
    text: str | None
    finish_reason: str | None = None
    used: Tokens | None = None
    reasoning: str | None = None
    reasoning_tokens: int | None = None
    error: str | None = None
    usd: float | None = None  # what it cost when it came, None where that is not known

    @property
    def cut_by(self) -> Cut | None:
        """Why the answer is not whole, as the reason of a ledger row; None where it is."""
        return None if self.text is None else cut_by(self.finish_reason)

    @property
    def cut(self) -> bool:
        """Whether the answer ended before its end: at a limit, by a filter, or by an error."""
        return self.cut_by is not None

    @property
    def cut_words(self) -> str | None:
        """What cut the answer, in the endpoint's own word too, and what there is of it, on one line; None where it is whole."""
        said = " ".join((self.text or "").split())[:200]
        return f"{self.cut_by} ({self.finish_reason}): {said}" if self.cut else None


def read(key: str, raw: str) -> Completion:
    """Read a raw answer; one that cannot be read is a completion without text, never an exception."""
    used = thought = None
    try:
        answer = events.parsed(raw)
        used, thought = usage(answer), _reasoning_tokens(answer)
        if not answer.get("choices") and answer.get("error"):
            words = " ".join(str(answer["error"]).split())[:200]
            return Completion(key, None, used=used, reasoning_tokens=thought, error=f"the answer is an error: {words}")
        choice = answer["choices"][0]
        said = choice.get("message") or choice.get("delta") or {}
        text, thoughts = _joined(said.get("content") if "text" not in choice or said else choice["text"])
        reasoning = said.get("reasoning_content") or said.get("reasoning") or thoughts
        ended = _ended(choice.get("finish_reason"))
        if not isinstance(text, str) and cut_by(ended) is None:
            why = said.get("refusal") or "the answer holds no text"
            return Completion(key, None, used=used, reasoning_tokens=thought, error=" ".join(str(why).split())[:200])
        text, aloud = split_thought(storable(text if isinstance(text, str) else ""))
        reasoning = storable(reasoning) if isinstance(reasoning, str) and reasoning else aloud
        return Completion(key, text or "", ended, used, reasoning or None, thought)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as e:
        why = f"the answer cannot be read: {type(e).__name__}"
        return Completion(key, None, used=used, reasoning_tokens=thought, error=why)


def _ended(reason: Any) -> str | None:
    """Return a finish reason as text; SGLang's own API tells it with details."""
    if isinstance(reason, dict):
        reason = reason.get("type") or reason.get("reason")
    return None if reason is None else storable(str(reason))[:100]


def _joined(content: Any) -> tuple[Any, str]:
    """Return a content as text, and the reasoning in it: one in parts is their texts, one after the other."""
    if not isinstance(content, list):
        return content, ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        thinks = isinstance(kind, str) and _THINKS.search(kind) is not None
        (thoughts if thinks else texts).extend(_texts(part))
    return "".join(texts) if texts else None, "".join(thoughts)


def _texts(part: Any) -> Iterator[str]:
    """Yield the texts of a part: `text`, that of a thought, or where these hold parts or a `value`, theirs."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for one in part:
            yield from _texts(one)
    elif isinstance(part, dict):
        names = ("text", "thinking", "reasoning", "summary", "value")
        yield from _texts(next((part[name] for name in names if part.get(name)), None))


def usage(answer: Any) -> Tokens | None:
    """Return the tokens that an answer reports, or None; all that is not input counts as output, reasoning too."""
    reported = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(reported, dict):
        return None
    went_in, came_out = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    total = _count(reported.get("total_tokens"))
    if not went_in or (came_out is None and total is None):  # no prompt is free of tokens
        return None
    if came_out is None and total is not None and total <= went_in:
        return None
    # Some endpoints count reasoning in the total only.
    return Tokens(went_in, max(came_out or 0, (total or 0) - went_in))


def used_by(raw: str) -> Tokens | None:
    """Return the tokens that a raw answer reports, or None where it cannot be read."""
    try:
        return usage(events.parsed(raw))
    except (ValueError, RecursionError):
        return None


def _reasoning_tokens(answer: Any) -> int | None:
    reported = answer.get("usage") if isinstance(answer, dict) else None
    details = reported.get("completion_tokens_details") if isinstance(reported, dict) else None
    return _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


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
