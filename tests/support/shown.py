"""What a training run shows, kept."""

from __future__ import annotations

from datagen.training.show import Silent


class Shown(Silent):
    """Keeps what is said, and the parts with how far each came: `(name, total, [done, …])`."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.parts: list[tuple[str, int | None, list[int]]] = []

    def step(self, name: str, total: int | None, unit: str) -> None:
        self.parts.append((name, total, []))

    def at(self, done: int, note: str = "") -> None:
        self.parts[-1][2].append(done)

    def say(self, words: str) -> None:
        self.said.append(words)
