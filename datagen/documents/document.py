"""One document: its text as it was read, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Markup = Literal["text", "markdown", "html"]


@dataclass(frozen=True)
class Document:
    """A text with its id; spans of passages are character offsets into `text`."""

    id: str
    text: str
    markup: Markup = "text"
    title: str = ""
    source: str = ""  # the file that it was read from
    problem: str = ""  # why it could not be read; `text` is then what there was
