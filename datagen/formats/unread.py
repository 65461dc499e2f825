"""The ledger row of a piece of a file that cannot be read."""

from __future__ import annotations

import hashlib

from datagen.data.rows import Row, dropped_row, new_row
from datagen.formats.pieces import Piece
from datagen.formats.shape import dumps


def unread_row(label: str, piece: Piece, problem: str, reason: str, source: str) -> Row:
    """Return the ledger row of a piece: what stands there in `extra`, its start and why it is no row in the evidence.

    Args:
        label: how evidence and ids name the file.
        piece: of the file.
        problem: why it is no row.
        reason: `unreadable`, `needs_images`.
        source: goes to the row's `source`.
    """
    raw = piece.raw or (b"" if piece.record is None else dumps(piece.record).encode("utf-8", "backslashreplace"))
    text = raw.decode("utf-8", "backslashreplace")
    row = new_row(extra=dumps({"raw": text}))
    digest = hashlib.blake2b(f"{label}\0{piece.position}\0".encode("utf-8", "backslashreplace"), digest_size=16)
    digest.update(raw)
    row["id"] = digest.hexdigest()
    row["source"] = source
    # Of a row with images the start may be their bytes.
    start = "" if reason == "needs_images" else text[:200].strip().replace("\r", " ").replace("\n", " ")
    place = f"{label}: {piece.position}"
    return dropped_row(row, "input", reason, evidence=f"{place}: {problem}: {start}" if start else f"{place}: {problem}")
