"""Make tasks and answers from a model's bare user turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.generator import Generator


@dataclass(frozen=True)
class Magpie(Generator):
    """Make tasks and answers from the bare user turn of an aligned model.

    Source: Xu et al. 2024 (Magpie).
    """

    method_at: ClassVar[str] = "datagen.generate.magpie:maker"

    temperature: float | None = 1.0  # of the tasks
    template: str | None = None  # chatml, llama3, … or a model's folder or GGUF file; off = by the model's name
    system: Literal["auto", "on", "off"] = "auto"  # a message that sets language and topic; auto: where either needs it
    stop: tuple[str, ...] = ()  # more marks that end a task
    first_line: bool = False  # a task ends at its first line break
    max_task_tokens: int = 256  # of a task

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if self.max_task_tokens < 1:
            raise ValueError(f"max_task_tokens must be 1 or more, not {self.max_task_tokens}")
        if self.system == "off" and self.topics:
            raise ValueError("topics reach the model through the system message; leave system on")

    @property
    def steered(self) -> bool:
        """Whether a system message is sent."""
        return self.system == "on" or (self.system == "auto" and (self.language != "en" or self.topics is not None))

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names of the prompt templates that a run uses."""
        return ("answer", *(("magpie",) if self.steered else ()))
