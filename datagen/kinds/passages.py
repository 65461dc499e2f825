"""Cut documents into passages: answers that wait for their instruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import option
from datagen.step import Kind


@dataclass(frozen=True)
class Passages(Kind):
    """Cut documents into self-contained passages: answers that wait for their instruction."""

    doer: ClassVar[str] = "datagen.steps.cutting:cut"
    place: ClassVar[Literal["first", "between", "last"]] = "first"

    documents: tuple[str, ...] = option((), "files or folders of text, Markdown, HTML, JSON lines, CSV or Parquet", repeat=True)
    id_field: str | None = option(None, "of records, that holds the id; off = id, url, … or file and position")
    text_field: str | None = option(None, "of records, that holds the text; off = text, content, …")
    min_words: int = option(40, "of a passage; a character of a script without spaces counts as half a word")
    max_words: int = option(350, "of a passage")
    limit: int | None = option(None, "documents that are read; off = all")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be 1 or more, not {self.limit}")
        if not self.documents:
            raise ValueError("needs documents: a file or a folder of them")
        if self.min_words > self.max_words:
            raise ValueError(f"min_words ({self.min_words:,}) is more than max_words ({self.max_words:,})")
        if not 1 <= self.min_words <= self.max_words <= 100_000:
            raise ValueError(f"min_words and max_words must be 1 to 100,000, not {self.min_words:,} and {self.max_words:,}")
