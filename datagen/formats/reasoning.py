"""How one comes to an answer, where that has a field of its own (`Complex_CoT`, `rationale`): the reasoning of the answer."""

from __future__ import annotations

from typing import Any

from datagen.formats.answers import is_missing
from datagen.formats.messages import REASONING
from datagen.formats.names import ANSWERS, PROMPTS, SIDES, is_reasoning, plain_name
from datagen.formats.notes import Notes
from datagen.formats.roles import role_of
from datagen.formats.shape import Record, text_of

_SWITCHES = frozenset({
    *("on", "off", "true", "false", "yes", "no", "none", "low", "medium", "high", "enabled", "disabled", "auto"),
})  # fmt: skip
_SEVERAL = "there are several answers, and it does not say whose reasoning it is"


def with_reasoning(record: Record, notes: Notes) -> Record:
    """Return a record of one answer with its reasoning in the answer's turn, as `messages`; the record itself without one.

    A field that cannot be the reasoning of the one answer is left out, and that is said.
    """
    names = [name for name in record if is_reasoning(name) and not is_missing(record[name])]
    if not names:
        return record
    name = next((name for name in names if _text(record[name])), names[0])
    for other in names:
        if other != name:
            notes.add(f"the field '{other}' is left out: '{name}' holds the reasoning")
    thought = _text(record[name])
    if not thought:
        notes.add(f"the field '{name}' is left out: it holds no text that could be the reasoning of an answer")
        return record
    found = _turns(record)
    why = found if isinstance(found, str) else _why_not(found[1], thought)
    if isinstance(found, str) or why:
        if why != "there":
            notes.add(f"the field '{name}' is left out: {why}")
        return record
    place, turns = found
    last = {**turns[-1], "reasoning_content" if "role" in turns[-1] else "reasoning": thought}
    notes.add(f"the field '{name}' is taught as the reasoning of the answer")
    taken = (name, *(("instruction", "prompt", "question", "query", "input", *ANSWERS) if place not in record else ()))
    others = {key: value for key, value in record.items() if key not in taken and key != place}
    return {place: [*turns[:-1], last], **others}


def _text(value: Any) -> str:
    """The text of a field, also as the only one of a list; "" where it is something else, or only switches thinking."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value.strip() and plain_name(value) not in _SWITCHES else ""


def _turns(record: Record) -> tuple[str, list[Record]] | str:
    """Return the field of the turns and the turns that end with the one answer of a record; why there are none as a text."""
    if any(name in record for name in SIDES) or not is_missing(record.get("candidates")):
        return _SEVERAL
    for place in ("messages", "conversations"):
        turns = record.get(place)
        if isinstance(turns, list) and turns:
            answers = [turn for turn in turns if isinstance(turn, dict) and _is_answer(turn)]
            if len(answers) != 1 or answers[0] is not turns[-1]:
                return _SEVERAL if answers else "there is no answer"
            return place, turns
    if record.get("history"):
        return _SEVERAL
    asked = next((record[name] for name in PROMPTS if name in record), None)
    said = next((record[name] for name in ("output", "completion", *ANSWERS) if not is_missing(record.get(name))), None)
    if is_missing(said):
        return "there is no answer"
    if isinstance(asked, list):
        turns = [*asked, *(said if isinstance(said, list) else [{"role": "assistant", "content": text_of(said)}])]
        return _turns({"messages": turns}) if all(isinstance(turn, dict) for turn in turns) else "there is no answer"
    given = text_of(record.get("input"))
    task = "\n\n".join(part for part in (text_of(asked), given) if part)
    return "messages", [{"role": "user", "content": task}, {"role": "assistant", "content": text_of(said)}]


def _is_answer(turn: Record) -> bool:
    name = turn.get("role", turn.get("from"))
    return isinstance(name, str) and role_of(name) == "assistant"


def _why_not(turns: list[Record], thought: str) -> str:
    """Why a thought is not the reasoning of the last turn: `there` where the turn holds it already; "" where it may be."""
    last = turns[-1]
    said = [text_of(last.get(name)) for name in ("content", "value", *REASONING)]
    if any(thought.strip() in text for text in said):
        return "there"
    if any(said[2:]) or "<think" in "".join(said[:2])[:200]:
        return "the answer has another reasoning of its own"
    return ""
