"""A training text and the parts of it that the model is taught."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[int, int, float]


@dataclass(frozen=True)
class Rendered:
    """A text and its spans with loss: (start, end, weight), character offsets into `text`, in order."""

    text: str
    spans: list[Span]
