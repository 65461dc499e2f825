"""Write answers anew, grounded in those that rows have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import option
from datagen.teacher import Teacher

How = Literal["better", "grounded", "chain_of_thought", "step_back", "turns"]
PROMPTS: dict[How, str] = {
    "better": "rewrite", "grounded": "rewrite_grounded", "chain_of_thought": "chain_of_thought", "step_back": "step_back",
    "turns": "rewrite_turn",
}  # fmt: skip


@dataclass(frozen=True)
class Rewrite(Teacher):
    """Write the answers of ROWS anew, grounded in those that they have.

    better: corrected, completed, ordered. grounded: a found text as an assistant would say it; one with a new number goes.
    chain_of_thought, step_back: with its reasoning, or the principle first; one that ends in another final answer goes. turns:
    answers of a conversation that repeat an earlier one. The old answer stays in `extra` as `reference`.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen rewrite rows.jsonl -o runs/better --model gpt-4o-mini",
        "datagen rewrite math.jsonl -o runs/steps --how chain_of_thought",
    )
    lesson_at: ClassVar[str] = "datagen.teaching.rewrite:Rewriting"

    how: How = option("better", "better, grounded (an assistant's words, no fact added), chain_of_thought, step_back, turns")

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return (PROMPTS[self.how],)
