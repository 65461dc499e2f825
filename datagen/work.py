"""A recipe at work in a folder: what its steps share, the markers by which they are skipped, and what a run tells of itself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from datagen import assets, folders
from datagen.data.dataset import Dataset, Layer
from datagen.data.rows import Row
from datagen.data.shards import file_digest, fingerprint, read_json, read_table, write_json, write_text
from datagen.engine.local import LocalEngine
from datagen.errors import DataError
from datagen.formats import read as readers
from datagen.formats import sources
from datagen.recipe import Recipe, Step
from datagen.stage import Reference

_SUFFIX = re.compile(r"(?:\.(?:jsonl?|csv|tsv|parquet|arrow|txt))?(?:\.(?:gz|zst|bz2|xz))?$")
PACKAGES = (
    "datagen",
    "numpy",
    "pyarrow",
    "numba",
    "torch",
    "transformers",
    "peft",
    "xllamacpp",
    "openai",
)  # named in recipe.yaml


class Progress(Protocol):
    """What a run tells of itself: the step that begins, and how far it is."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """A step begins; `total` is None where it is not known."""

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """So much of the step is done; `total` where it is known only now."""

    def say(self, words: str) -> None:
        """Something that takes long is under way."""

    def close(self) -> None:
        """The run is over."""


class Earlier(Protocol):
    """An earlier run of the same stages; see `steps.earlier`."""

    @property
    def fingerprint(self) -> str:
        """Of all that it holds."""

    @property
    def input_ids(self) -> list[str]:
        """The ids of the rows that it read."""

    def ids(self, step: Step) -> list[str]:
        """The ids of the rows that a step that rewrites made."""

    def reference(self, step: Step) -> Reference:
        """The scores and ids of the rows that a stage kept."""


class Silent:
    """Progress that nobody watches."""

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """Say nothing."""

    def say(self, words: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Work:
    """What a step is about to do in its folder, as its doer says it; nothing is done yet."""

    mark: str  # fingerprint of all that it depends on
    do: Callable[[], dict[str, Any]]  # does it, unless it is done; returns the entry of run.json without `seconds`
    rows: bool = False  # it writes rows/ and dropped/, which the steps after it take
    moved: bool = False  # these are rows of the step before under other ids; rewritten/ says of which
    verdict: bool = False  # it writes verdict.parquet: which rows go
    made: Callable[[], Mapping[str, int]] = dict  # names and sizes of the files that it leaves beside its folder
    repeat: bool = False  # it writes repeat.parquet: how often each row is taken
    columns: Mapping[str, Path] = field(default_factory=dict)  # that it sets, and the folder of shards which each is in


@dataclass
class Run:
    """A recipe at work in a folder."""

    recipe: Recipe
    out: Path
    progress: Progress
    engine: LocalEngine
    fresh: bool = False
    offline: bool = False  # generators answer from the journal alone
    allow_wipeout: bool = False  # a stage may drop most of a source, language or tag
    curve: bool | None = None  # decide at other thresholds too, and say what would be kept; None = where there are few rows
    earlier: Sequence[Earlier] = ()  # runs that the rows are judged against, the oldest first
    worked: bool = False
    datasets: list[Dataset] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, list[list[str]]] = field(default_factory=dict)  # role -> [file, sha256]
    stamps: dict[str, dict[Path, tuple[int, ...]]] = field(default_factory=dict)  # role -> files as they were when hashed
    listings: dict[str, list[tuple[Callable[[], list[Path]], list[Path]]]] = field(default_factory=dict)  # what folders held
    copies: dict[str, str] = field(default_factory=dict)  # standard input and pipes -> the copies that are read
    before: dict[str, Any] | None = None  # run.json of the result that stood here
    models: dict[str, str] = field(default_factory=dict)  # name -> identity, each looked up once
    tail: str = ""  # fingerprint of everything so far
    marks: dict[str, str] = field(default_factory=dict)  # fingerprint of each step, by the name of its folder
    replacing: bool = False  # kept/ and dropped/ are being written anew

    def begin(self) -> None:
        """Mark the folder as incomplete, something is about to change, and say what: `datagen reparse` reads it."""
        (self.out / "run.json").unlink(missing_ok=True)
        if not self.worked:
            write_text(self.out / "recipe.yaml", self.written())
        self.worked = True

    @property
    def stopped(self) -> dict[str, Any] | None:
        """Why the last step ended before its aim, or None."""
        found: dict[str, Any] | None = self.stages[-1].get("stopped") if self.stages else None
        return found

    def written(self) -> str:
        """The recipe with every option spelled out, the versions it runs on and the hash of each input file read so far."""
        import yaml

        notes = {"versions": {p: v for p in PACKAGES if (v := installed(p))}, "inputs": self.inputs}
        told = yaml.safe_dump(notes, sort_keys=False, allow_unicode=True)
        recipe = yaml.safe_dump(self.recipe.written(), sort_keys=False, allow_unicode=True)
        return recipe + "".join(f"# {line}\n" for line in told.splitlines())

    def folder(self, position: int, name: str) -> Path:
        """The folder of a step."""
        return self.out / f"{position:02d}-{name}"

    def do(self, name: str, folder: Path, work: Work, own: Sequence[Any] = ()) -> None:
        """Do a step unless its marker holds this fingerprint, and hand on what it made.

        Args:
            name: of the step in its recipe.
            folder: the step's folder.
            work: what it depends on and does.
            own: what else it depends on, where its kind is a user's own.
        """
        mark = fingerprint(work.mark, *own) if own else work.mark
        done = read_json(folder / "_done.json")
        # Something was deleted or cut off: nothing in here can be trusted.
        if done and (done.get("files") != _sizes(folder) or ("made" in done and done["made"] != work.made())):
            folders.remove(folder)
            done = None
        if not done or done.get("fingerprint") != mark or self.fresh:
            self.begin()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "_done.json").unlink(missing_ok=True)
            started = time.monotonic()
            entry = {**work.do(), "seconds": round(time.monotonic() - started, 3)}
            # What stopped before its aim is never done: the same command goes on with it.
            done = {"fingerprint": "" if entry.get("stopped") else mark, "entry": entry, "files": _sizes(folder)}
            done |= {"made": made} if (made := work.made()) else {}
            write_json(folder / "_done.json", done)
        self.tail = self.marks[folder.name] = mark
        self.stages.append(done["entry"])
        if work.rows:
            self.datasets.append(Dataset(folder, work.mark, step=name if work.moved else ""))
        if work.verdict:
            often = read_table(folder / "repeat.parquet").column("repeat").to_numpy() if work.repeat else None
            columns = tuple(work.columns.items())
            self.datasets[-1].layers.append(Layer(name, read_table(folder / "verdict.parquet"), often, columns))

    def digest(self, role: str, paths: list[str], split: str | None = None) -> list[list[str]]:
        """Return the names and hashes of the files behind paths, and remember them under a role for recipe.yaml."""
        found: list[list[str]] = []
        self.inputs[role], self.listings[role] = [], []
        for path in paths:
            once = path == "-" or sources.is_pipe(path)
            copy = self.out / f".stdin{len(self.copies) or ''}" if once else None
            files = readers.files(assets.shipped(path), copy, split)
            if once:
                self.copies[path] = str(files[0])
            found += self._hashed(role, files)
            if Path(path).is_dir():
                self.listings[role].append((partial(readers.files, assets.shipped(path), None, split), files))
        return found

    def hashed(self, role: str, listed: Callable[[], list[Path]]) -> list[list[str]]:
        """Return the names and hashes of the files that a function lists, and remember them under a role for recipe.yaml."""
        files = listed()
        self.inputs[role], self.listings[role] = [], [(listed, files)]
        return self._hashed(role, files)

    def _hashed(self, role: str, files: list[Path]) -> list[list[str]]:
        self.watch(role, files)
        found = file_digest(files)
        self.inputs[role] = [*self.inputs.get(role, []), *found]
        return found

    def watch(self, role: str, files: Iterable[Path]) -> None:
        """Remember files as they are now under a role; before they are hashed or read for a fingerprint."""
        self.stamps[role] = {**self.stamps.get(role, {}), **{file: stamp(file) for file in files}}

    def check_unchanged(self, role: str) -> None:
        """Raise DataError where a file under a role is no longer what was hashed: rows of it may be of another content."""
        for listed, held in self.listings.get(role, ()):
            if other := next(iter({*held} ^ {*listed()}), None):
                raise DataError(f"{other} came or went while its folder was read; run the command again when it is whole")
        for file, before in self.stamps.get(role, {}).items():
            if not file.exists() or stamp(file) != before:
                raise DataError(f"{file} was changed while it was read; run the command again when it is whole")

    def read(self, name: str, paths: list[str]) -> Iterator[Row]:
        """Yield the rows of paths under the recipe's maps and limit, standard input from the copy that `digest` made.

        Rows without a source of their own get the name of their path, by which they are counted, balanced and guarded. Where
        a step needs answers before any step makes them, a file without one is an error.
        """
        left = self.recipe.reading.limit
        for path in paths:
            source = self.copies.get(path) or assets.shipped(path)
            own = name or source_name(path)
            how = {**vars(self.recipe.reading), "limit": left}
            for row in readers.read(source, name=name, answers=_answers(self.recipe), **how):
                row["source"] = row["source"] or own
                yield row
                left = None if left is None else left - 1
            if left == 0:
                return

    def identity(self, model: str) -> str:
        """Return what a model is: the hash of its weights where it is here, else its name."""
        from datagen.models import adapter

        if model not in self.models:
            self.models[model] = adapter.identity(model)
        return self.models[model]


def files_in(out: Path, *names: str) -> dict[str, int]:
    """Return the files in these folders of a run, by their paths in it, with their sizes."""
    files = [path for name in names for path in sorted((out / name).rglob("*")) if path.is_file()]
    return {path.relative_to(out).as_posix(): path.stat().st_size for path in files}


def side_rows(what: str, path: str, split: str | None = None) -> list[Row]:
    """Return the rows that a step needs beside its input (seeds, rows to evaluate on): all of them, or an error.

    Raises:
        DataError: a piece cannot be read, or there is no row.
    """
    rows = list(readers.read(assets.shipped(path), split=split))
    lost = [r for r in rows if "reason" in r]
    if lost:
        raise DataError(f"{what}: {len(lost)} of {len(rows)} rows cannot be read, first {lost[0]['evidence']}")
    if not rows:
        raise DataError(f"{what}: {path} holds no rows")
    return rows


def _answers(recipe: Recipe) -> readers.Answers:
    """Return whether the steps of a recipe need rows with answers: rules drop a row without one, training learns silence."""
    needs: Iterator[readers.Answers] = (step.options.needs_answers for step in recipe.steps if step.options.needs_answers)
    return next(needs, "named")


def source_name(path: str) -> str:
    """Return what rows of a path are called: its last part without the suffixes of formats; of a run's kept/ the run's name."""
    if path == "-":
        return "stdin"
    if path.startswith("hf://"):
        return path.removeprefix("hf://datasets/")
    place = Path(os.path.realpath(path))
    name = place.parent.name if place.name == "kept" else place.name
    if name.startswith("pipe:["):  # what a shell's <(…) is has a number that is another each time
        return "pipe"
    name = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _SUFFIX.sub("", name) or name


def stamp(path: Path) -> tuple[int, ...]:
    """Return what tells that a file was changed: which it is, its size, and the times of its last changes."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sizes(folder: Path) -> dict[str, int]:
    """The size in bytes of every file that a step wrote, but its marker."""
    files = sorted(p for p in folder.rglob("*") if folders.is_of_a_step(p) and p.is_file() and p.name != "_done.json")
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in files}


@cache  # a version is read by the parser of e-mails, and each step writes all of them
def installed(package: str = "datagen") -> str:
    """Return the version of an installed package, "" where it is not there."""
    from importlib.metadata import PackageNotFoundError, version  # it loads the parser of e-mails

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
