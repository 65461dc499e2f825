"""Rows, for stages and kinds of one's own: their schemas, how one is made or dropped, and the views that stages compare.

All of it is `datagen.data.rows`; this name stays.
"""

from datagen.data.rows import (
    LEDGER,
    ROW,
    Row,
    View,
    conversation_turns,
    dropped_row,
    extra_of,
    new_row,
    row_id,
    table_of,
    tasks,
    transcript,
    turn,
    view,
)

__all__ = [
    "LEDGER", "ROW", "Row", "View", "conversation_turns", "dropped_row", "extra_of", "new_row", "row_id", "table_of", "tasks",
    "transcript", "turn", "view",
]  # fmt: skip
