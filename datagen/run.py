"""The run folder: steps in order, fingerprints, resume, the completion marker written last.

Each step keeps `NN-name/_done.json` with the fingerprint of all that it depends on; a step whose fingerprint matches is
skipped, a stale one is recomputed with all after it. `run.json` is written last and removed first, so a folder that has one
is complete. A second process on the same folder is refused.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from datagen.dataset import Dataset, materialise
from datagen.engine.local import LocalEngine
from datagen.errors import DatagenError, UsageError
from datagen.formats import read as readers
from datagen.recipe import Recipe
from datagen.shards import count_rows, file_digest, fingerprint, read_json, write_json, write_text
from datagen.stage import ERROR

FORMAT = 1  # of the run folder: bump when its files change


class Progress(Protocol):
    """What a run tells of itself: the step that begins, and how far it is."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """A step begins; `total` is None where it is not known."""

    def at(self, done: int, note: str = "") -> None:
        """So much of the step is done."""

    def close(self) -> None:
        """The run is over."""


class Silent:
    """Progress that nobody watches."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def at(self, done: int, note: str = "") -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


@dataclass
class Result:
    """A finished run: its folder, the content of run.json, and whether anything had to be done."""

    folder: Path
    summary: dict[str, Any]
    worked: bool

    @property
    def errors(self) -> int:
        """Rows that broke a stage."""
        return sum(int(s["dropped"].get(ERROR, 0)) for s in self.summary["stages"])


