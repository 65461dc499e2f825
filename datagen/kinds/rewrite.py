"""Write answers anew, grounded in those that rows have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.teacher import Teacher

How = Literal["better", "grounded", "chain_of_thought", "step_back", "turns"]
PROMPTS: dict[How, str] = {
    "better": "rewrite", "grounded": "rewrite_grounded", "chain_of_thought": "chain_of_thought", "step_back": "step_back",
    "turns": "rewrite_turn",
}  # fmt: skip


@dataclass(frozen=True)
class Rewrite(Teacher):
    """Write the answers of rows anew, grounded in those that they have."""

    lesson_at: ClassVar[str] = "datagen.teach.rewrite:Rewriting"

    how: How = "better"  # better, grounded (an assistant's words, no fact added), chain_of_thought, step_back, turns

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return (PROMPTS[self.how],)
