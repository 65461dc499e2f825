"""What a command that writes no ledger says of the pieces that it could not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from datagen.cli.say import say

FIRST = 3  # pieces whose place and reason are said


class Unreadable:
    """Counts the ledger rows that pass, and remembers the first."""

    def __init__(self) -> None:
        """Start with none."""
        self.count = 0
        self._first: list[str] = []

    def noted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield rows as they come."""
        for row in rows:
            if "reason" in row:
                self.count += 1
                if self.count <= FIRST:
                    self._first.append(str(row["evidence"]))
            yield row

    def say(self) -> None:
        """Say on stderr where the first are, and why they are none."""
        from datagen.visible import in_a_line

        for evidence in self._first:
            say(f"datagen: not read: {in_a_line(evidence)}", err=True)
        if self.count > FIRST:
            say(f"datagen: not read: {self.count - FIRST:,} more; dropped/ of `datagen filter` has each of them", err=True)
