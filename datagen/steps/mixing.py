"""A mixture of sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen import options as option_fields
from datagen.data.dataset import Dataset, ingest, reason_counts
from datagen.data.rows import REWRITTEN, Row, row_id
from datagen.data.shards import ShardWriter, fingerprint, read_json, write_json
from datagen.errors import DataError
from datagen.formats import splits
from datagen.progress import counted
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry, made, write_verdict
from datagen.training.options import TRAINER
from datagen.work import Run, Work, side_rows


def mix(run: Run, step: Step, folder: Path) -> Work:
    """Read the sources as the rows of this step, decide how often each is taken, and add that as a layer."""
    from datagen.mixture import decide as mixture

    options = step.options
    paths = options.source_paths
    reading = run.recipe.reading
    digests = {n: run.digest(f"{step.name}.{n}", p, reading.split) for n, p in paths.items()}
    how = [reading.roles, reading.encoding, reading.split and f"split {reading.split}"]
    read_mark = fingerprint(
        VERSION, list(options.sources), digests, dict(options.systems), reading.mapping, reading.limit,
        *filter(None, how), run.tail, *options.changed,
    )  # fmt: skip
    evaluated = run.digest(f"{step.name}.eval", [options.eval], splits.ONE) if options.eval else []
    proxies = run.identity(options.model) if options.grid else ""
    trainer = [TRAINER] if options.grid and TRAINER > 1 else []  # so that mixtures without proxies stay as they are
    mark = fingerprint(read_mark, option_fields.values(options), evaluated, proxies, *trainer)
    before = run.datasets[-1] if run.datasets else None
    moved: list[tuple[str, str]] = []  # old and new id of each row that got a system line

    def rows_of(name: str) -> Iterator[Row]:
        assert name in paths or before is not None  # a recipe without a step before has no {from: …}
        rows = run.read(name, paths[name]) if before is None or name in paths else before.kept_rows(whole=True)
        line = options.systems.get(name)
        named = rows if name in paths else (mixture.renamed(r, name) for r in rows)
        return (_tagged(r, str(line), moved) for r in named) if line else named

    def work() -> dict[str, Any]:
        run.progress.step(step.name, None, "rows")
        if (read_json(folder / "_read.json") or {}).get("fingerprint") != read_mark or run.fresh:
            (folder / "_read.json").unlink(missing_ok=True)
            sources = [(n, counted(rows_of(n), run.progress.at)) for n in options.sources]
            sizes = ingest(folder, sources, step.name, extra=before.added() if before else ())
            for name in paths:
                run.check_unchanged(f"{step.name}.{name}")
            _write_moved(folder, moved)
            write_json(folder / "_read.json", {"fingerprint": read_mark, "sizes": sizes})
        sizes = read_json(folder / "_read.json")["sizes"]
        empty = [name for name, size in sizes.items() if not size]
        if empty:
            made_by = options.sources[empty[0]]
            lower = "; a lower min_score decides again without asking" if isinstance(made_by, dict) else ""
            raise DataError(f"mix: the source '{empty[0]}' has no rows; leave it out, or check what made it{lower}")
        data = Dataset(folder, mark)
        plan = mixture.decide(data, sizes, options, _proxies(run, step, folder))
        write_json(run.out / "mix.json", plan.written())
        write_verdict(folder, plan.dropped, pa.array(plan.repeat))
        read = made(step.name, option_fields.values(options), folder)
        dropped = {**read["dropped"], **reason_counts([plan.dropped])}
        # Rows of the step before were counted where they were made.
        handed_on = int(before.alive().sum()) if before else 0
        return {
            **entry(step.name, read["options"], read["rows_in"], dropped, sources=plan.written()["sources"]),
            "makes_rows": True,
            "new_rows_in": read["rows_in"] - handed_on,
        }

    return Work(mark, work, rows=True, moved=bool(options.systems), verdict=True, repeat=True)


def _tagged(row: Row, line: str, moved: list[tuple[str, str]]) -> Row:
    """Return a row with a system line by which training can tell its source; one that has its own keeps it."""
    if row["system"] or "reason" in row:
        return row
    new = {**row, "system": line}
    new["id"] = row_id(new)
    moved.append((row["id"], new["id"]))
    return new


def _write_moved(folder: Path, moved: list[tuple[str, str]]) -> None:
    """Write the old and new ids of the rows that a system line changed."""
    with ShardWriter(folder / "rewritten", REWRITTEN.remove(2)) as ids:
        for old, new in moved:
            ids.add({"old_id": old, "new_id": new})


def _proxies(run: Run, step: Step, folder: Path) -> Callable[..., Any]:
    """The trainer, as the grid needs it: the one place where mix and train meet."""
    from datagen.mixture.grid import Trainer

    options = step.options

    def trainer() -> Trainer:
        from datagen.models.causal_lm import load
        from datagen.render.today import MEASURED_ON
        from datagen.training.loop import train as fit
        from datagen.training.options import TrainOptions

        base = load(options.model)

        def loss(rows: list[Row], held_out: list[Row], steps: int, seed: int) -> dict[str, float]:
            settings = TrainOptions(model=options.model, steps=steps, batch_size=8, seed=seed, date=MEASURED_ON)
            after = fit(rows, settings, None, held_out, base=base).eval_after
            assert after is not None  # rows to evaluate on were given
            return dict(after["by_source"])

        return loss

    eval_rows = side_rows("eval", options.eval, splits.ONE) if options.eval else None
    run.check_unchanged(f"{step.name}.eval")

    def search(table: pa.Table, sizes: dict[str, int]) -> Any:
        from datagen.mixture import grid

        run.progress.step("proxies", None, "runs")
        at = run.progress.at
        return grid.search(table, sizes, options, trainer, eval_rows, lambda done, of: at(done, total=of), folder)

    return search
