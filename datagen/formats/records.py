"""From one record to its rows: the user's map of field names, then the first shape that knows the record."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from datagen.data.rows import Row, new_row
from datagen.errors import UsageError, did_you_mean
from datagen.formats import alpaca, kto, messages, openai, prompt_completion, sharegpt
from datagen.formats.answers import is_missing
from datagen.formats.conversation import Turn, columns_of, turns_of
from datagen.formats.dialects import in_own_names, is_maps, parsed_turns, understood
from datagen.formats.dotted import NOTHING, value_at
from datagen.formats.names import CONVERSATIONS, KNOWN, PROMPTS, SIDES, is_reasoning, known_name, plain_name
from datagen.formats.notes import Notes
from datagen.formats.roles import taken_for
from datagen.formats.shape import Record, check_repeat, dumps, of_dialect, text_of
from datagen.formats.unknown import unknown

TARGETS = ("instruction", "input", "output", "system", "messages", "conversations", "prompt", "completion", "tools")
# What pandas names the numbers of the rows: in CSV, read back and written again, in Parquet.
_INDEX = frozenset({"", "Unnamed: 0", "Unnamed: 0.1", "Unnamed: 0.2", *(f"__index_level_{n}__" for n in range(3))})
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
_TASKS = {"instruction", *PROMPTS, *CONVERSATIONS, *SIDES}
TURN_TARGETS = ("role", "content")  # fields of a turn
# In this order: whole conversations are the truth where a record also has flat fields.
SHAPES: tuple[ModuleType, ...] = (openai, messages, sharegpt, alpaca, prompt_completion)


def checked_map(mapping: Mapping[str, str] | None) -> dict[str, str]:
    """Return {the file's field: our name} of a user's map {our name: the file's field}.

    Raises:
        UsageError: the map speaks of a name that is not ours.
    """
    targets = (*TARGETS, *TURN_TARGETS)
    for name in mapping or ():
        if name not in targets:
            raise UsageError(f"map: '{name}' is no field to map to{did_you_mean(name, targets)}")
    return {theirs: ours for ours, theirs in (mapping or {}).items()}


def without_index(record: Record, names: Collection[str] = ()) -> Record:
    """Return a record without the row numbers that pandas writes beside it, and without an empty cell that has no name.

    Args:
        record: the record of a file.
        names: fields that stay: a map speaks of them.
    """
    if _INDEX.isdisjoint(record):
        return record
    numbers = {key for key in _INDEX & record.keys() - {*names} if _is_number(record[key])}
    return {key: value for key, value in record.items() if key not in numbers}


def without_repeat(record: Record, names: Collection[str], notes: Notes) -> tuple[Record, int]:
    """Return a record without the number that says how often its row is taken, as in our own files, and that number.

    A `repeat` that is no number is a field like another.

    Args:
        record: the record of a file.
        names: fields that a map speaks of.
        notes: is told where a row is taken more than once.

    Raises:
        ValueError: no row can be taken so often.
    """
    value = record.get("repeat")
    text = str(value).strip()
    if "repeat" in names or isinstance(value, bool) or not _NUMBER.fullmatch(text):
        return record, 1
    try:
        check_repeat("field", float(text) if "." in text else int(text))
    except ValueError as error:
        raise ValueError(f"{error}; if it means something else, give it another name") from None
    if (times := int(float(text))) > 1:
        notes.add("the field 'repeat' says that the row is taken several times")
    return {key: one for key, one in record.items() if key != "repeat"}, times


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip() or value.strip().removesuffix(".0").isdecimal()
    return value is None or isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def mapped(record: Record, names: Mapping[str, str], roles: Mapping[str, str], notes: Notes | None = None) -> Record:
    """Return the record under our names; a field that already had such a name moves aside to `NAME_`.

    Args:
        record: the record of a file.
        names: {the file's field: our name}; `role` and `content` are fields of its turns. A name that the record has not is
            a dotted one, of what lies deeper; what it leads to is copied.
        roles: {the file's name of a role: ours}.
        notes: gets what a name is taken for that a user's roles leave out.
    """
    turn_names = {theirs: ours for theirs, ours in names.items() if ours in TURN_TARGETS}
    record = _renamed(record, {theirs: ours for theirs, ours in names.items() if theirs not in turn_names})
    if "output" in names.values() and "output" in record and not record.keys() & _TASKS:
        record = {"instruction": "", **record}  # plain text, of which the map says that it is an answer to nothing
    if not turn_names and not roles:
        return record
    found: Record = {}
    beside: dict[str, str] = {}
    for field in CONVERSATIONS:
        turns = record.get(field)
        if isinstance(turns, str):
            turns = parsed_turns(turns, turn_names)
        if is_maps(turns):
            found[field] = [_with_role(_renamed(turn, turn_names), roles, beside) for turn in turns]
    if notes is not None and roles:
        for theirs, ours in sorted(beside.items()):
            notes.add(f"the role '{theirs[:40]}', which --roles does not name, is read as {ours}")
    return {**record, **found}


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    deeper = {}
    for theirs, ours in names.items():
        if "." in theirs and theirs not in record and (value := value_at(record, theirs)) is not NOTHING:
            deeper[ours] = (value, next(key for key in record if theirs.startswith(f"{key}.")))
    targets = {names[key] for key in record if key in names} | deeper.keys()
    # Of what lies deeper the field around it stays, but not under a name by which it would be read as well.
    targets |= {key for _, key in deeper.values() if known_name(key) in KNOWN}
    renamed: Record = {}
    for key, value in record.items():
        name = names.get(key, key)
        if name == key and key in targets and key not in names:
            while (name := f"{name}_") in record:
                pass
        renamed[name] = value
    return renamed | {ours: value for ours, (value, _) in deeper.items()}


def _with_role(turn: Record, roles: Mapping[str, str], beside: dict[str, str]) -> Record:
    """Return a turn with its role under our name; one that the roles leave out is noted with what it is taken for."""
    held = [key for key in ("role", "from") if isinstance(turn.get(key), str)]
    name = next((key for key in held if turn[key].strip() in roles), None)
    if name is not None:
        return {**turn, name: roles[turn[name].strip()]}
    if held and (role := taken_for(turn[held[0]])):
        beside[turn[held[0]].strip()] = role
    return turn


def rows_of(record: object, source: str = "", notes: Notes | None = None) -> list[Row]:
    """Return the rows of a record: one, or one per instance of a seed task.

    Args:
        record: a JSON object as Python values.
        source: goes to the row's `source`; the record's own source then stays in `extra`.
        notes: gets what a person should know of the reading.

    Raises:
        ValueError: the record is no object, has none of the known shapes, or holds a lone surrogate.
        NeedsImages: the record says something that is no text.
    """
    if not isinstance(record, dict):
        raise ValueError(f"expected an object with fields, found {_kind(record)}")
    notes = Notes() if notes is None else notes
    try:
        said = [record] if openai.detect(record) else understood(record, notes)
        return [_row(plain, source, record, notes) for plain in said]
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        raise type(error)(in_own_names(str(error), record)) from None


def _row(plain: Record, source: str, whole: Record, notes: Notes) -> Row:
    """Return the row of a plain record, which says what `whole`, as it stands in the file, says in its own words."""
    for shape in SHAPES:
        if shape.detect(plain):
            fields = shape.read_record(plain)
            if plain is not whole and plain != whole:
                fields = of_dialect(fields)
            fields = with_reasoning(fields, plain, notes)
            if kto.is_unwanted(plain if "instances" in whole else whole, notes):
                said = plain.get("completion")
                fields = kto.untaught(of_dialect(fields), len(said) if isinstance(said, list) else 1)
            if "extra" in fields:
                fields["extra"].encode()  # the id covers the conversation only, and a surrogate may be anywhere
            if source:
                fields["source"] = source
            return new_row(**fields)
    raise ValueError(unknown(plain, whole, notes))


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list, whose values have no names (pandas: to_json(orient='records', lines=True) writes them with names)"
    return f"the value {dumps(value)[:40]}"


_SWITCHES = frozenset({
    *("on", "off", "true", "false", "yes", "no", "none", "low", "medium", "high", "enabled", "disabled", "auto"),
})  # fmt: skip
_SEVERAL = "there are several answers, and it does not say whose reasoning it is"


def with_reasoning(fields: Row, record: Record, notes: Notes) -> Row:
    """Return the columns of one answer with its reasoning in the answer's turn; the columns themselves without one.

    A field that cannot be the reasoning of the one answer stays in `extra`, and that is said.

    Args:
        fields: the columns that a shape read of the record.
        record: plain, as the shape read it.
        notes: gets what was done.
    """
    names = [name for name in record if is_reasoning(name) and not is_missing(record[name])]
    if not names:
        return fields
    name = next((name for name in names if _text(record[name])), names[0])
    for other in names:
        if other != name:
            notes.add(f"the field '{other}' is left out: '{name}' holds the reasoning")
    thought = _text(record[name])
    if not thought:
        notes.add(f"the field '{name}' is left out: it holds no text that could be the reasoning of an answer")
        return fields
    system = fields.get("system", "")
    turns = turns_of(new_row(**fields))
    several = fields.get("candidates") or not is_missing(record.get("candidates"))
    why = _SEVERAL if several else _why_not(turns, thought)
    if why:
        if why != "there":
            notes.add(f"the field '{name}' is left out: {why}")
        return fields
    notes.add(f"the field '{name}' is taught as the reasoning of the answer")
    fields = of_dialect(fields)
    extra = {key: value for key, value in json.loads(fields.get("extra") or "{}").items() if key != name}
    read = columns_of([*turns[:-1], {**turns[-1], "reasoning": thought}], system)
    return {**fields, "input": "", **read, "extra": dumps(extra) if extra else ""}


def _text(value: Any) -> str:
    """The text of a field, also as the only one of a list; "" where it is something else, or only switches thinking."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value.strip() and plain_name(value) not in _SWITCHES else ""


def _why_not(turns: list[Turn], thought: str) -> str:
    """Why a thought is not the reasoning of the last turn: `there` where the turn holds it already; "" where it may be."""
    answers = sum(turn["role"] == "assistant" for turn in turns)
    last = turns[-1] if turns else {"role": ""}
    if answers != 1 or last["role"] != "assistant":
        return _SEVERAL if answers else "there is no answer"
    said = [text_of(last[name]) for name in ("content", "reasoning")]
    if not any(said) and not last["tool_calls"]:
        return "there is no answer"
    if any(thought.strip() in text for text in said):
        return "there"
    return "the answer has another reasoning of its own" if said[1] or "<think" in said[0][:200] else ""
