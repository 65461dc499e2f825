"""The run folder: steps in order, fingerprints, resume, the completion marker written last.

Each step keeps `NN-name/_done.json` with the fingerprint of all that it depends on; a step whose fingerprint matches is
skipped, a stale one is recomputed with all after it. `run.json` is written last and removed first, so a folder that has one
is complete. A second process on the same folder is refused.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen import folders
from datagen.data.dataset import materialise
from datagen.data.shards import count_rows, fingerprint, read_json, write_json, write_text
from datagen.engine.local import LocalEngine
from datagen.errors import BudgetError, DataError, DatagenError, UsageError, of_place
from datagen.generator import Generator
from datagen.recipe import Recipe
from datagen.stage import ERROR
from datagen.step import Kind, find
from datagen.work import Progress, Run, Silent, installed

FORMAT = 1  # of the run folder: bump when its files change


@dataclass
class Result:
    """A finished run: its folder, the content of run.json, and whether anything had to be done."""

    folder: Path
    summary: dict[str, Any]
    worked: bool
    replaced: bool = False  # a finished result of other input or options stood here

    @property
    def stopped(self) -> dict[str, Any] | None:
        """Exit code and message of a step that ended before its aim (a budget, an endpoint), or None."""
        found: dict[str, Any] | None = self.summary["stages"][-1].get("stopped") if self.summary["stages"] else None
        return found

    @property
    def errors(self) -> int:
        """Rows that broke a stage."""
        return sum(int(s["dropped"].get(ERROR, 0)) for s in self.summary["stages"])


def execute(
    recipe: Recipe, out: Path, *, fresh: bool = False, offline: bool = False, progress: Progress | None = None,
    workers: int | None = None, allow_wipeout: bool = False, curve: bool | None = None,
) -> Result:  # fmt: skip
    """Run a recipe in a folder, going on where an earlier run of it stopped; return the finished run.

    Args:
        recipe: what to do.
        out: the run folder; made where it does not exist.
        fresh: recompute every step (the journal of bought answers stays).
        offline: ask no model; generators take their answers from the journal alone.
        progress: told what is going on.
        workers: processes that score; by default one per core.
        allow_wipeout: let a stage drop most of a source, language or tag.
        curve: say how many rows the stages would keep at other thresholds; None = where there are at most 20,000.

    Raises:
        DatagenError: a step cannot be done; everything finished so far stays and is used next time.
    """
    progress = progress or Silent()
    with _locked(out) as there, LocalEngine(workers) as engine:
        before = read_json(out / "run.json")
        recipe_before = (out / "recipe.yaml").read_text("utf-8") if before and (out / "recipe.yaml").is_file() else None
        run = Run(recipe, out, progress, engine, fresh, offline, allow_wipeout, curve, before=before)
        try:
            _steps(run)
            result = _finish(run)
            # Options that change neither a request nor a row, such as an address, leave the marks of the steps as they are.
            result.replaced = before is not None and before.get("marks") != result.summary["marks"]
            if result.replaced and recipe.steps and recipe.steps[0].options.goes_on and before:
                # Its answers are in the journal: a larger n or another cap goes on from them.
                result.replaced = recipe.steps[0].name not in {s.get("name") for s in before.get("stages", ())}
            return result
        except Exception as e:
            if before and recipe_before and run.worked and not run.replacing:
                # The result that stood here is as it was: it is not lost to a mistaken command, or to a guard.
                write_text(out / "recipe.yaml", recipe_before)
                write_json(out / "run.json", before)
            _remove_if_empty(out, there)
            if not isinstance(e, DatagenError) and (named := of_place(e, out)):
                raise named from e
            raise
        finally:
            progress.close()


def estimate(recipe: Recipe, out: Path, probes: int, progress: Progress | None = None) -> dict[str, Any]:
    """Send a few requests of a run and return what the whole of it would take; see `generate.estimate`, `steps.quoting`.

    Args:
        recipe: one whose first step is a generator, or which asks models about rows or passages of documents.
        out: the run folder; the answers stay in its journal, and the run buys none of them again.
        probes: how many requests of a generator, or rows that models are asked about.
        progress: told what is going on.

    Raises:
        DatagenError: as `execute`.
    """
    from datagen import steps
    from datagen.generate.estimate import probe
    from datagen.steps.generating import ready, seed_rows
    from datagen.steps.quoting import quote

    first, *rest = recipe.steps
    with _locked(out) as there, LocalEngine(1) as engine:
        run = Run(recipe, out, progress or Silent(), engine)
        try:
            run.progress.step("estimate", None, "rows")
            steps.check(run)
            if isinstance(first.options, Generator):
                with ready(run, first, seed_rows(run, first), probes) as loop:
                    return probe(loop, first.options.n, min(first.options.concurrency, first.options.ahead))
            _check_free(out)
            if recipe.input:
                steps.read_input(run)
                return quote(run, recipe.steps, probes)
            steps.do(run, first, run.folder(1, first.name))
            return quote(run, rest, probes)
        except BudgetError as e:
            raise BudgetError(f"{e}; the estimate needs more for {probes} probes: try --probes 2, or a higher cap") from e
        except Exception:
            _remove_if_empty(out, there)
            raise
        finally:
            run.progress.close()


def _check_free(out: Path) -> None:
    """Refuse a folder whose result an estimate would take away."""
    if (told := read_json(out / "run.json")) is None:
        return
    if any(s.get("stopped") for s in told["stages"]):
        raise UsageError(
            f"{out} holds a run that was stopped: the same command without --estimate goes on, and buys only the rest"
        )
    raise UsageError(f"{out} holds a finished run, which --estimate would take away; give another -o")


def _steps(run: Run) -> None:
    from datagen import steps

    run.progress.step("check", None, "files")  # a model may have to be fetched, or gigabytes to be hashed
    steps.check(run)
    if run.recipe.input:
        steps.read_input(run)
    for position, step in enumerate(run.recipe.steps, start=1):
        steps.do(run, step, run.folder(position, step.name))
        if not run.stopped and (told := steps.passed(run, step)):
            run.stages[-1] = {**run.stages[-1], "stopped": told}
        if run.stopped:  # the steps after it wait for all of its rows
            return


def _finish(run: Run) -> Result:
    """Write kept/, dropped/, recipe.yaml, the report and, last, run.json; or nothing when all of it is there."""
    mark = fingerprint(FORMAT, run.tail, [s.written() for s in run.recipe.steps])
    before = run.before
    if before and before.get("fingerprint") == mark and not run.worked and _whole(run.out, before):
        return Result(run.out, before, worked=False)
    from datagen.personal_data import counts
    from datagen.report.page import write_report
    from datagen.report.run_card import write_run_card

    run.begin()
    run.replacing = True
    started = time.monotonic()
    run.progress.step("write", None, "rows")
    materialise(run.datasets, run.out)
    _tidy(run, {s.get("name", "") for s in (before or {}).get("stages", ())})
    write_text(run.out / "recipe.yaml", run.written())
    made = sum(s.get("new_rows_in", s["rows_in"]) for s in run.stages if s.get("makes_rows"))
    summary = {
        "datagen": installed(),
        **_against(run),
        "rows_in": made,
        "rows_kept": count_rows(run.out / "kept"),
        "rows_dropped": count_rows(run.out / "dropped"),
        "personal_data": counts.of_folder(run.out / "kept"),
        "seconds": 0.0,
        "stages": [{k: v for k, v in s.items() if k not in ("makes_rows", "new_rows_in")} for s in run.stages],
        "marks": run.marks,
        "fingerprint": mark,
    }
    run.progress.step("report", None, "rows")
    summary["seconds"] = round(sum(s["seconds"] for s in run.stages) + time.monotonic() - started, 3)
    write_report(run.out, summary)
    write_run_card(run.out, summary)
    write_json(run.out / "run.json", summary)
    return Result(run.out, summary, worked=True)


def _against(run: Run) -> dict[str, str]:
    """The run that the rows were judged against, and as it was then."""
    if not run.recipe.against:
        return {}
    return {"against": str(Path(run.recipe.against).resolve()), "against_fingerprint": run.earlier[-1].fingerprint}


def _whole(out: Path, summary: dict[str, Any]) -> bool:
    """Whether the folder still holds what its run.json says."""
    try:
        counts = count_rows(out / "kept"), count_rows(out / "dropped")
    except (OSError, DataError):
        return False
    files = all((out / name).is_file() for name in ("report.html", "recipe.yaml"))
    return counts == (summary.get("rows_kept"), summary.get("rows_dropped")) and files


def _tidy(run: Run, before: set[str]) -> None:
    """Remove what the steps `before` made that the recipe no longer has, and the copies of standard input and pipes."""
    kept = {name for s in run.recipe.steps for name in s.options.leaves}
    for kind in before:
        with contextlib.suppress(UsageError):  # the second of a kind, the input, a module that is gone
            for name in {*find(kind, Kind).leaves} - kept:
                folders.remove(run.out / name)
    for copy in run.out.glob(".stdin*"):
        folders.remove(copy)
    mine = {run.folder(0, "input").name} if run.recipe.input else set()
    mine |= {run.folder(i, s.name).name for i, s in enumerate(run.recipe.steps, start=1)}
    for folder in run.out.glob("[0-9][0-9]-*"):
        if folder.name not in mine and (folder / "_done.json").is_file():
            folders.remove(folder)


@contextmanager
def _locked(out: Path) -> Iterator[set[str] | None]:
    """Hold the run folder alone; give the names of what was in it, None where it was not there.

    Raises:
        UsageError: another process holds it, or it is a folder of other things.
    """
    from filelock import FileLock, Timeout

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; -o names a folder")
    there = {p.name for p in out.iterdir()} if out.is_dir() else None
    others = [name for name in there or () if not name.startswith("journal.sqlite")]
    if others and not (out / ".datagen").exists():
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
        yield there
    finally:
        lock.release()


def _remove_if_empty(out: Path, there: set[str] | None) -> None:
    """Leave `out` as it was found when a run failed before it made or bought anything; `there` as `_locked` gives it."""
    from datagen.chat.journal import FREE, Journal

    if (path := out / "journal.sqlite").is_file():
        journal = Journal(path)
        paid = any(a.outcome != FREE for a in journal.attempts())
        journal.close()
        if paid:
            return
    if not (out / "run.json").exists() and not any(out.rglob("_done.json")) and not any((out / "kept").glob("*")):
        with contextlib.suppress(OSError):  # what ended the run is what is told
            folders.remove_new(out, there)
