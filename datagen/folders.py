"""Removing what datagen wrote, and nothing else: a person's file may lie in any folder of a run.

What is ours is known by its name and its folder. A folder goes when nothing is left in it; a link goes, never what it leads to.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from datagen.errors import DataError

ITEMS, TASKS = "items.parquet", "lm-eval"  # what an evaluation leaves in a run folder: its numbers, its tasks for the harness
_OF_STEPS = re.compile(
    r"\d{5,}\.(?:parquet|arrow)|(?:verdict|repeat)\.parquet|_(?:done|read|mark)\.json|[0-9a-f]{32}\.json"
    r"|(?:state|reference|metrics|texts)\.(?:safetensors|jsonl|parquet)"
)
_OF_MODELS = re.compile(
    r"(?:adapter_)?model(?:-\d+-of-\d+)?\.(?:safetensors|bin)(?:\.index\.json)?|(?:adapter_|generation_)?config\.json|base\.json"
    r"|bottleneck\.py"
    r"|(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|(?:vocab|merges)\.txt"
    r"|(?:tokenizer|spiece|sentencepiece\.bpe)\.model|chat_template\.(?:jinja|json)|README\.md"
)
_OF_TASKS = re.compile(r"[\w-]+\.(?:yaml|jsonl)")  # for lm-evaluation-harness
_FOLDERS = re.compile(
    r"\d\d-.+|kept|dropped|rewritten|rows|scores|columns|added|against|proxies|test|adapter|model|checkpoint|lm-eval"
)
_TEMPORARY = re.compile(r"\.(.+?)(?:\.tmp|\.old|-new)?")  # of a name


def remove(path: Path) -> None:
    """Remove a file, or from a folder what datagen wrote there, and the folder where that leaves it empty.

    What does not exist is no error; what a person put there stays as it is.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for inner in path.iterdir():
        if _is_ours(inner):
            remove(inner)
    with contextlib.suppress(OSError):  # not empty
        path.rmdir()


def run_of(path: Path) -> Path | None:
    """Return the run folder that a file lies in; None where it lies in none."""
    return next((above for above in path.parents if (above / ".datagen").is_file() or (above / "run.json").is_file()), None)


def is_of_a_step(path: Path) -> bool:
    """Whether a file in the folder of a step has a name that datagen gives."""
    return bool(_OF_STEPS.fullmatch(_plain(path.name)))


def _is_ours(path: Path) -> bool:
    name = _plain(path.name)
    if path.is_dir() and not path.is_symlink():
        return bool(_FOLDERS.fullmatch(name))
    of_model = _plain(path.parent.name) in ("adapter", "model") and bool(_OF_MODELS.fullmatch(name))
    of_tasks = _plain(path.parent.name) == "lm-eval" and bool(_OF_TASKS.fullmatch(name))
    return (
        of_model or of_tasks or bool(_OF_STEPS.fullmatch(name)) or (path.name.startswith(".") and name in ("verdict", "repeat"))
    )


def _plain(name: str) -> str:
    """The name that a temporary one stands for."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] if found else name


def replace(new: Path, final: Path) -> None:
    """Rename a folder over another, whose files that are not ours move into it.

    A kill in between leaves either the old one, or none, never a mixture; the next call picks up what it left.

    Raises:
        DataError: `final` is a file.
    """
    if final.exists() and not final.is_dir():
        raise DataError(f"{final} is a file where a folder is to be written; move it away, and run the same command again")
    old = final.with_name(f".{final.name}.old")
    _hand_on(old, new)
    if final.exists():
        final.rename(old)
    new.rename(final)
    _hand_on(old, final)


def _hand_on(old: Path, new: Path) -> None:
    """Remove a replaced folder, and move what is left of it to the new one, but older forms of its files."""
    remove(old)
    left_over = sorted(old.iterdir()) if old.is_dir() else []
    for left in left_over:
        place = new / left.name
        if left.is_dir() and not left.is_symlink() and place.is_dir():
            _hand_on(left, place)
        elif place.exists():
            remove(left)
        else:
            left.rename(place)
    with contextlib.suppress(OSError):  # not there, or not empty
        old.rmdir()


def remove_new(folder: Path, before: Iterable[str] | None) -> None:
    """Remove from a run folder what datagen made there and was not there before, and the folder if it was not.

    Args:
        folder: the run folder.
        before: the names of what was in it; None where it did not exist.
    """
    for path in list(folder.iterdir()):
        if path.name in (before or ()):
            continue
        if path.name in _OF_RUNS or _is_ours(path) or (_plain(path.name) in _OF_RUNS and not path.is_dir()):
            remove(path)
    if before is None:
        with contextlib.suppress(OSError):  # a person put something there
            folder.rmdir()


_OF_RUNS = (
    ".datagen", ".stdin", "recipe.yaml", "run.json", "mix.json", "report.html", "README.md",
    "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm",
)  # fmt: skip
