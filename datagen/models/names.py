"""How a model is named: the embedded one, a folder or GGUF file that is here, or a name of somewhere else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

EMBEDDED = "smollm2"


def is_gguf(model: str) -> bool:
    """Whether a model is named by a GGUF file that is here."""
    path = Path(model).expanduser()
    return path.suffix.lower() == ".gguf" and path.is_file()


def is_local(model: str) -> bool:
    """Whether a model is here: the embedded one, a GGUF file, or a folder with a whole model or a LoRA adapter."""
    folder = any(Path(model, name).is_file() for name in ("config.json", "adapter_config.json"))
    return folder or model == EMBEDDED or is_gguf(model)


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Return models -> the ends of their names that tell them apart."""
    words = {model: Path(model).parts for model in models}
    length = 1
    while len({words[model][-length:] for model in models}) < len(models) and length < max(map(len, words.values())):
        length += 1
    return {model: str(Path(*words[model][-length:])) for model in models}
