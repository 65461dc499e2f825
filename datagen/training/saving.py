"""What a run leaves: an adapter or a model in a folder, with what a server needs to know of it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datagen import folders
from datagen.json_text import dumps
from datagen.models import bottleneck
from datagen.models.origin import origin_of, write_origin
from datagen.models.weights import base_model, quiet
from datagen.render.labels import IGNORED
from datagen.training.batches import Sample
from datagen.training.card import card
from datagen.training.options import TrainOptions
from datagen.training.outcome import Trained
from datagen.training.start import Base


def trained_ends(samples: Sequence[Sample], tokenizer: Any) -> list[int]:
    """Return the special tokens that most texts were taught to end with; a server must stop at them."""
    ends = (next((label for label in reversed(s.labels) if label != IGNORED), None) for s in samples)
    last = Counter(end for end in ends if end is not None)
    return sorted(token for token, n in last.items() if token in tokenizer.added_tokens_decoder and 2 * n > len(samples))


def generation(model: Any, ends: Sequence[int]) -> Any:
    """Return how a model generates, with more tokens to end at."""
    found = copy.deepcopy(model.generation_config)
    known = found.eos_token_id
    known = known if isinstance(known, list) else [] if known is None else [known]
    if more := [token for token in ends if token not in known]:
        found.eos_token_id = [*known, *more]
    return found


def written(model: Any, start: Base, options: TrainOptions, out: Path, samples: Sequence[Sample], trained: Trained) -> Path:
    """Write OUT/adapter or OUT/model, whole or not at all; return which.

    Args:
        model: with its adapter, or the whole of it.
        start: what the run began with.
        options: of the run.
        out: the run folder.
        samples: that it was trained on.
        trained: what the run did.
    """
    name = "model" if options.method == "full" else "adapter"
    fresh = out / f".{name}-new"
    folders.remove(fresh)
    fresh.mkdir(parents=True, exist_ok=True)
    bare = base_model(model)
    origin = origin_of(start.named, start.identity, str(getattr(bare.config, "_commit_hash", None) or ""))
    with quiet():
        if options.method == "full":
            model.save_pretrained(fresh)
        else:
            _save_adapter(model, fresh, origin.base)
        start.tokenizer.save_pretrained(fresh)
        generation(bare, trained_ends(samples, start.tokenizer)).save_pretrained(fresh)
    told = card(name, origin, options, samples, start.tokenizer, trained)
    (fresh / "README.md").write_text(told, encoding="utf-8")  # over peft's empty form
    write_origin(fresh, origin)
    folders.replace(fresh, out / name)
    return out / name


def _save_adapter(adapted: Any, folder: Path, base: str) -> None:
    """Write an adapter in peft's format (bottlenecks in its names), which names its base."""
    if hasattr(adapted, bottleneck.NAME):
        _save_bottlenecks(adapted, folder, base)
        return
    config = adapted.peft_config["default"]
    config.base_model_name_or_path = base
    for name in ("target_modules", "feedforward_modules", "exclude_modules"):  # sets: their order changes by process
        if isinstance(getattr(config, name, None), set):
            setattr(config, name, sorted(getattr(config, name)))
    # save_embedding_layers="auto" would ask the Hub for the base's config
    adapted.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)


def _save_bottlenecks(model: Any, folder: Path, base: str) -> None:
    """Write bottleneck adapters in the names that peft uses, with the file that loads them."""
    from safetensors.torch import save_file

    held: Any = getattr(model, bottleneck.NAME)
    inner = next(iter(held.values())).down.out_features
    config = {"peft_type": "BOTTLENECK", "base_model_name_or_path": base, "task_type": "CAUSAL_LM", "bottleneck": inner}
    (folder / "adapter_config.json").write_text(dumps(config, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    save_file({n: t.detach().cpu().contiguous() for n, t in held.state_dict().items()}, folder / "adapter_model.safetensors")
    (folder / "bottleneck.py").write_text(Path(bottleneck.__file__).read_text("utf-8"), encoding="utf-8")
