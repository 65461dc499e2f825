"""The settings that known models were fine-tuned with: presets/NAME.yaml, each value with where it is written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from datagen.errors import UsageError, did_you_mean

FOLDER = Path(__file__).with_name("presets")


class Value(TypedDict):
    """The value of an option, and where it is written."""

    value: Any
    source: str


class Preset(TypedDict):
    """What a preset is of, its values by option, and what of the original is not done here."""

    about: str
    values: dict[str, Value]
    not_done: list[str]


def names() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def preset(name: str) -> Preset:
    """Return a preset; raises UsageError where there is none of that name."""
    import yaml

    if name not in names():
        raise UsageError(f"train: there is no preset '{name}'{did_you_mean(name, names())}")
    found: Preset = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return found


def told(name: str) -> str:
    """Return what is said of a preset: what it is of, and what of that is not done here."""
    found = preset(name)
    left = f"; not done here: {'; '.join(found['not_done'])}" if found["not_done"] else ""
    return f"preset {name}: {found['about']}{left}"


def values(name: str) -> dict[str, Any]:
    """Return the options of a preset."""
    return {option: one["value"] for option, one in preset(name)["values"].items()}
