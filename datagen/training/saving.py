"""What a run leaves: an adapter or a model in a folder, with what a server needs to know of it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datagen.json_text import dumps
from datagen.models import bottleneck
from datagen.models.weights import quiet
from datagen.render.labels import IGNORED
from datagen.training.batches import Sample

_README = """# {kind} made by datagen

{load}

Its base model is `{base}`; `base.json` names the weights by their identity (for a local model the sha256).
"""
_PEFT = """Load it with peft:

    from peft import AutoPeftModelForCausalLM
    model = AutoPeftModelForCausalLM.from_pretrained("{name}")"""
_OWN = """Load it with `bottleneck.py`, which lies beside it and needs torch and safetensors alone:

    from transformers import AutoModelForCausalLM
    from bottleneck import load
    model = load(AutoModelForCausalLM.from_pretrained("{base}"), ".")"""
_KINDS = {"LORA": "A LoRA adapter", "IA3": "An IA3 adapter", "PREFIX_TUNING": "A prefix", "PROMPT_TUNING": "A prompt"}


def trained_ends(samples: Sequence[Sample], tokenizer: Any) -> list[int]:
    """Return the special tokens that most texts were taught to end with; a server must stop at them."""
    last = Counter(next(label for label in reversed(s.labels) if label != IGNORED) for s in samples)
    return sorted(token for token, n in last.items() if token in tokenizer.added_tokens_decoder and 2 * n > len(samples))


def generation(model: Any, ends: Sequence[int]) -> Any:
    """Return how a model generates, with more tokens to end at."""
    found = copy.deepcopy(model.generation_config)
    known = found.eos_token_id
    known = known if isinstance(known, list) else [] if known is None else [known]
    if more := [token for token in ends if token not in known]:
        found.eos_token_id = [*known, *more]
    return found


def save_adapter(
    adapted: Any, tokenizer: Any, folder: Path, base: str, base_id: str, name: str, ends: Sequence[int] = ()
) -> None:
    """Write an adapter in peft's format (bottlenecks in its names) with its tokenizer, a README and `base.json` into a folder.

    Args:
        adapted: a model with an adapter on it.
        tokenizer: of its base.
        folder: exists, and is empty.
        base: what transformers loads for the base on this machine.
        base_id: identity of its weights.
        name: how the README calls the folder.
        ends: tokens that it was taught to end with.
    """
    whole = adapted.get_base_model() if hasattr(adapted, "get_base_model") else adapted
    with quiet():
        if hasattr(adapted, bottleneck.NAME):
            _save_bottlenecks(adapted, folder, base)
            kind, load = "Bottleneck adapters", _OWN
        else:
            config = adapted.peft_config["default"]
            kind, load = _KINDS[str(config.peft_type.value)], _PEFT
            config.base_model_name_or_path = base
            for name in ("target_modules", "feedforward_modules", "exclude_modules"):  # sets: their order changes by process
                if isinstance(getattr(config, name, None), set):
                    setattr(config, name, sorted(getattr(config, name)))
            # save_embedding_layers="auto" would ask the Hub for the base's config
            adapted.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
        tokenizer.save_pretrained(folder)
        generation(whole, ends).save_pretrained(folder)
    told = _README.format(kind=kind, load=load.format(name=name, base=base), base=base)
    (folder / "README.md").write_text(told, encoding="utf-8")  # over peft's empty form
    write_base(folder, base, base_id)


def _save_bottlenecks(model: Any, folder: Path, base: str) -> None:
    """Write bottleneck adapters in the names that peft uses, with the file that loads them."""
    from safetensors.torch import save_file

    held: Any = getattr(model, bottleneck.NAME)
    inner = next(iter(held.values())).down.out_features
    config = {"peft_type": "BOTTLENECK", "base_model_name_or_path": base, "task_type": "CAUSAL_LM", "bottleneck": inner}
    (folder / "adapter_config.json").write_text(dumps(config, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    save_file({n: t.detach().cpu().contiguous() for n, t in held.state_dict().items()}, folder / "adapter_model.safetensors")
    (folder / "bottleneck.py").write_text(Path(bottleneck.__file__).read_text("utf-8"), encoding="utf-8")


def save_full(model: Any, tokenizer: Any, folder: Path, base: str, base_id: str, ends: Sequence[int] = ()) -> None:
    """Write a whole model (safetensors) with its tokenizer and `base.json` into a folder."""
    with quiet():
        model.save_pretrained(folder)
        generation(model, ends).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    write_base(folder, base, base_id)


def write_base(folder: Path, base: str, base_id: str) -> None:
    """Write `base.json`: which weights this was trained from."""
    facts = {"base": base, "base_id": base_id}
    (folder / "base.json").write_text(dumps(facts, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
