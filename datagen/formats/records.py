"""From one record to its rows: the user's map of field names, then the first shape that knows the record."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from datagen.errors import UsageError, did_you_mean
from datagen.formats import alpaca, messages, openai, prompt_completion, sharegpt
from datagen.formats.dialects import is_maps, parsed_turns, understood
from datagen.formats.names import CONVERSATIONS, SIDES
from datagen.formats.shape import Record, dumps, of_dialect
from datagen.rows import Row, new_row

TARGETS = ("instruction", "input", "output", "system", "messages", "conversations", "prompt", "completion", "tools")
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


def mapped(record: Record, names: Mapping[str, str], roles: Mapping[str, str]) -> Record:
    """Return the record under our names; a field that already had such a name moves aside to `NAME_`.

    Args:
        record: the record of a file.
        names: {the file's field: our name}; `role` and `content` are fields of its turns.
        roles: {the file's name of a role: ours}.
    """
    turn_names = {theirs: ours for theirs, ours in names.items() if ours in TURN_TARGETS}
    record = _renamed(record, {theirs: ours for theirs, ours in names.items() if theirs not in turn_names})
    if not turn_names and not roles:
        return record
    found: Record = {}
    for field in CONVERSATIONS:
        turns = record.get(field)
        if isinstance(turns, str):
            turns = parsed_turns(turns, turn_names)
        if is_maps(turns):
            found[field] = [_with_role(_renamed(turn, turn_names), roles) for turn in turns]
    return {**record, **found}


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    targets = {names[key] for key in record if key in names}
    renamed: Record = {}
    for key, value in record.items():
        name = names.get(key) or (f"{key}_" if key in targets else key)
        renamed[name] = value
    return renamed


def _with_role(turn: Record, roles: Mapping[str, str]) -> Record:
    name = next((key for key in ("role", "from") if isinstance(turn.get(key), str) and turn[key].strip() in roles), None)
    return turn if name is None else {**turn, name: roles[turn[name].strip()]}


def rows_of(record: object, source: str = "") -> list[Row]:
    """Return the rows of a record: one, or one per instance of a seed task.

    Args:
        record: a JSON object as Python values.
        source: goes to the row's `source`; the record's own source then stays in `extra`.

    Raises:
        ValueError: the record is no object, has none of the known shapes, or holds a lone surrogate.
        NeedsImages: the record says something that is no text.
    """
    if not isinstance(record, dict):
        raise ValueError(f"expected an object with fields, found {_kind(record)}")
    said = [record] if openai.detect(record) else understood(record)
    return [_row(plain, source, dialect=plain is not record and plain != record) for plain in said]


def _row(plain: Record, source: str, *, dialect: bool) -> Row:
    """Return the row of a plain record, which says what a record of a dialect says."""
    for shape in SHAPES:
        if shape.detect(plain):
            fields = shape.read_record(plain)
            if dialect:
                fields = of_dialect(fields)
            if "extra" in fields:
                fields["extra"].encode()  # the id covers the conversation only, and a surrogate may be anywhere
            if source:
                fields["source"] = source
            return new_row(**fields)
    raise ValueError(_unknown(plain))


def _unknown(record: Record) -> str:
    """Say why no shape knows a record, and the map that would help."""
    for name in CONVERSATIONS:
        if is_maps(record.get(name)):
            inside = ", ".join(map(str, record[name][0])) or "nothing"
            return f"the turns in '{name}' have no role; they have: {inside}; name it with --map role=FIELD,content=FIELD"
        if isinstance(record.get(name), list) and record[name]:
            return f"the turns in '{name}' do not say who speaks; write each as a map of a role and its content"
    if all(is_maps(record.get(name)) for name in SIDES):
        return (
            "chosen and rejected share no message, and no prompt stands beside them; put what both answer into a field prompt"
        )
    there = ", ".join(map(str, record)) or "none"
    texts = [name for name, value in record.items() if isinstance(value, str) and any(map(str.isspace, value.strip()))]
    asked, said = texts if len(texts) == 2 else ("FIELD", "FIELD")
    return f"no known fields; it has: {there}; name them with --map instruction={asked},output={said}"


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return f"the value {dumps(value)[:40]}"
