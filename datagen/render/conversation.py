"""A row as the turns that a chat template is given: marks read into fields, and what it would leave out put where it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datagen.data.rows import ROLES, Row, conversation_turns, turn
from datagen.errors import DataError
from datagen.json_text import dumps
from datagen.marks import split_calls, split_reasoning, without_response_marks
from datagen.remnants import is_visible
from datagen.render.calls import parsed_calls, parsed_tools, with_text_arguments
from datagen.render.options import Reasoning
from datagen.render.template import Message, Template

Turn = dict[str, Any]  # as in a row, with `calls` (OpenAI form, or None) and `whole` (the content with its marks)


@dataclass(frozen=True)
class Conversation:
    """The turns and tools of a row; `spec` is the tools as the row has them."""

    turns: list[Turn]
    tools: list[Any] | None
    spec: str

    def texts(self) -> Iterator[str]:
        """Yield every text that comes from the row and can reach the training text."""
        for one in self.turns:
            yield from (one[k] for k in ("role", "content", "reasoning", "tool_calls", "tool_call_id") if one[k])
            yield from _texts(one["calls"])
        yield self.spec
        yield from _texts(self.tools)

    def changed(self, change: Callable[[str], str]) -> Conversation:
        """Return the conversation with every such text but the roles changed."""
        turns = [{k: v if k == "role" else _changed(v, change) for k, v in one.items()} | {"whole": None} for one in self.turns]
        return Conversation(turns, _changed(self.tools, change), change(self.spec))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): _changed(one, change) for name, one in value.items()}
    return [_changed(one, change) for one in value] if isinstance(value, list) else value


def conversation_of(row: Row, template: Template | None, reasoning: Reasoning) -> Conversation:
    """Return the turns of a row, the marks of reasoning and calls in their contents read into fields."""
    turns: list[Turn] = []
    for one in conversation_turns(row):
        found: Turn = {**one, "calls": parsed_calls(one["tool_calls"]), "whole": None}
        if one["role"] == "assistant":
            _read_marks(found, calls=template is not None and template.calls is not None)
        elif one["role"] == "tool" and template is not None and template.calls is not None:
            found["content"] = without_response_marks(one["content"] or "")
        turns.append(found)
    answers = [one for one in turns if one["role"] == "assistant"]
    for one in answers if reasoning == "drop" else answers[:-1] if reasoning == "last" else []:
        one["reasoning"] = one["whole"] = None
    return Conversation(turns, parsed_tools(row["tools"]), row["tools"])


def _read_marks(one: Turn, *, calls: bool) -> None:
    content = one["content"] or ""
    thought, answer = split_reasoning(content)
    if thought != "" and (one["reasoning"] or thought).strip() == thought:
        one["reasoning"], one["content"] = thought, answer
        one["whole"] = content if content.startswith("<think>") else None
    elif answer != content and not one["reasoning"]:  # an empty thought
        one["content"] = answer
        one["whole"] = content if content.startswith("<think>") else None
    if calls and not one["tool_calls"]:
        said, found = split_calls(one["content"] or "")
        if found:
            one["calls"] = parsed_calls(dumps(found))
            one["content"], one["whole"] = (said, None) if one["calls"] else (one["content"], one["whole"])


def fitted(conversation: Conversation, template: Template) -> Conversation:
    """Return a conversation in a form that this template shows whole.

    Tools that it does not know go into the system turn, calls into the content, a `tool` turn becomes the user's, a system
    text goes before the user's next, and turns of the user in a row are joined where the template wants them in turn.

    Raises:
        DataError: a turn has a role that does not exist, or more calls than the template shows.
    """
    turns, tools = [dict(one) for one in conversation.turns], conversation.tools
    for one in turns:
        if one["role"] not in ROLES:
            raise DataError(f"a turn has the role {one['role'][:40]!r}; the roles are {', '.join(ROLES)}")
    if conversation.spec and not (tools and template.reads_tools):
        system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else ""
        text = "\n\n".join(part for part in (system, conversation.spec) if part)
        turns.insert(0, {**turn("system", text), "calls": None, "whole": None})
        tools = None
    called = [one for one in turns if one["tool_calls"] or one["calls"]]
    native = bool(called) and template.calls is not None and all(one["calls"] for one in called)
    if called and not native:
        turns = [{**one, "content": _with_calls(one), "calls": None, "tool_calls": None, "whole": None} for one in turns]
    most = max((len(one["calls"]) for one in called), default=0) if native else 0
    if most > 1 and template.loses_calls:
        # Taken apart, the second would come after the result of the first, which whoever made both had not seen.
        raise DataError(
            f"the chat template shows one call of a turn, and a turn of the row has {most} ({template.loses_calls})"
        )
    if native and not template.reads_any_id:
        _renumber(turns)
    if any(one["role"] == "tool" for one in turns) and not template.reads_results(called=native):
        turns = [{**one, "role": "user"} if one["role"] == "tool" else one for one in turns]
    turns = _with_system_shown(turns, template)
    return Conversation(_alternating(turns) if template.alternates else turns, tools, conversation.spec)


def _with_calls(one: Turn) -> str:
    return "\n".join(part for part in (one["content"] or "", one["tool_calls"] or "") if part)


def _renumber(turns: list[Turn]) -> None:
    """Give calls and their results ids of nine digits, the same for the same."""
    numbers: dict[str, str] = {}
    for one in turns:
        for at, call in enumerate(one["calls"] or ()):
            name = str(call.get("id", f"\0{len(numbers)}"))
            one["calls"][at] = {**call, "id": numbers.setdefault(name, f"{len(numbers) + 1:09d}")}
        if one["role"] == "tool":
            one["tool_call_id"] = numbers.get(one["tool_call_id"] or "") or (list(numbers.values()) or ["000000001"])[-1]


def _with_system_shown(turns: list[Turn], template: Template) -> list[Turn]:
    """Return turns with every system text where the template shows it: before the next turn of the user at the latest."""
    found: list[Turn] = []
    waiting: list[str] = []
    for at, one in enumerate(turns):
        if one["role"] == "system" and (template.system if at == 0 else template.late_system):
            found.append({**one, "role": template.system})
        elif one["role"] == "system":
            waiting.append(one["content"] or "")
            told = "knows no system turn" if template.system is None else "shows a system turn at the beginning only"
            template.tell(f"the chat template {told}: the system text goes before the next turn of the user")
        elif one["role"] == "user" and waiting:
            found.append({**one, "content": "\n\n".join(part for part in (*waiting, one["content"] or "") if part)})
            waiting = []
        else:
            found.append(one)
    if waiting:  # no turn of the user follows
        at = 0 if turns[0]["role"] == "system" else len(found)
        text = {**turn("user", "\n\n".join(waiting)), "calls": None, "whole": None}
        found.insert(at, text)
    return found


def _alternating(turns: list[Turn]) -> list[Turn]:
    """Return turns with neighbouring ones of the user joined."""
    found: list[Turn] = []
    for one in turns:
        if found and one["role"] == found[-1]["role"] == "user":
            found[-1] = {**found[-1], "content": "\n\n".join(t for t in (found[-1]["content"], one["content"]) if t)}
        else:
            found.append(one)
    return found


def message_of(one: Turn, template: Template, reasoning: str) -> Message:
    """Return a turn as chat templates read it: only the keys that say something.

    Args:
        one: a fitted turn.
        template: says in which form it reads arguments.
        reasoning: where it goes: `fields`, `parts` of the content, before the `content`, `joined` with it, or `none`.
    """
    thought, content = one["reasoning"] or "", one["content"] or ""
    if one["role"] != "assistant" or not thought or reasoning == "none":
        message: Message = {"role": one["role"], "content": content}
    elif reasoning == "fields":
        message = {"role": "assistant", "content": content, **_fields(thought)}
    elif reasoning == "joined":
        message = {"role": "assistant", "content": "", **_fields("\n\n".join(part for part in (thought, content) if part))}
    elif reasoning == "parts":
        parts = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}, {"type": "text", "text": content}]
        message = {"role": "assistant", "content": parts}
    else:
        message = {"role": "assistant", "content": one["whole"] or f"<think>\n{thought}\n</think>\n\n{content}"}
    if one["calls"]:
        message["tool_calls"] = with_text_arguments(one["calls"]) if template.calls == "text" else one["calls"]
    if one["tool_call_id"]:
        message["tool_call_id"] = one["tool_call_id"]
    return message


def _fields(thought: str) -> dict[str, str]:
    return dict.fromkeys(("reasoning_content", "thinking", "reasoning"), thought)  # each template reads one of them


def loss_weight(one: Mapping[str, Any]) -> float:
    """Return the loss weight of a turn, 0 for what is not trained on.

    Raises:
        DataError: it is below 0 or not finite.
    """
    if one["role"] != "assistant" or one["train"] is False or is_empty(one):
        return 0.0
    weight = 1.0 if one["weight"] is None else float(one["weight"])
    if not math.isfinite(weight) or weight < 0:
        raise DataError(f"an assistant turn has the weight {weight}; it must be a finite number, 0 or more")
    return weight


def is_empty(one: Mapping[str, Any]) -> bool:
    """Say whether an assistant turn says nothing: from its end token alone a model would learn to be silent."""
    return not is_visible(one["content"] or "") and not one["tool_calls"] and not one.get("calls")
