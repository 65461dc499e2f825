"""A whole table as one JSON object, as pandas' `df.to_json()` and its other orients write it: the records in it.

Only the one object of a file is taken for a table, and only where its form leaves no doubt; a record with lists or maps in
it is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any

from datagen.formats.names import CONVERSATIONS, KNOWN, SIDES, known_name
from datagen.formats.pieces import Piece
from datagen.formats.shape import Record


def unfolded(pieces: Iterator[Piece], known: Collection[str] = ()) -> Iterator[Piece]:
    """Yield pieces as they come; the rows of the one piece instead where it is a table.

    Args:
        pieces: of one file.
        known: names of fields, beside those that are known anyway.
    """
    first = list(islice(pieces, 2))
    found = table_records(first[0].record, known) if len(first) == 1 and not first[0].problem else None
    if found is None:
        yield from chain(first, pieces)
        return
    for number, record in enumerate(found, 1):
        yield Piece(f"row {number}", record, b"", "")


def table_records(value: Any, known: Collection[str] = ()) -> list[Record] | None:
    """Return the records of a table (split, table, index, columns, or `to_dict("list")`); None where the value is none."""
    if not isinstance(value, dict) or not value:
        return None
    if value.keys() <= {"columns", "index", "data"} and {"columns", "data"} <= value.keys():
        return _split(value["columns"], value["data"])
    if value.keys() == {"schema", "data"} and isinstance(value["schema"], dict) and "fields" in value["schema"]:
        rows = value["data"]
        return rows if isinstance(rows, list) and all(isinstance(r, dict) for r in rows) else None
    names = KNOWN | set(known)
    inner = list(value.values())
    if all(isinstance(v, dict) for v in inner):
        if _has_field(value, names) and all(v.keys() == inner[0].keys() for v in inner):
            return [{name: column[row] for name, column in value.items()} for row in inner[0]]
        if all(_is_number(k) for k in value) and all(_has_field(v, names) for v in inner):
            return inner
    return _columns_of_lists(value, names)


def _split(columns: Any, data: Any) -> list[Record] | None:
    if not isinstance(columns, list) or not isinstance(data, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return None
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _columns_of_lists(value: Record, names: Collection[str]) -> list[Record] | None:
    """The rows of columns that are lists of one length, of which one is of texts; a conversation is a list, too, but not so."""
    lists = list(value.values())
    if not all(isinstance(v, list) and len(v) == len(lists[0]) for v in lists) or not lists[0]:
        return None
    texts = [k for k, v in value.items() if known_name(k) in names and all(isinstance(one, str) for one in v)]
    turns = [k for k in value if known_name(k) in (*CONVERSATIONS, *SIDES) and all(isinstance(t, dict) for t in value[k])]
    if not texts or turns or len(lists) < 2:
        return None
    return [{name: column[row] for name, column in value.items()} for row in range(len(lists[0]))]


def _has_field(record: Record, names: Collection[str]) -> bool:
    return any(known_name(key) in names for key in record)


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isdecimal()
