"""The options of a training run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Literal, get_args

from datagen import options as option_fields
from datagen.errors import UsageError, nearest
from datagen.json_text import dumps
from datagen.options import option
from datagen.render.options import ControlTokens, Reasoning, Rendering
from datagen.training import presets
from datagen.training.lengths import SHORTEST, stages_of, stretch_of

Objective = Literal["sft", "lm", "dpo", "ipo", "hindsight"]
Method = Literal["lora", "full", "dora", "ia3", "prefix", "prompt", "adapter"]
Direction = Literal["forward", "backward"]
Schedule = Literal["cosine", "linear", "constant", "wsd"]
Precision = Literal["auto", "float32", "bfloat16"]
Quantize = Literal["off", "4bit", "8bit"]
TrainOn = Literal["assistant", "last", "all"]
Parallel = Literal["ddp", "fsdp"]
Overflow = Literal["drop", "truncate", "split-turns"]
PAIRED = ("dpo", "ipo")  # objectives of a better and a worse answer
# Peak learning rates where none is given. What sits on few numbers needs larger steps; a preference moves what is learnt.
_LR = {"full": 2e-5, "lora": 2e-4, "dora": 2e-4, "ia3": 5e-3, "prefix": 3e-3, "prompt": 1e-2, "adapter": 5e-4}
_LR_PAIRED = 0.1
_CHOICES: dict[str, tuple[str, ...]] = {
    "objective": get_args(Objective),
    "direction": get_args(Direction),
    "method": get_args(Method),
    "quantize": get_args(Quantize),
    "parallel": get_args(Parallel),
    "train_on": get_args(TrainOn),
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
TRAINER = 5  # bump when it makes another model of the same rows and options
_LEAST_1 = (
    "steps", "batch_size", "max_length", "lora_r", "lora_alpha", "virtual_tokens", "bottleneck", "processes", "micro_tokens",
    "save_every", "tensor_parallel", "pipeline_parallel",
)  # fmt: skip
# Options that change no result, but for rounding.
NO_RESULT = ("fresh", "save_every", "processes", "parallel", "tensor_parallel", "pipeline_parallel")
# What a run that was stopped can go on with otherwise: nothing that its texts, its batches or its weights are made of.
CHANGEABLE = (
    "lr", "lr_end", "schedule", "warmup", "decay", "steps", "clip", "weight_decay", "beta1", "beta2", "epsilon", "beta",
    "spike", "spike_lr_factor", "micro_tokens",
)  # fmt: skip
# name, and the option with its values beside which it means something
_ONLY: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    *((name, "method", ("lora", "dora")) for name in ("lora_r", "lora_alpha", "lora_dropout")),
    ("virtual_tokens", "method", ("prefix", "prompt")), ("bottleneck", "method", ("adapter",)),
    ("quantize", "method", ("lora", "dora", "ia3", "prefix", "prompt", "adapter")),
    ("eot_token", "method", ("full", "lora", "dora")), *(
        (name, of, known) for name in ("tensor_parallel", "pipeline_parallel")
        for of, known in (("method", ("full", "lora")), ("parallel", ("ddp",)))
    ),
    *((name, "objective", ("sft",)) for name in ("train_on", "exemplars", "system_every_turn")),
    ("rope_scaling", "method", ("full",)), ("teacher", "objective", ("sft", "lm", "hindsight")),
    ("beta", "objective", PAIRED), ("decay", "schedule", ("wsd",)), ("lr_end", "schedule", ("cosine", "linear", "wsd")),
    *((name, "objective", ("sft", "lm", "hindsight")) for name in ("neftune", "dropout", "lora_dropout")),
    ("label_smoothing", "objective", ("sft", "lm", "dpo", "hindsight")),
)  # fmt: skip
# name: least, most, and whether it must be above the least
_SPANS = {
    "max_length": (SHORTEST, math.inf, False),
    "epochs": (0.0, math.inf, True), "lr": (0.0, 1.0, True), "lr_end": (0.0, 1.0, False), "warmup": (0.0, 1.0, False),
    "decay": (0.0, 1.0, False), "clip": (0.0, math.inf, True), "weight_decay": (0.0, 1.0, False), "beta": (0.0, math.inf, True),
    "beta1": (0.0, 0.9999, False), "beta2": (0.0, 0.999999, False), "epsilon": (0.0, 1.0, True),
    "batch_warmup": (0.0, 1.0, False), "label_smoothing": (0.0, 0.4999, False), "neftune": (0.0, math.inf, True),
    "temperature": (0.0, math.inf, True), "teacher_weight": (0.0, 1.0, True), "dropout": (0.0, 0.99, False),
    "minutes": (0.0, math.inf, True), "spike": (0.0, math.inf, True),
    "spike_lr_factor": (0.0, 1.0, True), "lora_dropout": (0.0, 0.99, False),
}  # fmt: skip


@dataclass(frozen=True)
class TrainOptions:
    """How to fine-tune a model on rows.

    Raises:
        UsageError: an option has a value that it cannot have; the message names both.
    """

    model: str = option("smollm2", "smollm2, a directory, or a Hub id")
    direction: Direction = option("forward", "backward: learn the task from the answer, for `datagen backtranslate`")
    preset: str | None = option(
        None, "the settings of a known model, under those that are given: alpaca, alpaca-lora, llama2, lima, qwen, deepseek,"
        " deepseek-dpo, yi, telechat",
    )  # fmt: skip
    objective: Objective = option(
        "sft",
        "sft: the answers; lm: every token of plain text; dpo, ipo: the best of a row's `candidates` rather than the worst;"
        " hindsight: both, each after what it is worth",
    )  # fmt: skip
    method: Method = option(
        "lora",
        "full: every weight; lora, dora: small matrices beside every linear layer; ia3: scales in attention and feed-forward;"
        " prefix: keys and values before the text; prompt: embeddings before it; adapter: layers in each block",
    )  # fmt: skip
    steps: int | None = option(None, "optimiser steps; off = as many as `epochs` gives")
    minutes: float | None = option(None, "as many steps as fit into so many minutes, by two timed passes; off = `steps`")
    epochs: float = option(1.0, "passes over the rows, used when `steps` is off")
    lr: float | None = option(
        None,
        "peak learning rate; off = 2e-5 for full, 2e-4 for lora and dora, 5e-4 for adapter, 3e-3 for prefix, 5e-3 for ia3,"
        " 1e-2 for prompt; a tenth of that for dpo and ipo",
    )  # fmt: skip
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
    train_on: TrainOn = option(
        "assistant",
        "assistant: every answer; last: the last one of a conversation; all: every token, the task's too",
        group="Text",
    )
    overflow: Overflow | None = option(
        None,
        "of texts over `max_length`: drop: leave the row out; truncate: cut the task's left, then the answer; split-turns: a"
        " conversation goes on as another; off = drop, and no run where these are over 5 % of the rows", group="Text",
    )  # fmt: skip
    exemplars: int = option(0, "solved examples in each instruction, of other rows of its source", group="Text")
    system_every_turn: bool = option(False, "the system prompt before every question of a conversation", group="Text")
    eot_token: str | None = option(
        None, "ends each answer instead of the template's own token; a new one is added and trained", group="Text"
    )
    date: str | None = option(
        None, "that chat templates take for today, YYYY-MM-DD; off = the day on which the run began", group="Text"
    )
    control_tokens: ControlTokens = option(
        "drop", "those in a row's text: drop: leave the row out; escape: show them escaped", group="Text"
    )
    lora_r: int = option(16, "rank of the matrices of lora and dora", group="Method")
    lora_alpha: int = option(32, "their updates are scaled by alpha / r", group="Method")
    lora_dropout: float = option(0.0, "share of what enters them that is set to 0 while training", group="Method")
    virtual_tokens: int = option(20, "places before the text, of prefix and prompt", group="Method")
    bottleneck: int = option(64, "width of the layers of adapter", group="Method")
    quantize: Quantize = option("off", "the frozen weights, by bitsandbytes on a GPU; 4bit is nf4", group="Method")
    beta: float = option(0.1, "of dpo and ipo: the larger, the closer the model stays to where it began", group="Objective")
    label_smoothing: float = option(
        0.0, "share of each label that is spread over the vocabulary; of dpo: of the pairs, taken the other way round",
        group="Objective",
    )  # fmt: skip
    neftune: float | None = option(
        None, "alpha of the uniform noise on embeddings, alpha / sqrt(tokens x width); off = none", group="Objective"
    )
    teacher: str | None = option(
        None, "a larger model of the same vocabulary, whose probabilities are learned", group="Objective"
    )
    temperature: float = option(2.0, "of the teacher's and the model's probabilities", group="Objective")
    teacher_weight: float = option(0.5, "share of the loss that is the teacher's", group="Objective")
    dropout: float | None = option(
        None, "of the model's own dropout layers and attention; off = what its config says", group="Objective"
    )
    warmup: float = option(0.03, "share of the steps in which the learning rate rises, 0..1", group="Optimiser")
    schedule: Schedule = option(
        "cosine",
        "of the learning rate after the warmup; cosine and linear fall to `lr_end`, wsd does in its last steps",
        group="Optimiser",
    )
    lr_end: float = option(0.0, "learning rate at the end of a schedule that falls", group="Optimiser")
    decay: float = option(0.2, "share of the steps in which wsd falls", group="Optimiser")
    beta1: float = option(0.9, "of AdamW", group="Optimiser")
    beta2: float = option(0.95, "of AdamW", group="Optimiser")
    epsilon: float = option(1e-8, "of AdamW", group="Optimiser")
    batch_warmup: float = option(0.0, "share of the steps in which the batch grows to `batch_size`", group="Optimiser")
    lengths: tuple[str, ...] = option(
        (), "growing texts, LENGTH:STEPS:LR one after the other, such as 8192:3000:3e-4,16384:1000:4e-5", group="Optimiser"
    )
    rope_scaling: str | None = option(None, "ntk:F: positions for texts F times as long as the model reads", group="Optimiser")
    clip: float = option(1.0, "largest norm of the gradient", group="Optimiser")
    weight_decay: float = option(0.0, "per step and unit of learning rate; never on norms and biases", group="Optimiser")
    device: str = option("auto", "auto, cpu, cuda, cuda:N, mps", group="Machine")
    dtype: Precision = option(
        "auto", "of the arithmetic; auto: bfloat16 where the processor computes in it, else float32", group="Machine"
    )
    spike: float | None = option(
        10.0,
        "a step whose loss or gradient norm lies so many spreads above the running median is left out, and its rows are named;"
        " off = only what is not finite", group="Optimiser",
    )  # fmt: skip
    spike_lr_factor: float = option(0.5, "times the learning rate after each step that was left out", group="Optimiser")
    seed: int = option(17, "of the order of the rows and the first LoRA matrices", group="Optimiser")
    checkpointing: bool = option(
        False, "compute activations again in the backward pass: less memory, more time", group="Machine"
    )
    processes: int = option(1, "that train together on this machine; under torchrun they are counted by it", group="Machine")
    parallel: Parallel = option(
        "ddp",
        "of several processes: ddp: each has the whole model; fsdp: weights, gradients and moments are sharded",
        group="Machine",
    )
    tensor_parallel: int = option(
        1, "processes that share each layer, of full or lora; the others share the rows, as ddp", group="Machine"
    )
    pipeline_parallel: int = option(
        1, "stages of the model's blocks, a process each, of full or lora; passes go from one to the next", group="Machine"
    )
    compile: bool = option(False, "compile the model's blocks; on a GPU", group="Machine")
    micro_tokens: int | None = option(None, "padded tokens per forward pass; off = 1024 on cpu, else 8192", group="Optimiser")
    save_every: int = option(50, "steps between checkpoints", group="Optimiser")
    set: dict[str, str] | None = option(
        None, "on a stopped run: options to go on with, such as lr=1e-4; the change is noted in its history", group="Optimiser"
    )
    fresh: bool = option(False, "remove a checkpoint that is there, and begin again", group="Optimiser")

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
        for name, (least, most, above) in _SPANS.items():
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
        if self.overflow is not None and self.overflow not in get_args(Overflow):
            raise UsageError(f"train: option 'overflow' must be one of {', '.join(get_args(Overflow))}, not '{self.overflow}'")
        if not isinstance(self.exemplars, int) or isinstance(self.exemplars, bool) or not 0 <= self.exemplars <= 32:
            raise UsageError(f"train: option 'exemplars' must be a whole number from 0 to 32, not {self.exemplars!r}")
        if not isinstance(self.seed, int):
            raise UsageError(f"train: option 'seed' must be a whole number, not {self.seed!r}")
        if self.set:
            with_changes(replace(self, set=None), [self.set])
        self._check_together()

    def _check_together(self) -> None:
        """Refuse what would be ignored in silence."""
        defaults = {f.name: f.default for f in fields(TrainOptions)}
        for name, option_of, known in _ONLY:
            if getattr(self, name) != defaults[name] and getattr(self, option_of) not in known:
                there = " or ".join(known)
                held = getattr(self, option_of)
                raise UsageError(f"train: option '{name}' is of {option_of} {there}, not {held}; leave it out")
        said = [name for name in ("steps", "minutes", "lengths") if getattr(self, name)]
        if len(said) > 1:
            raise UsageError(f"train: the steps are given by '{said[0]}' or by '{said[1]}', not by both")
        if self.teacher is None and (self.temperature, self.teacher_weight) != (2.0, 0.5):
            raise UsageError(
                "train: options 'temperature' and 'teacher_weight' are of a teacher; give --teacher, or leave them out"
            )
        _ = self.stages, self.stretched
        if self.eot_token is not None and not self.eot_token.strip():
            raise UsageError("train: option 'eot_token' must be a token that is seen, such as <|eot|>")
        plain = defaults if self.preset is None else {**defaults, **presets.values(self.preset)}
        for name in ("lr", "max_length", "epochs") if self.lengths else ():
            if getattr(self, name) != plain[name]:
                raise UsageError(f"train: option '{name}' is given by 'lengths', as LENGTH:STEPS:LR; leave it out")
        if self.direction == "backward" and self.objective != "sft":
            raise UsageError(f"train: direction backward is of objective sft, not {self.objective}")

    @classmethod
    def filled(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return named values with those of a preset under them, where one is named."""
        name = given.get("preset")
        return {**presets.values(str(name)), **given} if name not in (None, "off", False) else given

    @property
    def rendering(self) -> Rendering:
        """How rows become training text."""
        values = dumps(self.chat_template_kwargs, sort_keys=True, ensure_ascii=True) if self.chat_template_kwargs else ""
        return Rendering(self.reasoning, self.control_tokens, values, train_on_all=self.train_on == "all")

    @property
    def peak_lr(self) -> float:
        """The learning rate after the warmup."""
        if self.lr is not None:
            return self.lr
        return _LR[self.method] * (_LR_PAIRED if self.objective in PAIRED else 1.0)

    @property
    def stages(self) -> list[tuple[int, int, float]]:
        """The stages of growing texts: tokens, steps and peak learning rate of each; none where lengths do not grow."""
        return stages_of(self.lengths)

    @property
    def stretched(self) -> float:
        """How many times as long texts become by `rope_scaling`; 1 without."""
        return stretch_of(self.rope_scaling)

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return self.stages[-1][0] if self.lengths else self.max_length

    def lr_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (0-based) of a run: above 0 in each, and below the peak in those of the warmup."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return self.peak_lr * (step + 1) / (rising + 1)
        flat = max(0, steps - rising - math.ceil(self.decay * steps)) if self.schedule == "wsd" else 0
        done = max(0, step - rising - flat) / max(1, steps - rising - flat)
        linear = 1.0 - done
        share = {"constant": 1.0, "linear": linear, "wsd": linear, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}
        falls_to = self.lr_end if self.schedule != "constant" else 0.0
        return falls_to + (self.peak_lr - falls_to) * share[self.schedule]

    def begun_with(self) -> dict[str, Any]:
        """Return the options that a checkpoint must share with the run that resumes it: all but what it is told then."""
        return {name: value for name, value in self.results().items() if name != "set"}

    def results(self) -> dict[str, Any]:
        """Return the options that change the result."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NO_RESULT}
        return {**given, "trainer": TRAINER}


def with_changes(options: TrainOptions, changes: Iterable[Mapping[str, Any]]) -> TrainOptions:
    """Return options with the changes of a run that was stopped, one after the other.

    Raises:
        UsageError: an option that cannot be changed then, or a value that it cannot have.
    """
    made: dict[str, Any] = {}
    for changed in changes:
        if wrong := sorted(set(changed) - set(CHANGEABLE)):
            known = ", ".join(CHANGEABLE)
            raise UsageError(f"train: --set: '{wrong[0]}' cannot be changed while a run is under way; these can: {known}")
        made |= option_fields.read(TrainOptions, changed, "train: --set")
    return replace(options, **made) if made else options


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
