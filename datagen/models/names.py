"""How a model is named: the embedded one, a folder or GGUF file that is here, or a name of somewhere else."""

from __future__ import annotations

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
