"""Make harder tasks of tasks (Evol-Instruct), with their lineage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from datagen.options import option
from datagen.teacher import Teacher

Operation = Literal["constraints", "deepen", "concretize", "reasoning", "complicate_input", "breadth"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


@dataclass(frozen=True)
class Evolve(Teacher):
    """Evolve the tasks of ROWS (Evol-Instruct) and answer the new ones; ROWS stay beside them.

    An evolved task goes where it asks for nothing more (judged), shows words of the prompt, or cannot be answered; its round
    then counts for nothing, and the next starts from the old task. `parents` and `extra` hold the lineage: `datagen explain`.

    Source: Xu et al. 2023 (WizardLM, arXiv 2304.12244).
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen evolve rows.jsonl -o runs/evolved --rounds 2 --model gpt-4o-mini",
        "datagen evolve rows.jsonl -o runs/evolved --operations deepen --estimate",
    )
    lesson_at: ClassVar[str] = "datagen.teaching.evolve:Evolving"

    temperature: float | None = option(1.0, "0..2; off = the endpoint's default", group="Sampling")
    top_p: float | None = option(0.95, "0..1; off = the endpoint's default", group="Sampling")
    rounds: int = option(1, "each starts from what the one before made")
    operations: tuple[Operation, ...] = option(OPERATIONS, "drawn for each row and round")
    answer_temperature: float | None = option(
        0.3, "of the answers to new tasks; off = the endpoint's default", group="Sampling"
    )
    check_gain: bool = option(True, "ask whether a new task asks for more than the old one")
    seed: int = option(17, "which operation a row gets")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if not 1 <= self.rounds <= 20:
            raise ValueError(f"rounds must be 1 to 20, not {self.rounds}")
        wrong = [o for o in self.operations if o not in OPERATIONS]
        if wrong or not self.operations:
            named = f"there is no operation '{wrong[0]}'" if wrong else "operations names none"
            raise ValueError(f"{named}; they are {', '.join(OPERATIONS)}")

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """Rows with or without one."""
        return "any"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return ("evolve", *(("evolve_equal",) if self.check_gain else ()))
