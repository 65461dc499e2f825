"""The progress of a run within a study."""

from __future__ import annotations

from datagen.work import Progress


class Inner:
    """What a run says is said; its steps are none of the study's, whose own line stands."""

    def __init__(self, outer: Progress) -> None:
        """Take the progress of the study."""
        self._outer = outer

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Nothing: the study's own step stands."""

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        """Say it."""
        self._outer.say(words)

    def close(self) -> None:
        """Nothing: the study goes on."""
