"""Why a task is not kept whether it is new or not: empty, in another language, or against an item rule that was asked for.

The item rules are Alpaca's (`generate_instruction.py`), each under its own name.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex

from datagen.text.tokens import words_in

if TYPE_CHECKING:
    from datagen.generate.draft import Draft

FEWEST, MOST = 4, 150  # words; of scripts without spaces a character counts as half a word
KEYWORDS = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "go to",
    "video", "audio", "music", "flowchart", "diagram",
)  # fmt: skip
_KEYWORD = regex.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b", regex.I)


_BROKEN: dict[str, Callable[[str], bool]] = {
    "length": lambda text: not FEWEST <= words_in(text) <= MOST,
    "punctuation": lambda text: text[0] in string.punctuation,
    "keywords": lambda text: _KEYWORD.search(text) is not None,  # what a model that sees text only cannot do
    "program": lambda text: text.startswith("Write a program"),  # text-davinci-003 wrote too many of them
    "ascii": lambda text: not text[0].isascii(),  # what is not English, as Alpaca saw it
}


@dataclass(frozen=True)
class Refusal:
    """The rules of one run."""

    language: str
    rules: tuple[str, ...] = ()

    def of_task(self, instruction: str) -> tuple[str, str | None] | None:
        """Return why a task is refused and what shows it, or None; known before its answer is bought."""
        from datagen.text.language import identify, is_in

        if not any(c.isalnum() for c in instruction):
            return "empty_task", None
        for rule in self.rules:
            if _BROKEN[rule](instruction):
                return f"rule_{rule}", None
        if not is_in(instruction, self.language):
            return "wrong_language", identify(instruction)[0] or None
        return None

    def of_draft(self, draft: Draft) -> tuple[str, str | None] | None:
        """Return why a task with its answer is refused and what shows it, or None."""
        if refused := self.of_task(draft.item.instruction):
            return refused
        return None if draft.item.output.strip() else ("empty_answer", None)
