"""An answer as an event stream that nobody asked for, put together to the one answer that it is; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

FIELDS = ("data:", "event:", "id:", "retry:", ":")  # what a line of an event stream begins with
TEXTS = ("content", "reasoning_content", "reasoning", "refusal")  # of a message, told in pieces
_BEFORE_JSON = re.compile(r"[\ufeff \t\r\n]*+(?::[^\n]*+\n[\ufeff \t\r\n]*+)*+(?=[{\[])")
CUT_SHORT = {"error": {"message": "the event stream ended in the middle of the answer", "code": 502}}


def is_stream(raw: str) -> bool:
    """Whether a raw answer is an event stream."""
    return json_of(raw)[:200].startswith(FIELDS)


def json_of(raw: str) -> str:
    """Return a raw answer without what may stand before its JSON: a mark of its encoding, blanks, comments of a stream."""
    hit = _BEFORE_JSON.match(raw)
    return raw[hit.end() :] if hit else raw.lstrip("\ufeff \t\r\n")


def parsed(raw: str) -> Any:
    """Return a raw answer as JSON; of an event stream the answer that its events make.

    A stream that neither ends with `[DONE]` nor says why the answer ended was cut short: it is an answer with an error in it.

    Raises:
        ValueError: it is neither.
        RecursionError: it is nested too deep.
    """
    if not is_stream(raw):
        return json.loads(json_of(raw))
    whole: dict[str, Any] = {}
    choice = _Choice()
    ended = False
    for data in _events(raw):
        ended = data.strip() == "[DONE]"
        if ended:
            break
        one = json.loads(data)
        if isinstance(one, dict):
            whole.update({k: v for k, v in one.items() if k != "choices" and v is not None})
            choice.add(one.get("choices"))
    if not whole and not choice.told and not choice.texts:
        raise ValueError("an event stream without an event")
    if not ended and not choice.told.get("finish_reason") and not whole.get("error"):
        return {**whole, **CUT_SHORT}
    return {**whole, "choices": [choice.whole()] if choice.told or choice.texts else []}


def _events(raw: str) -> Iterator[str]:
    """Yield the data of each event: its `data:` lines up to an empty one; a line that ends whole JSON ends an event too."""
    lines: list[str] = []
    for line in raw.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line.startswith("data:"):
            if lines and _is_json("\n".join(lines)):
                yield "\n".join(lines)
                lines = []
            lines.append(line[5:].removeprefix(" "))
        elif not line.strip() and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text.strip() == "[DONE]"
    return True


class _Choice:
    """The one choice of a stream, from its pieces."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.texts: dict[str, list[str]] = {}

    def add(self, choices: Any) -> None:
        """Take the pieces that an event holds; of several choices the first, for one was asked for."""
        parts = choices if isinstance(choices, list) else []
        for part in (p for p in parts if isinstance(p, dict) and not p.get("index")):
            self.told |= {k: v for k, v in part.items() if v is not None and k not in ("delta", "text", "logprobs")}
            delta = part.get("delta")
            said = delta if isinstance(delta, dict) else {}
            for name, piece in (*((n, said.get(n)) for n in TEXTS), ("text", part.get("text"))):
                if isinstance(piece, str):
                    self.texts.setdefault(name, []).append(piece)
            told = part.get("logprobs")
            if isinstance(told, dict) and isinstance(told.get("content"), list):
                self.told.setdefault("logprobs", {"content": []})["content"].extend(told["content"])

    def whole(self) -> dict[str, Any]:
        """Return it as an answer that was not streamed has it."""
        joined = {name: "".join(pieces) for name, pieces in self.texts.items()}
        if "text" in joined:
            return {**self.told, "text": joined["text"]}
        message = self.told.get("message")
        return {**self.told, "message": {**(message if isinstance(message, dict) else {}), **joined}}
