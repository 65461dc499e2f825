"""What a run shows of itself while it works."""

from __future__ import annotations

from typing import Protocol


class Show(Protocol):
    """What is told how far a run is; a `work.Progress` is one."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """A part of the run begins: "" for its steps; `total` is None where it is not known."""

    def at(self, done: int, note: str = "") -> None:
        """So much of the part is done."""

    def say(self, words: str) -> None:
        """Something is to be read: the forecast, a step that is left out."""


class Silent:
    """Shows nothing; what shows some of it is made from this."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Show nothing."""

    def at(self, done: int, note: str = "") -> None:
        """Show nothing."""

    def say(self, words: str) -> None:
        """Show nothing."""


SILENT = Silent()
