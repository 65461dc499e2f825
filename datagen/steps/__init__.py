"""What each kind of step does in a run folder: one file per kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datagen import assets
from datagen.documents.reading import files_of
from datagen.errors import UsageError
from datagen.formats import read as readers
from datagen.models.causal_lm import find_model
from datagen.recipe import FORWARD_MODEL, GENERATORS, PRE_EXPERIENCE, TEACHERS, TRAINED, Step
from datagen.stage import Stage
from datagen.steps.cutting import cut
from datagen.steps.earlier import opened
from datagen.steps.forward_model import forward_model
from datagen.steps.generating import generate
from datagen.steps.judging import judge
from datagen.steps.mixing import mix, source_paths
from datagen.steps.pairing import pair_up
from datagen.steps.pre_experience import pre_experience
from datagen.steps.reading import read_input
from datagen.steps.rewriting import rewrite
from datagen.steps.teaching import teach
from datagen.steps.training import train
from datagen.work import Run


def kind_of(step: Step) -> Callable[[Run, Step, Path], None]:
    """Return the function that does a step."""
    makers = {**dict.fromkeys(GENERATORS, generate), **dict.fromkeys(TEACHERS, teach)}
    trained = {"train": train, PRE_EXPERIENCE: pre_experience, FORWARD_MODEL: forward_model}
    known = {**makers, "passages": cut, "from_pairs": pair_up, "mix": mix, **trained}
    return known.get(step.kind) or (rewrite if step.options.rewrites else judge)


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
            paths += [p for named in source_paths(options).values() for p in named]
        paths += [p for p in (getattr(options, "eval", None), getattr(options, "seeds", None)) if p]
        paths += source_files(step)
        if step.kind in ("train", *TRAINED) or (step.kind == "mix" and options.grid):
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
        if not path.startswith("hf://") and run.out.resolve() in (place := Path(path).resolve(), *place.parents):
            raise UsageError(f"{path} lies in the run folder {run.out}, which this run rewrites; give another -o")
        if Path(path).is_dir() and not (Path(path) / "run.json").exists() and Path(path).resolve() in run.out.resolve().parents:
            raise UsageError(f"the run folder {run.out} lies in the input {path}, which would read it; give another -o")
        (files_of if path in documents else readers.files)(path)


__all__ = ["check", "kind_of", "read_input"]
