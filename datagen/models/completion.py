"""A raw answer to what it says: text, reasoning, why it ended, and the tokens it used; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from datagen.models.journal import Tokens

# Models that think aloud in their content. Some templates write the opening mark into the prompt, so that only its end is seen.
_THOUGHT = re.compile(r"\s*+(?:<(think|thinking|reasoning)>)?(.*?)</(?:think|thinking|reasoning)>", re.S)
_UNCLOSED = re.compile(r"\s*+<(?:think|thinking|reasoning)>(.*)", re.S)
_SURROGATE = re.compile("[\ud800-\udfff]")


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
    def cut(self) -> bool:
        """Whether the answer ended at its length limit."""
        return self.finish_reason == "length"


def read(key: str, raw: str) -> Completion:
    """Read a raw answer; one that cannot be read is a completion without text, never an exception."""
    used = thought = None
    try:
        answer = json.loads(raw)
        used, thought = usage(answer), _reasoning_tokens(answer)
        if "choices" not in answer and answer.get("error"):
            words = " ".join(str(answer["error"]).split())[:200]
            return Completion(key, None, used=used, reasoning_tokens=thought, error=f"the answer is an error: {words}")
        choice = answer["choices"][0]
        said = choice.get("message") or {}
        text = _joined(said.get("content")) if "message" in choice else choice["text"]
        reasoning = said.get("reasoning_content") or said.get("reasoning")
        if not isinstance(text, str) and not (reasoning and choice.get("finish_reason") == "length"):
            why = said.get("refusal") or "the answer holds no text"
            return Completion(key, None, used=used, reasoning_tokens=thought, error=" ".join(str(why).split())[:200])
        text, aloud = _without_thought(_storable(text or ""))
        reasoning = _storable(reasoning) if isinstance(reasoning, str) and reasoning else aloud
        ended = choice.get("finish_reason")
        return Completion(key, text, ended if isinstance(ended, str) else None, used, reasoning or None, thought)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as e:
        why = f"the answer cannot be read: {type(e).__name__}"
        return Completion(key, None, used=used, reasoning_tokens=thought, error=why)


def _joined(content: Any) -> Any:
    """Return a content as text: one in parts is their texts, one after the other."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(t for t in texts if isinstance(t, str)) if any(isinstance(t, str) for t in texts) else None


def _storable(text: str) -> str:
    """Return a text that can be stored: half of a character, as a limit in the middle of an emoji leaves it, is U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _without_thought(text: str) -> tuple[str, str]:
    """Return a content without the thinking that begins it, and the thinking; one that never ends is all thinking."""
    if found := _THOUGHT.match(text):
        # Without its opening mark only a content that says nothing of the mark before is taken for thinking.
        if found[1] or "<" not in found[2]:
            return text[found.end() :].lstrip(), found[2].strip()
    elif found := _UNCLOSED.match(text):
        return "", found[1].strip()
    return text, ""


def usage(answer: Any) -> Tokens | None:
    """Return the tokens that an answer reports, or None; all that is not input counts as output, reasoning too."""
    reported = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(reported, dict):
        return None
    went_in, came_out = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    total = _count(reported.get("total_tokens"))
    if not went_in or (came_out is None and total is None):  # no prompt is free of tokens
        return None
    # Some endpoints count reasoning in the total only.
    return Tokens(went_in, max(came_out or 0, (total or 0) - went_in))


def used_by(raw: str) -> Tokens | None:
    """Return the tokens that a raw answer reports, or None where it cannot be read."""
    try:
        return usage(json.loads(raw))
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
