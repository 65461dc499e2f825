"""Make tasks and answers from a model's bare user turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.generator import Generator
from datagen.options import option


@dataclass(frozen=True)
class Magpie(Generator):
    """Make exactly N rows from the bare user turn of an aligned model.

    The model gets only what its chat template writes before a user's words, writes them itself, and answers them. The endpoint
    must offer raw completions; `datagen doctor` says whether it does.

    Source: Xu et al. 2024 (Magpie).
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen magpie -n 100 -o runs/magpie --model ./qwen2.5-7b.gguf",
        "datagen magpie -n 100 -o runs/magpie --model qwen --template chatml",
    )
    method_at: ClassVar[str] = "datagen.generate.magpie:maker"

    temperature: float | None = option(1.0, "of the tasks", group="Sampling")
    template: str | None = option(None, "chatml, llama3, … or a model's folder or GGUF file; off = by the model's name")
    system: Literal["auto", "on", "off"] = option("auto", "a message that sets language and topic; auto: where either needs it")
    stop: tuple[str, ...] = option((), "more marks that end a task", group="Tasks", repeat=True)
    first_line: bool = option(False, "a task ends at its first line break", group="Tasks")
    max_task_tokens: int = option(256, "of a task", group="Tasks")

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
