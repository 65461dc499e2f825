"""`datagen eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.kinds import run_steps
from datagen.errors import UsageError

_OF_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zst", ".bz2", ".xz")


def _eval(names: tuple[str, ...], out: str, **values: Any) -> int:
    models, tasks = told_apart(names)
    first, *beside = models
    return run_steps(tasks, out, values, lambda own: [{"eval": {**own, "model": first, "beside": beside}}])


def told_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which of some names are models, and which are tasks: files and folders of rows, by what lies there.

    Raises:
        UsageError: one of the two is missing.
    """
    tasks = [name for name in names if _is_task(name)]
    models = [name for name in names if name not in tasks]
    if not models:
        raise UsageError("eval: no model is named beside the tasks: datagen eval MODEL TASKS -o OUT, such as smollm2")
    if not tasks:
        raise UsageError(f"eval: {', '.join(models)}: models, and no file or folder of rows to measure them on")
    return models, tasks


def _is_task(name: str) -> bool:
    path = Path(name).expanduser()
    if path.is_dir():
        return not any((path / file).is_file() for file in ("config.json", "adapter_config.json"))
    return name == "-" or name.startswith("hf://") or name.endswith(_OF_FILES) or (path.exists() and path.suffix != ".gguf")


def _command() -> click.Command:
    from datagen.kinds.eval import Eval

    names = click.Argument(["names"], nargs=-1, required=True, metavar="MODEL... TASKS...")
    params = [names, run_flags.out(), *run_flags.reading(), *run_flags.again("Measure again; answers come from the journal.")]
    return made("eval", Eval, params, _eval, leave=("model", "beside"))


command = _command()
