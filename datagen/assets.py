"""The prompts and seed tasks that come with datagen, read from a checkout or from the wheel.

In a checkout they lie at the top (`prompts/`, `seed_tasks/`); the wheel carries them as `datagen/_assets/`.
"""

from __future__ import annotations

from pathlib import Path

from datagen.errors import UsageError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent


def folder(kind: str) -> Path:
    """Return the folder `prompts` or `seed_tasks`, wherever this installation keeps it."""
    packed = _PACKAGE / "_assets" / kind
    return packed if packed.is_dir() else _PACKAGE.parent / kind


def prompt(name: str, language: str) -> str:
    """Return the text of a prompt template, such as `self_instruct` in `en`.

    Raises:
        UsageError: there is no such prompt in that language; the message lists the languages that there are.
    """
    path = folder("prompts") / f"{name}.{language}.jinja"
    if not path.is_file():
        known = sorted(p.name.split(".")[1] for p in folder("prompts").glob(f"{name}.*.jinja"))
        raise UsageError(f"there is no prompt '{name}' in '{language}'{did_you_mean(language, known)}")
    return path.read_text(encoding="utf-8")


def seed_file(language: str) -> Path:
    """Return the file of seed tasks of a language; raises UsageError when there is none."""
    path = folder("seed_tasks") / f"{language}.jsonl"
    if not path.is_file():
        known = [p.stem for p in folder("seed_tasks").glob("*.jsonl")]
        raise UsageError(f"there are no seed tasks in '{language}'{did_you_mean(language, known)}; give --seeds PATH")
    return path


def recipe(name: str) -> Path | None:
    """Return the recipe that comes with datagen under a name such as `quickstart`, or None."""
    path = _PACKAGE / "recipes" / f"{name}.yaml"
    return path if path.is_file() else None


def shipped(path: str) -> str:
    """Return a path; one in `seed_tasks/` that is not here leads to the file that comes with datagen, where there is one."""
    found = folder("seed_tasks") / path.removeprefix("seed_tasks/")
    return str(found) if path.startswith("seed_tasks/") and not Path(path).exists() and found.is_file() else path
