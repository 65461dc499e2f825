"""What a container yields: one piece per record, or per stretch of bytes that is no record."""

from __future__ import annotations

from typing import Any, NamedTuple


class Piece(NamedTuple):
    """One element of a file."""

    position: str  # for people and for the id: "line 12", "element 3", "row 7"
    record: Any  # the record; None where there is a problem
    raw: bytes  # the bytes it was read from; may be empty where the container has none to show
    problem: str  # what is wrong with the bytes; "" for a record
    fault: bool = False  # the container was understood, and what is wrong is in this one record: the file is no other kind
