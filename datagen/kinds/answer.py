"""Answer prompts that exist with a model; several at choice, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import between, option
from datagen.teacher import HIGH, LOW, Teacher


@dataclass(frozen=True)
class Answer(Teacher):
    r"""Answer the prompts of ROWS with a model, turn by turn where they are conversations.

    The answer that a row had stays in `extra` as `reference`. With --samples K the best comes first: by the final answer where
    the row has a worked one (#### or \boxed), else by agreement among the K (self-consistency; mean ROUGE-L without final
    answers). Each answer is in OUT/journal.sqlite before it is read; the same command again buys none twice.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen answer prompts.jsonl -o runs/answers --model gpt-4o-mini --estimate",
        "datagen answer gsm8k.jsonl -o runs/best --samples 8 --min-score 0.5",
    )
    lesson_at: ClassVar[str] = "datagen.teaching.answer:Answering"

    samples: int = option(1, "answers per row; all of them are in `candidates`, the best first")
    best: Literal["auto", "rule", "agreement", "judge", "first"] = option(
        "auto", "what says which is best; auto: the final answer where a row has a worked one, else agreement"
    )
    min_score: float | None = option(None, "of the best answer (rule 0..1, agreement 0..1, judge 1..5), below which a row goes")
    system: str | None = option(None, "a system message for rows without one; it is not written into the rows")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if not 1 <= self.samples <= 1024:
            raise ValueError(f"samples must be 1 to 1024, not {self.samples}")
        if self.samples > 1 and self.temperature is not None and self.temperature == 0:
            raise ValueError("several samples need a temperature above 0, or all of them are the same")
        if self.min_score is not None and self.samples == 1 and self.best in ("first", "agreement"):
            raise ValueError("min_score needs best=rule or best=judge, or more samples")
        if self.min_score is not None:
            between("min_score", self.min_score, *((LOW, HIGH) if self.best == "judge" else (0, 1)))

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """Rows with or without one."""
        return "any"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use."""
        return ("judge",) if self.best == "judge" else ()
