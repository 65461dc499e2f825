"""Make translation instructions of sentence pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import between, option
from datagen.step import Kind


@dataclass(frozen=True)
class FromPairs(Kind):
    """Make translation instructions of sentence pairs: PAIRS are records with a field per language.

    No model is asked. The phrasings are in English and, where the pairs have them, in Chinese and Thai; a template shows
    {{ text }}, {{ source }}, {{ target }} and may go through {{ examples }}.
    """

    usage: ClassVar[tuple[str, ...]] = ("datagen from-pairs pairs.jsonl -o runs/pairs --source en --target zh",)
    command: ClassVar[bool] = True
    lead: ClassVar[str] = "pairs"
    doer: ClassVar[str] = "datagen.steps.pairing:pair_up"
    place: ClassVar[Literal["first", "between", "last"]] = "first"

    pairs: tuple[str, ...] = option((), "files of records with a field per language", repeat=True)
    source: str = option("en", "language translated from")
    target: str = option("zh", "language translated into")
    source_field: str | None = option(None, "of the records; off = the language's code")
    target_field: str | None = option(None, "of the records; off = the language's code")
    directions: Literal["both", "one"] = option("both", "both ways, or only from source to target")
    templates: tuple[str, ...] = option(
        (), "files of phrasings; off = prompts/translate.*.jinja of source, target and en", repeat=True
    )
    exemplars: int = option(0, "solved examples inside each instruction, drawn from other pairs")
    phrasings: int = option(1, "instructions per pair and direction, each in other words")
    limit: int | None = option(None, "pairs that are read; off = all")
    seed: int = option(17, "which phrasing and which examples a pair gets")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        if not self.pairs:
            raise ValueError("needs pairs: a file of records with a field per language")
        if self.source == self.target:
            raise ValueError(f"source and target are both {self.source}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be 1 or more, not {self.limit}")
        between("exemplars", self.exemplars, 0, 32)
        between("phrasings", self.phrasings, 1, 100)

    @property
    def row_files(self) -> tuple[str, ...]:
        """The files of pairs."""
        return self.pairs
