"""The prompts, seed tasks and topics that come with datagen, read from a checkout or from the wheel.

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


def prompt(name: str, language: str, own: str | None = None) -> str:
    """Return the text of a prompt template, such as `self_instruct` in `en`.

    Args:
        name: of the prompt.
        language: of its text.
        own: a folder whose `name.language.jinja` takes the place of the one that comes with datagen.

    Raises:
        UsageError: there is no such prompt, or not in that language, or no such folder; the message lists what there is.
    """
    if own is not None:
        if not Path(own).is_dir():
            raise UsageError(f"there is no folder of prompts {own}")
        if (mine := Path(own, f"{name}.{language}.jinja")).is_file():
            try:
                return mine.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as e:
                raise UsageError(f"{mine}: cannot be read as a template: {e}") from None
    there = {path.name: path for path in folder("prompts").glob("*.jinja")}
    if path := there.get(f"{name}.{language}.jinja"):
        return path.read_text(encoding="utf-8")
    known = [file.split(".")[1] for file in there if file.split(".")[0] == name]
    if known:
        raise UsageError(f"there is no prompt {name!r} in {language!r}{did_you_mean(language, known)}")
    raise UsageError(f"there is no prompt {name!r}{did_you_mean(name, {file.split('.')[0] for file in there})}")


def check_prompts(own: str, also: str = "") -> None:
    """Raise ValueError where a user's folder of prompts holds none, or one whose name none of ours has, nor is `also`."""
    mine = sorted(p.name for p in Path(own).glob("*.*.jinja"))
    if not mine:
        raise ValueError(f"prompts: no NAME.LANGUAGE.jinja in '{own}', such as judge.en.jinja")
    known = {*(path.name.split(".")[0] for path in folder("prompts").glob("*.jinja")), also}
    for name in mine:
        if (first := name.split(".")[0]) not in known:
            raise ValueError(f"prompts: '{own}/{name}' takes the place of no prompt{did_you_mean(first, known)}")


def seed_file(language: str) -> Path:
    """Return the file of seed tasks of a language; raises UsageError when there is none."""
    return _of_language("{}.jsonl", "seed tasks", language, "--seeds PATH")


def topics_file(language: str) -> Path:
    """Return the file of topics of a language; raises UsageError when there is none."""
    return _of_language("topics.{}.yaml", "topics", language, "a file of topics")


def _of_language(pattern: str, what: str, language: str, instead: str) -> Path:
    """Return the file in `seed_tasks/` whose name holds the language; the languages that there are stand in the message."""
    head, tail = pattern.split("{}")
    there = {p.name.removeprefix(head).removesuffix(tail): p for p in folder("seed_tasks").glob(pattern.format("*"))}
    if language not in there:
        raise UsageError(f"there are no {what} in {language!r}{did_you_mean(language, there)}; give {instead}")
    return there[language]


def recipe(name: str) -> Path | None:
    """Return the recipe that comes with datagen under a name such as `quickstart`, or None."""
    path = _PACKAGE / "recipes" / f"{name}.yaml"
    return path if path.is_file() else None


def sample() -> Path:
    """Return the folder of rows with planted faults, on which `datagen try` shows what it finds."""
    return _PACKAGE / "sample"


def shipped(path: str) -> str:
    """Return a path; one in `seed_tasks/` that is not here leads to the file that comes with datagen, where there is one."""
    found = folder("seed_tasks") / path.removeprefix("seed_tasks/")
    return str(found) if path.startswith("seed_tasks/") and not Path(path).exists() and found.is_file() else path
