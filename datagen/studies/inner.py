"""The progress of a run within a study."""

from __future__ import annotations

from datagen.work import Progress, Silent


class Inner(Silent):
    """What a run says is said; its steps are none of the study's, whose own line stands."""

    def __init__(self, outer: Progress) -> None:
        """Take the progress of the study."""
        self._outer = outer

    def say(self, words: str) -> None:
        """Say it."""
        self._outer.say(words)
