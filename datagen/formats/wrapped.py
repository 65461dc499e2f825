"""Records that an export wraps: one object with all of them in a list (`{"data": […]}`), or each in a field `row`.

What is a row by itself stays one, and only a list that leaves no doubt is taken for the records; which one is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from datagen.formats.dialects import is_maps
from datagen.formats.dotted import NOTHING, shown, value_at
from datagen.formats.pieces import Piece
from datagen.formats.records import mapped, rows_of
from datagen.formats.splits import tell

Record = dict[str, Any]
DEPTH = 3  # maps down to a list
SAMPLE = 3  # records of a list by which it is known
# Names of lists that are the records also where none of them is understood yet.
LISTS = frozenset({"data", "rows", "records", "items", "examples", "samples", "entries", "results", "instances", "dataset"})
_OF_A_ROW = frozenset({"row_idx", "row", "truncated_cells"})  # as the dataset viewer of the Hub answers


def unwrapped(pieces: Iterator[Piece], names: Mapping[str, str], place: str) -> Iterator[Piece]:
    """Yield pieces without what is around their records.

    Args:
        pieces: of one file of JSON.
        names: {the file's field: our name} of a user's map.
        place: the file.
    """
    first = list(islice(pieces, 2))
    found = _listed(first[0].record, names) if len(first) == 1 and isinstance(first[0].record, dict) else {}
    if not found:
        yield from map(_row, chain(first, pieces))
        return
    if len(found) > 1:
        lists = ", ".join(f"{name} ({len(records):,})" for name, records in found.items())
        way = f"jq '.{next(iter(found))}' {place} > one.json"
        problem = f"one object with several lists of records: {lists}; write one of them as a file of its own: {way}"
        yield first[0]._replace(record=None, problem=problem)
        return
    ((name, records),) = found.items()
    beside = [key for key in first[0].record if key != name.partition(".")[0]]
    others = f", not what stands beside it ({shown(beside, 5)})" if beside else ""
    tell(place, f"{place}: of its one object the list '{name}' is read as the rows ({len(records):,}){others}")
    for number, record in enumerate(records, 1):
        if isinstance(record, dict):
            yield _row(Piece(f"{name}, element {number}", record, b"", ""))
        else:
            yield Piece(f"{name}, element {number}", record, b"", "")


def _row(piece: Piece) -> Piece:
    """The piece of the row itself where one is wrapped; one whose cells were cut is none."""
    record = piece.record
    if not isinstance(record, dict) or not isinstance(record.get("row"), dict) or not record.keys() <= _OF_A_ROW:
        return piece
    if cut := record.get("truncated_cells"):
        return Piece(piece.position, None, piece.raw, f"the server cut off its cells {', '.join(map(str, cut))}", fault=True)
    return Piece(piece.position, record["row"], piece.raw, "")


def _listed(value: Record, names: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the lists that may be the records, by their dotted names; none where the object is a row, or no such list."""
    if _is_row(value, names):
        return {}
    lists = dict(_lists("", value, 0))
    good = {name: found for name, found in lists.items() if any(_is_row(_bare(one), names) for one in found[:SAMPLE])}
    return good or {name: found for name, found in lists.items() if len(lists) == 1 and name.rpartition(".")[2] in LISTS}


def _lists(name: str, value: Record, depth: int) -> Iterator[tuple[str, list[Any]]]:
    for key, inner in value.items():
        below = f"{name}.{key}" if name else key
        if is_maps(inner):
            yield below, inner
        elif isinstance(inner, dict) and depth < DEPTH:
            yield from _lists(below, inner, depth + 1)


def _bare(record: Record) -> Record:
    inner = record.get("row")
    return inner if isinstance(inner, dict) and record.keys() <= _OF_A_ROW else record


def _is_row(record: Record, names: Mapping[str, str]) -> bool:
    """Whether a record says a row, or has a field that the user's map speaks of."""
    if any(value_at(record, name) is not NOTHING for name in names):
        return True
    try:
        return bool(rows_of(mapped(record, names, {})))
    except (ValueError, OverflowError, RecursionError):
        return False
