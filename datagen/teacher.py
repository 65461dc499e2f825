"""What every teacher is: a step that asks a model about each row and makes rows of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from datagen.chat.options import ModelOptions
from datagen.options import option
from datagen.step import Kind, loaded

PromptLanguage = Literal["auto", "en", "zh", "th"]
LOW, HIGH = 1, 5  # the scale of prompts/judge


class Lesson(Protocol):
    """One kind of work on rows; made from the step's name, its chat and its options."""

    adds: ClassVar[bool]  # whether rows stay beside what is made of them; else one row takes the place of each

    async def taught(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what becomes of a row: rows, and ledger rows (with the key `reason`)."""


@dataclass(frozen=True)
class Teacher(ModelOptions, Kind):
    """What every teacher is: its options, and its work at each row."""

    doer: ClassVar[str] = "datagen.steps.teaching:teach"
    command: ClassVar[bool] = True
    reads_passages: ClassVar[bool] = False  # its rows are passages that wait for their instruction
    lesson_at: ClassVar[str] = ""  # `module:class` of its work, for `lesson`

    temperature: float | None = option(0.7, "0..2; off = the endpoint's default", group="Sampling")
    language: PromptLanguage = option(
        "auto", "of the prompts; auto = of each row, where it is en, zh or th, else en", group="Sampling"
    )
    stall: int = option(100, "rows in a row that the model was asked about in vain before the step stops", group="Pace")

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if self.stall < 1:
            raise ValueError(f"stall must be 1 or more, not {self.stall}")
        if self.language != "auto":
            self.check_language(self.language)

    @property
    def people(self) -> str | None:
        """Rows written by people, beside which the verbs and nouns of its own are counted; None = nothing is compared."""
        return None

    def sampled(self, local_tokens: int) -> dict[str, Any]:
        """The parameters of a request; a small local model's answer ends at so many tokens where no limit is given."""
        found = self.sampling()
        if self.loadable and self.max_output_tokens is None:
            found["max_tokens"] = local_tokens
        return found

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that it may use; their text decides its rows."""
        return ()

    def lesson(self, step: str, chat: Any) -> Lesson:
        """Return its work, ready to ask.

        Args:
            step: the name of the step, for ledger rows.
            chat: the model, a `chat.client.Chat`.
        """
        made: Lesson = loaded(self.lesson_at or self.lacks("lesson", "lesson_at"))(step, chat, self)
        return made
