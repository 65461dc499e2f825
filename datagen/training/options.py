"""The options of a training run, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal, get_args

from datagen.errors import UsageError, nearest
from datagen.json_text import dumps
from datagen.options import option
from datagen.render.options import ControlTokens, Reasoning, Rendering

Method = Literal["lora", "full"]
Direction = Literal["forward", "backward"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
_CHOICES: dict[str, tuple[str, ...]] = {
    "direction": get_args(Direction),
    "method": get_args(Method),
    "schedule": get_args(Schedule),
    "dtype": get_args(Precision),
    "reasoning": get_args(Reasoning),
    "control_tokens": get_args(ControlTokens),
}
# What whoever calls a template gives it, or is told of the texts that it makes.
_NO_VALUES = frozenset({
    "self", "conversation", "messages", "tools", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize",
    "padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs",
})  # fmt: skip
TRAINER = 2  # bump when it makes another model of the same rows and options
_LEAST_1 = ("steps", "batch_size", "max_length", "lora_r", "lora_alpha", "micro_tokens", "save_every")


@dataclass(frozen=True)
class TrainOptions:
    """How to fine-tune a model on rows.

    Raises:
        UsageError: an option has a value that it cannot have; the message names both.
    """

    model: str = option("smollm2", "smollm2, a directory, or a Hub id")
    direction: Direction = option("forward", "backward: learn the task from the answer, for `datagen backtranslate`")
    method: Method = option("lora", "lora: small matrices beside every linear layer; full: every weight")
    steps: int | None = option(None, "optimiser steps; off = as many as `epochs` gives")
    epochs: float = option(1.0, "passes over the rows, used when `steps` is off")
    lr: float | None = option(None, "peak learning rate; off = 2e-4 for lora, 2e-5 for full")
    batch_size: int = option(
        16, "rows per optimiser step; a row counts once per answer where the chat template rewrites history"
    )
    max_length: int = option(1024, "tokens, at most the model's own; longer rows are left out and reported, never cut")
    reasoning: Reasoning = option(
        "keep", "keep: taught with every answer that has some; last: with the last answer; drop: never", group="Text"
    )
    chat_template: str | None = option(
        None, "a file, a name among the tokenizer's own, or chatml; off = the tokenizer's", group="Text"
    )
    chat_template_kwargs: dict[str, Any] | None = option(
        None, 'values for the chat template, such as {"enable_thinking": false}', group="Text"
    )
    date: str | None = option(
        None, "that chat templates take for today, YYYY-MM-DD; off = the day on which the run began", group="Text"
    )
    control_tokens: ControlTokens = option(
        "drop", "those in a row's text: drop: leave the row out; escape: show them escaped", group="Text"
    )
    lora_r: int = option(16, "rank of the LoRA matrices", group="LoRA")
    lora_alpha: int = option(32, "LoRA updates are scaled by alpha / r", group="LoRA")
    warmup: float = option(0.03, "share of the steps in which the learning rate rises, 0..1", group="Optimiser")
    schedule: Schedule = option(
        "cosine", "of the learning rate after the warmup; cosine and linear fall to 0", group="Optimiser"
    )
    clip: float = option(1.0, "largest norm of the gradient", group="Optimiser")
    weight_decay: float = option(0.0, "per step and unit of learning rate; never on norms and biases", group="Optimiser")
    device: str = option("auto", "auto, cpu, cuda, cuda:N, mps", group="Machine")
    dtype: Precision = option(
        "auto", "of the arithmetic; auto: bfloat16 where the processor computes in it, else float32", group="Machine"
    )
    seed: int = option(17, "of the order of the rows and the first LoRA matrices", group="Optimiser")
    micro_tokens: int | None = option(None, "padded tokens per forward pass; off = 1024 on cpu, else 8192", group="Optimiser")
    save_every: int = option(50, "steps between checkpoints", group="Optimiser")
    fresh: bool = option(False, "ignore a checkpoint that fits", group="Optimiser")

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise UsageError(
                    f"train: option '{name}' must be one of {', '.join(known)}, not '{value}'{nearest(str(value), known)}"
                )
        for name in _LEAST_1:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"train: option '{name}' must be a whole number of at least 1, not {value!r}")
        for name, least, most, above in (
            ("epochs", 0.0, math.inf, True),
            ("lr", 0.0, 1.0, True),
            ("warmup", 0.0, 1.0, False),
            ("clip", 0.0, math.inf, True),
            ("weight_decay", 0.0, 1.0, False),
        ):
            value = getattr(self, name)
            if value is not None and not _within(value, least, most, above):
                span = f"above {least:g}" if above else f"at least {least:g}"
                top = "" if most == math.inf else f" and at most {most:g}"
                raise UsageError(f"train: option '{name}' must be a number {span}{top}, not {value!r}")
        self._check_values()

    def _check_values(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise UsageError("train: option 'model' must be smollm2, a directory or a Hub id")
        if not isinstance(self.chat_template_kwargs, dict | None):
            raise UsageError(f"train: option 'chat_template_kwargs' must be names and values: {self.chat_template_kwargs!r}")
        if taken := sorted(_NO_VALUES & (self.chat_template_kwargs or {}).keys()):
            raise UsageError(f"train: option 'chat_template_kwargs': '{taken[0]}' is no value of a template; datagen gives it")
        if self.date is not None and not _is_date(self.date):
            raise UsageError(f"train: option 'date' must be a date such as '2026-01-31', a text, not {self.date!r}")
        if not isinstance(self.seed, int):
            raise UsageError(f"train: option 'seed' must be a whole number, not {self.seed!r}")

    @property
    def rendering(self) -> Rendering:
        """How rows become training text."""
        values = dumps(self.chat_template_kwargs, sort_keys=True, ensure_ascii=True) if self.chat_template_kwargs else ""
        return Rendering(self.reasoning, self.control_tokens, values)

    @property
    def peak_lr(self) -> float:
        """The learning rate after the warmup."""
        return self.lr if self.lr is not None else 2e-4 if self.method == "lora" else 2e-5

    def lr_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (0-based) of a run: above 0 in each, and below the peak in those of the warmup."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return self.peak_lr * (step + 1) / (rising + 1)
        done = (step - rising) / max(1, steps - rising)
        share = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}
        return self.peak_lr * share[self.schedule]

    def results(self) -> dict[str, Any]:
        """Return the options that change the result: what a checkpoint must share with the run that resumes it."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("fresh", "save_every")}
        return {**given, "trainer": TRAINER}


def trainer_options(options: TrainOptions, **changes: Any) -> TrainOptions:
    """Return what the trainer needs of the options of a step, which has some of its own beside them; with changes."""
    return TrainOptions(**{f.name: getattr(options, f.name) for f in fields(TrainOptions)} | changes)


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _within(value: Any, least: float, most: float, above: bool) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        return False
    return (value > least if above else value >= least) and value <= most
