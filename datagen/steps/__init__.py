"""What each kind of step does in a run folder: one file per kind."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from datagen import assets
from datagen.errors import UsageError
from datagen.formats import read as readers
from datagen.formats import sources, splits
from datagen.recipe import FORWARD_MODEL, GENERATORS, PRE_EXPERIENCE, TEACHERS, TRAINED, Step
from datagen.stage import Stage
from datagen.steps.earlier import opened
from datagen.steps.model import passed
from datagen.steps.reading import read_input
from datagen.work import Run

# Kind of step -> module of this room and function that does it, loaded where a recipe has the kind.
DOERS = {
    **dict.fromkeys(GENERATORS, "generating:generate"), **dict.fromkeys(TEACHERS, "teaching:teach"),
    "passages": "cutting:cut", "from_pairs": "pairing:pair_up", "mix": "mixing:mix", "train": "training:train",
    PRE_EXPERIENCE: "pre_experience:pre_experience", FORWARD_MODEL: "forward_model:forward_model",
}  # fmt: skip


def kind_of(step: Step) -> Callable[[Run, Step, Path], None]:
    """Return the function that does a step."""
    doer = DOERS.get(step.kind) or ("rewriting:rewrite" if step.options.rewrites else "judging:judge")
    module, _, name = doer.partition(":")
    done: Callable[[Run, Step, Path], None] = getattr(importlib.import_module(f"datagen.steps.{module}"), name)
    return done


def source_files(step: Step) -> list[str]:
    """The files that a step names for itself, beside its stage's: documents, pairs, rows by people."""
    options = step.options
    named = options.documents if step.kind == "passages" else options.pairs if step.kind == "from_pairs" else ()
    return [*named, *(p for p in (getattr(options, "seed_rows", None),) if p)]


def check(run: Run) -> None:
    """Look for every file and model that the recipe names, before any step spends time or money.

    Raises:
        DatagenError: one is not there, or lies in the run folder itself, or standard input is named twice.
    """
    paths, made = list(run.recipe.input), {s.name for s in run.recipe.steps if s.kind in TRAINED}
    for step in run.recipe.steps:
        options = step.options
        if step.kind == "mix":
            from datagen.steps.mixing import source_paths

            paths += [p for named in source_paths(options).values() for p in named]
        paths += [p for p in (getattr(options, "eval", None), getattr(options, "seeds", None)) if p]
        paths += source_files(step)
        if step.kind in ("train", *TRAINED) or (step.kind == "mix" and options.grid):
            from datagen.models.causal_lm import find_model

            find_model(options.model)
            run.identity(options.model)
        if isinstance(options, Stage):
            paths += [*(p for named in options.files.values() for p in named), *options.references]
            if getattr(options, "model", None) not in made:  # by this run
                options.identity()
    run.earlier = opened(run.recipe, run.out)
    documents = {p for step in run.recipe.steps for p in getattr(step.options, "documents", ())}
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


__all__ = ["check", "kind_of", "passed", "read_input"]