@dataclass
class Run:
    """A recipe at work in a folder."""

    recipe: Recipe
    out: Path
    progress: Progress
    engine: LocalEngine
    fresh: bool = False
    worked: bool = False
    datasets: list[Dataset] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, list[list[str]]] = field(default_factory=dict)  # name -> [file, sha256]
    tail: str = ""  # fingerprint of everything so far

    def begin(self) -> None:
        """Mark the folder as incomplete: something is about to change."""
        self.worked = True
        (self.out / "run.json").unlink(missing_ok=True)

    def folder(self, position: int, name: str) -> Path:
        """The folder of a step."""
        return self.out / f"{position:02d}-{name}"

    def do(self, folder: Path, mark: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a step unless its marker holds this fingerprint; return the step's entry of run.json, and note it.

        Args:
            folder: the step's folder.
            mark: fingerprint of all that the step depends on.
            work: does the step and returns its entry without `seconds`.
        """
        done = read_json(folder / "_done.json")
        if not done or done.get("fingerprint") != mark or self.fresh:
            self.begin()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "_done.json").unlink(missing_ok=True)
            started = time.monotonic()
            entry = {**work(), "seconds": round(time.monotonic() - started, 3)}
            done = {"fingerprint": mark, "entry": entry}
            write_json(folder / "_done.json", done)
        self.tail = mark
        self.stages.append(done["entry"])
        return dict(done["entry"])

    def digest(self, name: str, paths: list[str]) -> list[list[str]]:
        """Return, and remember for recipe.yaml, the names and hashes of the files behind paths."""
        copy = self.out / ".stdin"
        found = [d for p in paths for d in file_digest(readers.files(p, copy))]
        self.inputs[name] = found
        return found

    def read(self, name: str, paths: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of paths, standard input from the copy that `digest` made."""
        left = self.recipe.limit
        for path in paths:
            source = str(self.out / ".stdin") if path == "-" else path
            for row in readers.read(source, name=name, mapping=self.recipe.mapping or None, limit=left):
                yield row
                left = None if left is None else left - 1
            if left == 0:
                return


def execute(
    recipe: Recipe, out: Path, *, fresh: bool = False, progress: Progress | None = None, workers: int | None = None
) -> Result:
    """Run a recipe in a folder, going on where an earlier run of it stopped; return the finished run.

    Args:
        recipe: what to do.
        out: the run folder; made where it does not exist.
        fresh: recompute every step (the journal of bought answers stays).
        progress: told what is going on.
        workers: processes that score; by default one per core.

    Raises:
        DatagenError: a step cannot be done; everything finished so far stays and is used next time.
    """
    progress = progress or Silent()
    with _locked(out), LocalEngine(workers) as engine:
        run = Run(recipe, out, progress, engine, fresh)
        try:
            _steps(run)
            return _finish(run)
        except DatagenError:
            _remove_if_empty(out)
            raise
        finally:
            progress.close()


def _steps(run: Run) -> None:
    from datagen import steps

    steps.check(run)
    if run.recipe.input:
        steps.read_input(run)
    for position, step in enumerate(run.recipe.steps, start=1):
        steps.kind_of(step)(run, step, run.folder(position, step.name))


def _finish(run: Run) -> Result:
    """Write kept/, dropped/, recipe.yaml, the report and, last, run.json; or nothing when all of it is there."""
    mark = fingerprint(FORMAT, run.tail, [s.written() for s in run.recipe.steps])
    before = read_json(run.out / "run.json")
    if before and before.get("fingerprint") == mark and not run.worked:
        return Result(run.out, before, worked=False)
    run.begin()
    started = time.monotonic()
    run.progress.step("write", None, "rows")
    materialise(run.datasets, run.out)
    _tidy(run)
    write_text(run.out / "recipe.yaml", _recipe_text(run))
    made = sum(s.get("new_rows_in", s["rows_in"]) for s in run.stages if s.get("makes_rows"))
    summary = {
        "datagen": _version(),
        "rows_in": made,
        "rows_kept": count_rows(run.out / "kept"),
        "rows_dropped": count_rows(run.out / "dropped"),
        "seconds": 0.0,
        "stages": [{k: v for k, v in s.items() if k not in ("makes_rows", "new_rows_in")} for s in run.stages],
        "fingerprint": mark,
    }
    from datagen.report.page import write_report

    summary["seconds"] = round(sum(s["seconds"] for s in run.stages) + time.monotonic() - started, 3)
    write_report(run.out, summary)
    write_json(run.out / "run.json", summary)
    return Result(run.out, summary, worked=True)


def _tidy(run: Run) -> None:
    """Remove the folders of steps that the recipe no longer has."""
    names = {run.folder(0, "input").name} if run.recipe.input else set()
    names |= {run.folder(i, s.name).name for i, s in enumerate(run.recipe.steps, start=1)}
    for folder in run.out.glob("[0-9][0-9]-*"):
        if folder.name not in names:
            shutil.rmtree(folder)


def _recipe_text(run: Run) -> str:
    """The recipe with every option spelled out, the versions it ran on and the hash of each input file."""
    import yaml

    packages = ("datagen", "numpy", "pyarrow", "numba", "torch", "transformers", "peft", "openai")
    versions = {p: v for p in packages if (v := _version(p))}
    return yaml.safe_dump({**run.recipe.written()}, sort_keys=False, allow_unicode=True) + "".join(
        "# " + line + "\n"
        for line in yaml.safe_dump(
            {"versions": versions, "inputs": run.inputs}, sort_keys=False, allow_unicode=True
        ).splitlines()
    )


def _version(package: str = "datagen") -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the run folder alone.

    Raises:
        UsageError: another process holds it, or it is a folder of other things.
    """
    from filelock import FileLock, Timeout

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; -o names a folder")
    mine = ("recipe.yaml", "run.json", ".datagen", "journal.sqlite")
    if out.is_dir() and any(out.iterdir()) and not any((out / m).exists() for m in mine):
        raise UsageError(f"{out} holds other files; give -o a folder that is new, empty or an earlier run's")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"cannot make the folder {out}: {e.strerror}") from None
    if not os.access(out, os.W_OK):
        raise UsageError(f"cannot write in {out}")
    lock = FileLock(out / ".datagen")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another datagen process is at work in {out}; wait for it, or give another -o") from None
    try:
        yield
    finally:
        lock.release()


def _remove_if_empty(out: Path) -> None:
    """Leave nothing behind when a run failed before it made or bought anything."""
    from datagen.models.journal import Journal

    nothing = [".datagen", ".stdin"]
    if (path := out / "journal.sqlite").is_file():
        journal = Journal(path)
        if not journal.counts()[1]:
            nothing += [f"{path.name}{end}" for end in ("", "-wal", "-shm")]
        journal.close()
    if not any(p.is_file() and p.name not in nothing for p in out.rglob("*")):
        shutil.rmtree(out, ignore_errors=True)
