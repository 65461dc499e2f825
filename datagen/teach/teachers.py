"""The teachers by name: what each makes of a row, and the prompts that its rows depend on."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from datagen import assets
from datagen.languages import PROMPTS
from datagen.models.chat import Chat
from datagen.rows import Row
from datagen.teach import answer, backtranslate, evolve, rewrite, translate
from datagen.teach.options import TeachOptions


class Teacher(Protocol):
    """One kind of work on rows; made from the step's name, its chat and its options."""

    adds: ClassVar[bool]  # whether rows stay beside what is made of them; else one row takes the place of each

    async def taught(self, row: Row) -> list[Row]:
        """Return what becomes of a row: rows, and ledger rows (with the key `reason`)."""


TEACHERS: dict[str, Any] = {
    "answer": answer.Answer, "backtranslate": backtranslate.Backtranslate, "rewrite": rewrite.Rewrite,
    "evolve": evolve.Evolve, "translate": translate.Translate,
}  # fmt: skip


def teacher(kind: str, step: str, chat: Chat, options: TeachOptions) -> Teacher:
    """Return the teacher of a kind, ready to ask."""
    made: Teacher = TEACHERS[kind](step, chat, options)
    return made


def prompts(kind: str, options: TeachOptions) -> list[str]:
    """Return the text of every prompt that a step may use; its rows depend on them."""
    languages = PROMPTS if options.language == "auto" else (options.language,)
    names: tuple[str, ...] = TEACHERS[kind].prompts(options)
    return [assets.prompt(name, language, options.prompts) for name in names for language in languages]
