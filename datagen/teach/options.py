"""The options that every teacher shares, beside those of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from datagen.models.options import ModelOptions

PromptLanguage = Literal["auto", "en", "zh", "th"]


@dataclass(frozen=True)
class TeachOptions(ModelOptions):
    """Options of a teacher."""

    temperature: float | None = 0.7  # off = the endpoint's default
    language: PromptLanguage = "auto"  # of the prompts; auto = of each row, where it is en, zh or th, else en

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        super().__post_init__()
        if self.language != "auto":
            self.check_language(self.language)

    def sampled(self, local_tokens: int) -> dict[str, Any]:
        """The parameters of a request; a small local model's answer ends at so many tokens where no limit is given."""
        found = self.sampling()
        if self.loadable and self.max_output_tokens is None:
            found["max_tokens"] = local_tokens
        return found
