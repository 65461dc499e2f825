"""From one record to one row: the user's map of field names, then the first shape that knows the record."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from datagen.errors import UsageError, did_you_mean
from datagen.formats import alpaca, messages, openai, prompt_completion, sharegpt
from datagen.formats.shape import Record, dumps
from datagen.rows import Row, new_row

TARGETS = (
    "instruction",
    "input",
    "output",
    "system",
    "messages",
    "conversations",
    "prompt",
    "completion",
    "tools",
)
# In this order: whole conversations are the truth where a record also has flat fields.
SHAPES: tuple[ModuleType, ...] = (openai, messages, sharegpt, alpaca, prompt_completion)


def checked_map(mapping: Mapping[str, str] | None) -> dict[str, str]:
    """Return {the file's field: our name} of a user's map {our name: the file's field}.

    Raises:
        UsageError: the map speaks of a name that is not ours.
    """
    for name in mapping or ():
        if name not in TARGETS:
            raise UsageError(f"map: '{name}' is no field to map to{did_you_mean(name, TARGETS)}")
    return {theirs: ours for ours, theirs in (mapping or {}).items()}


def mapped(record: Record, names: Mapping[str, str]) -> Record:
    """Return the record under our names; a field that already had such a name moves aside to `NAME_`."""
    targets = {names[key] for key in record if key in names}
    renamed: Record = {}
    for key, value in record.items():
        name = names.get(key) or (f"{key}_" if key in targets else key)
        renamed[name] = value
    return renamed


def row_of(record: object, source: str = "") -> Row:
    """Return the row of a record.

    Args:
        record: a JSON object as Python values.
        source: goes to the row's `source`; the record's own source then stays in `extra`.

    Raises:
        ValueError: the record is no object, has none of the known shapes, or holds a lone surrogate.
    """
    if not isinstance(record, dict):
        raise ValueError(f"expected an object with fields, found {_kind(record)}")
    for shape in SHAPES:
        if shape.detect(record):
            fields = shape.read_record(record)
            if "extra" in fields:
                fields["extra"].encode()  # the id covers the conversation only, and a surrogate may be anywhere
            if source:
                fields["source"] = source
            return new_row(**fields)
    there = ", ".join(map(str, record)) or "none"
    raise ValueError(f"no known fields; it has: {there}; name them with --map instruction=FIELD,output=FIELD")


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return f"the value {dumps(value)[:40]}"
