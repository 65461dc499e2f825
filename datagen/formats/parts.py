"""Messages whose content is a list of parts, or whose text has another name: each as plain messages that say the same.

OpenAI's and Anthropic's parts (text, thinking, tool_use, tool_result, images), Gemini's `parts`, OpenAI's older
`function_call`, and the null keys with which Arrow pads structures of different rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datagen.data.rows import ROLES
from datagen.formats.roles import CALLS, role_of
from datagen.formats.shape import Record, dumps
from datagen.formats.tools import without_nulls
from datagen.tool_calls import ARGUMENTS

TEXTS = ("content", "value", "text", "parts")  # names of what a turn says, the first that holds something counts
_TEXT = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})
_REASONING = frozenset({"thinking", "reasoning", "redacted_thinking"})
_CALL = frozenset({"tool_use", "functionCall", "function_call", "tool_call", "server_tool_use"})
_RESULT = frozenset({"tool_result", "functionResponse", "function_response", "function_call_output"})
_MEDIA = ("image", "audio", "video", "file", "document", "media", "inlineData", "inline_data")
_KEYS = frozenset({"role", "from", "name", "id", "lang", "language", "source", "model", "tool_call_id", "type", "recipient"})


class NeedsImages(ValueError):
    """A record says something in images, sound or files, which a row cannot hold."""

    reason = "needs_images"


@dataclass
class _Said:
    """What the parts of one message say."""

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[Record] = field(default_factory=list)
    results: list[Record] = field(default_factory=list)


def plain_turns(turns: list[Record]) -> list[Record]:
    """Return turns (of `role` and `content`, or of `from` and `value`) as plain ones; the list itself if they are plain.

    Raises:
        NeedsImages: a part is an image, sound, video or file.
        ValueError: a turn has no role, its text has an unknown name, or a part is of an unknown kind.
    """
    if all(_is_plain(t) for t in turns):
        return turns
    turns = [_object(t) for t in turns]
    by_role = any("role" in t for t in turns)
    name = "role" if by_role else "from"
    plain: list[Record] = []
    for number, said in enumerate(turns, 1):
        try:
            plain += _messages(_named(said, *(("role", "content") if by_role else ("from", "value"))), name)
        except NeedsImages as error:
            raise NeedsImages(f"turn {number}: {error}") from None
        except ValueError as error:
            raise ValueError(f"turn {number}: {error}") from None
    return turns if plain == turns else plain


def text_of_parts(content: Any) -> str:
    """Return the text of a content that may be a list of parts; raises as `plain_turns`."""
    said = _read(content)
    if said.calls or said.results:
        raise ValueError("a call of a tool stands where a text belongs")
    return "\n".join(said.texts)


def _is_plain(said: Any) -> bool:
    """Whether a turn has its role and its text under the usual names, and nothing else that has to be understood."""
    if not isinstance(said, dict):
        return False
    if "role" in said:
        return (
            isinstance(said["role"], str)
            and said["role"] in ROLES
            and isinstance(said.get("content"), str)
            and not said.get("tool_calls")
            and not said.get("function_call")
        )
    return "from" in said and isinstance(said.get("value"), str)


def _object(said: Any) -> Record:
    if not isinstance(said, dict):
        raise ValueError(f"a turn is a map with a role and a text, not {dumps(said)[:40]}")
    return said


def _is_data(role: Any) -> bool:
    """Whether a turn of this role holds a call or a result, whose structure is data."""
    return isinstance(role, str) and (role in CALLS or role_of(role) == "tool")


def _named(said: Record, role: str, text: str) -> Record:
    """Return a turn with its role and text under the names of its format."""
    other = {"role": "from", "from": "role"}[role]
    if role not in said and other in said:
        said = {role if key == other else key: value for key, value in said.items()}
    if said.get(text) is None:
        found = next((key for key in TEXTS if said.get(key) is not None), None)
        if found:
            return {text if key == found else key: value for key, value in said.items() if key != text}
        unknown = [k for k, v in said.items() if isinstance(v, str) and v and k not in _KEYS and "reasoning" not in k]
        if role in said and text not in said and unknown and not (said.get("tool_calls") or said.get("function_call")):
            raise ValueError(f"no text under a known name; it has: {', '.join(said)}; say --map content={unknown[0]}")
    return said


def _messages(said: Record, name: str) -> list[Record]:
    """Return one turn as plain ones: results of tools are turns of their own."""
    if not isinstance(said.get(name), str):
        raise ValueError(f"a message without a role; it has: {', '.join(said)}" if name == "role" else "a turn without 'from'")
    if name == "from":
        return _sharegpt(said)
    if said["role"] in CALLS:
        call = said.get("content")
        return [{**said, "role": "assistant", "content": None, "tool_calls": call}]
    legacy = said.get("function_call")
    if isinstance(legacy, dict) and not said.get("tool_calls"):
        said = {key: value for key, value in said.items() if key != "function_call"}
        said["tool_calls"] = [{"type": "function", "function": legacy}]
    if isinstance(said.get("tool_calls"), (list, dict)):
        said = {**said, "tool_calls": without_nulls(said["tool_calls"])}
    content = said.get("content")
    if not isinstance(content, (list, dict)):
        return [said]
    if _is_data(said["role"]) and not (isinstance(content, list) and any(_is_part(part) for part in content)):
        return [said]
    return _assembled(said, _read(content))


def _sharegpt(said: Record) -> list[Record]:
    """Return one turn of `from` as plain ones: calls and results of tools are turns of their own."""
    value = said.get("value")
    if not isinstance(value, (list, dict)) or _is_data(said["from"]):
        return [said]
    found = _read(value)
    turns = [
        {"from": "observation", **{"value" if k == "content" else k: r[k] for k in r if k != "role"}} for r in found.results
    ]
    if found.texts or not (found.calls or found.results):
        thought = {"reasoning": "\n".join(found.reasoning)} if found.reasoning else {}
        turns.append({**said, "value": "\n".join(found.texts), **thought})
    return [*turns, *({"from": "function_call", "value": dumps(call["function"])} for call in found.calls)]


def _assembled(said: Record, found: _Said) -> list[Record]:
    text = "\n".join(found.texts)
    own: Record = {**said, "content": text or (None if found.calls else "")}
    if found.calls:
        own["tool_calls"] = [*(said.get("tool_calls") or []), *found.calls]
    if found.reasoning and not said.get("reasoning_content"):
        own["reasoning_content"] = "\n".join(found.reasoning)
    return [*found.results, *([own] if text or found.calls or found.reasoning or not found.results else [])]


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and (isinstance(part.get("type"), str) or any(k in part for k in (*_CALL, *_RESULT, "text")))


def _read(content: Any) -> _Said:
    """Return what a text, a part or a list of parts says; raises as `plain_turns`."""
    if isinstance(content, dict) and isinstance(content.get("parts"), list):
        content = content["parts"]
    said = _Said()
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            said.texts.append(part)
        elif isinstance(part, dict):
            _take({key: value for key, value in part.items() if value is not None}, said)
        else:
            raise ValueError(f"a part of a content is a text or a map, not {dumps(part)[:40]}")
    return said


def _take(part: Record, said: _Said) -> None:
    """Add what one part says."""
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else next((k for k in part if k in _CALL or k in _RESULT), None)
    if kind in _REASONING or part.get("thought") is True:
        said.reasoning += [str(part[key]) for key in ("thinking", "reasoning", "text") if isinstance(part.get(key), str)][:1]
    elif kind in _CALL:
        said.calls.append(_call(part[kind] if isinstance(part.get(kind), dict) else part))
    elif kind in _RESULT:
        said.results.append(_result(part[kind] if isinstance(part.get(kind), dict) else part))
    elif (kind is None or kind in _TEXT) and any(isinstance(part.get(key), str) for key in ("text", "value", "refusal")):
        said.texts.append(next(part[key] for key in ("text", "value", "refusal") if isinstance(part.get(key), str)))
    elif medium := next((m for m in _MEDIA if m in (kind or "") or any(m in key for key in part)), None):
        raise NeedsImages(f"its content holds a part '{kind or medium}'; datagen trains on texts")
    else:
        raise ValueError(f"a content part of an unknown kind '{kind or ', '.join(part)}'")


def _call(part: Mapping[str, Any]) -> Record:
    """Return a call as OpenAI writes it, its arguments as an object."""
    if not isinstance(part.get("name"), str):
        raise ValueError("a call of a tool without a name")
    arguments: Any = next((part[key] for key in ARGUMENTS if key in part), {})
    identity = next((part[key] for key in ("call_id", "id") if isinstance(part.get(key), str)), None)
    known = {} if identity is None else {"id": identity}
    return {**known, "type": "function", "function": {"name": part["name"], "arguments": arguments}}


def _result(part: Mapping[str, Any]) -> Record:
    """Return the result of a tool as a message."""
    found = next((part[key] for key in ("content", "response", "output") if key in part), "")
    texts = isinstance(found, list) and all(isinstance(p, str) or _is_part(p) for p in found)
    message: Record = {
        "role": "tool",
        "content": text_of_parts(found) if texts else found if isinstance(found, str) else dumps(found),
    }
    identity = next((part[key] for key in ("tool_use_id", "call_id", "id") if isinstance(part.get(key), str)), None)
    return message if identity is None else {**message, "tool_call_id": identity}
