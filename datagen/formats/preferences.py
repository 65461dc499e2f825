"""Records of a better and a worse answer, in the one form of each shape: `chosen`, `rejected` as texts or lists of messages.

Files hold a side as a text, as one message, as the messages of the answer, or as the whole conversation; two sides of one
record may differ in that. What is none of these is an error of the record: without its sides it would have no answer at all.
"""

from __future__ import annotations

from typing import Any

from datagen.formats.names import ANSWERS, PROMPTS, SIDES
from datagen.formats.roles import CALLS, is_answer
from datagen.formats.shape import Record, dumps, text_of

Message = dict[str, Any]
# Both answers in fields of their own, and the better one by its number or letter in another (PKU-Beaver, SHP, …): the fields
# of the two, the field that chooses, and what stands there for the first and for the second. SHP's 1 is its answer A.
_COMPARED = (
    (("response_0", "response_1"), "better_response_id", ("0", "1")),
    (("human_ref_A", "human_ref_B"), "labels", ("1", "0")),
)
_IN_ORDER = (("response_j", "response_k"), ("chosen_response", "rejected_response"))  # the better one first


def with_pair(record: Record) -> Record:
    """Return a record whose sides are written as its shape reads them; one without sides as it is.

    Sides that hold nothing are left out. A `chosen` without a `rejected` is the answer.

    Raises:
        ValueError: a side is no answer, or there is a `rejected` alone.
    """
    record = _compared(record)
    if not any(name in record for name in SIDES):
        return record
    held = [name for name in SIDES if record.get(name) not in (None, "", [], {})]
    if not held:
        return {key: value for key, value in record.items() if key not in SIDES}
    if held == ["rejected"]:
        raise ValueError("there is a rejected answer, and none that was chosen")
    texts = all(isinstance(record[name], str) for name in held)
    conversation = next((n for n in ("messages", "conversations") if isinstance(record.get(n), list) and record[n]), None)
    task = next((name for name in PROMPTS if name in record), None)
    if conversation is None and task is None and (texts or len(held) < len(SIDES)):
        return record  # no shape knows it, and says so
    if texts and conversation is None and isinstance(record[task or ""], str):
        return _alone(record, held, task) if len(held) < len(SIDES) else record
    sides = {name: _messages(name, record[name]) for name in held}
    if conversation:
        found = _after_turns(record, conversation, sides)
    elif task == "instruction" and not _repeat(sides):
        found = {**record, **{name: _text(name, said) for name, said in sides.items()}}
    elif task in (None, "instruction") or (isinstance(record[task], str) and _repeat(sides)):
        found = {**record, **sides}  # whole conversations: chat records read where they part
    else:
        found = _after_prompt(record, task, sides)
    return _alone(found, held, task or conversation) if len(held) < len(SIDES) else found


def _compared(record: Record) -> Record:
    """Return a record of two answers and of which is better with them as its sides.

    Raises:
        ValueError: it does not say which is better.
    """
    if any(name in record for name in SIDES):
        return record
    for pair, field, marks in _COMPARED:
        if not record.keys() >= {*pair, field}:
            continue
        said = text_of(record[field]).removesuffix(".0").strip()  # a number with a gap in its column is 1.0 for pandas
        if said not in marks:
            here = dumps(record[field])[:40]
            raise ValueError(f"the field '{field}' holds {here}, which is neither {marks[0]} nor {marks[1]}")
        return _as_sides(record, pair if said == marks[0] else pair[::-1])
    found = next((pair for pair in _IN_ORDER if record.keys() >= set(pair)), None)
    return _as_sides(record, found) if found else record


def _as_sides(record: Record, pair: tuple[str, ...]) -> Record:
    names = dict(zip(pair, SIDES, strict=True))
    if isinstance(record.get("history"), str) and not any(name in record for name in PROMPTS):
        names["history"] = "prompt"  # of SHP: a post, which is no exchange of earlier turns
    return {names.get(key, key): value for key, value in record.items()}


def _messages(name: str, side: Any) -> list[Message]:
    """Return a side as a list of turns of `role` and `content`, or of `from` and `value`."""
    if isinstance(side, (str, int, float)):  # a number is an answer as its text, as elsewhere
        return [{"role": "assistant", "content": text_of(side)}]
    turns = side if isinstance(side, list) else [side]
    if len(turns) == 1 and isinstance(turns[0], str):
        return _messages(name, turns[0])
    if not all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in turns):
        raise ValueError(f"the field '{name}' holds {dumps(side)[:40]}, where an answer belongs, or its messages")
    return turns


def _repeat(sides: dict[str, list[Message]]) -> bool:
    """Whether every side is a whole conversation, which begins before the answer."""
    return all(len(said) > 1 and not is_answer(said[0]) for said in sides.values())


def _after_prompt(record: Record, task: str | None, sides: dict[str, list[Message]]) -> Record:
    """Return a record with its prompt as messages, which its sides do not repeat."""
    prompt = record[task or "prompt"]
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list):
        return record
    others = {key: value for key, value in record.items() if key != task}
    return {**others, "prompt": prompt, **_beyond(prompt, sides)}


def _beyond(prompt: list[Any], sides: dict[str, list[Message]]) -> dict[str, list[Message]]:
    """Return the sides without the turns before them, where a side repeats those."""
    n = len(prompt)
    return {name: said[n:] if said[:n] == prompt and len(said) > n else said for name, said in sides.items()}


def _after_turns(record: Record, name: str, sides: dict[str, list[Message]]) -> Record:
    """Return a conversation with its sides as turns of its own form."""
    turns = record[name]
    if record.get("chosen") == turns:
        return record  # the conversation of the better answer: chat records read it so
    if any(isinstance(turn, dict) and "role" in turn for turn in turns):
        if all(isinstance(record[side], dict) for side in sides):
            return record
        return {**record, **_beyond(turns, sides)}
    found: Record = {}
    for side, said in _beyond(turns, sides).items():
        if len(said) > 1:
            raise ValueError(f"the field '{side}' holds {len(said)} turns after a conversation, where one answer belongs")
        found[side] = said[0] if "from" in said[0] else {"from": "gpt", "value": _text(side, said)}
    return {**record, **found}


def _text(name: str, said: list[Message]) -> str:
    """Return the text of a side that is one answer."""
    text = said[0].get("content", said[0].get("value"))
    calls = said[0].get("tool_calls") or said[0].get("role", said[0].get("from")) in CALLS
    if len(said) > 1 or calls or not is_answer(said[0]) or not isinstance(text, str):
        raise ValueError(f"the field '{name}' holds messages after a task of plain fields, where one answer belongs as text")
    return text


def _alone(record: Record, held: list[str], place: str | None) -> Record:
    """Return a record whose chosen side has no other as one of a plain answer."""
    side = record[held[0]]
    rest = {key: value for key, value in record.items() if key not in SIDES}
    if any(record.get(name) not in (None, "", []) for name in ANSWERS):
        return rest  # it has an answer: `chosen` is another one, and stays with what the shape keeps
    if place in ("messages", "conversations"):
        return {**rest, place: [*record[place], *(side if isinstance(side, list) else [side])]}
    return {**rest, "output" if place == "instruction" else "completion": side}
