"""How rows become training text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from datagen.errors import UsageError

Reasoning = Literal["keep", "last", "drop"]
ControlTokens = Literal["drop", "escape"]


@dataclass(frozen=True)
class Rendering:
    """How rows become training text.

    Raises:
        UsageError: a value that does not exist.
    """

    reasoning: Reasoning = "keep"  # keep: with every answer that has some; last: with the last answer only; drop
    control_tokens: ControlTokens = "drop"  # of the tokenizer, in the text of a row: drop the row, or escape them
    template_options: str = ""  # a JSON object of values for the chat template, such as {"enable_thinking": false}
    train_on_all: bool = False  # every token of a text is taught, not its answers alone
    date: str = ""  # that the chat template takes for today, YYYY-MM-DD; "": today

    def __post_init__(self) -> None:
        for name, known in (("reasoning", get_args(Reasoning)), ("control_tokens", get_args(ControlTokens))):
            if getattr(self, name) not in known:
                raise UsageError(f"option '{name}' must be one of {', '.join(known)}, not {getattr(self, name)!r}")
