"""What each kind of step does in a run folder: one file per kind."""

from __future__ import annotations

import os
from pathlib import Path

from datagen import assets
from datagen.errors import UsageError
from datagen.formats import read as readers
from datagen.formats import sources, splits
from datagen.recipe import Step
from datagen.stage import Stage
from datagen.step import loaded
from datagen.steps.earlier import opened
from datagen.steps.model import passed
from datagen.steps.reading import read_input
from datagen.work import Run, Work


def do(run: Run, step: Step, folder: Path) -> None:
    """Do a step in its folder, unless it is done."""
    work = loaded(step.options.doer)(run, step, folder)
    if not isinstance(work, Work):
        raise UsageError(
            f"step '{step.name}': {step.options.doer} returned {type(work).__name__}; it must return a datagen.work.Work"
        )
    own = "." in step.kind and not isinstance(step.options, Stage)  # what a stage depends on has both already
    run.do(step.name, folder, work, (step.kind, step.options.version) if own else ())


def check(run: Run) -> None:
    """Look for every file and model that the recipe names, before any step spends time or money.

    Raises:
        DatagenError: one is not there, or lies in the run folder itself, or standard input is named twice.
    """
    paths, made = list(run.recipe.input), run.recipe.trained
    documents: set[str] = set()
    for kind in (step.options for step in run.recipe.steps):
        paths += [*kind.row_files, *kind.documents]
        documents |= {*kind.documents}
        if kind.trained_from:
            from datagen.models.adapter import base_of
            from datagen.models.causal_lm import find_model

            find_model(base_of(kind.trained_from) or kind.trained_from)
            run.identity(kind.trained_from)
        if isinstance(kind, Stage) and kind.takes_model not in made:  # by this run
            kind.identity()
    run.earlier = opened(run.recipe, run.out)
    if paths.count("-") > 1:
        raise UsageError("standard input (-) can be read once only; save it to a file and name that")
    for path in (assets.shipped(p) for p in paths if p != "-"):
        place, out = Path(os.path.realpath(path)), Path(os.path.realpath(run.out))  # which links that lead nowhere do not stop
        if not path.startswith("hf://") and out in (place, *place.parents):
            raise UsageError(f"{path} lies in the run folder {run.out}, which this run rewrites; give another -o")
        if Path(path).is_dir() and not (Path(path) / "run.json").exists() and place in out.parents:
            raise UsageError(f"the run folder {run.out} lies in the input {path}, which would read it; give another -o")
        _files_of(path, path in documents)


def _files_of(path: str, documents: bool) -> list[Path]:
    """The files behind a path of documents, or of rows; raises DataError where there is none."""
    if not documents:
        return [Path(path)] if sources.is_pipe(path) else readers.files(path, split=splits.ALL)
    from datagen.documents.reading import files_of

    return files_of(path)


__all__ = ["check", "do", "passed", "read_input"]
