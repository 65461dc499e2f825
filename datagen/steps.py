"""What each kind of step does in a run folder: read, generate, judge, mix, train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datagen import assets
from datagen import options as option_fields
from datagen import stage as stages
from datagen.dataset import Dataset, Layer, ingest, read_column, reason_counts, write_scores
from datagen.errors import DataError
from datagen.recipe import Step
from datagen.rows import Row
from datagen.shards import count_rows, fingerprint, read_json, read_shards, shard_paths, write_json

if TYPE_CHECKING:
    from datagen.run import Run

VERSION = 1  # of these steps' results: bump when they change; enters every fingerprint


def kind_of(step: Step) -> Callable[[Run, Step, Path], None]:
    """Return the function that does a step."""
    return {"self_instruct": self_instruct, "mix": mix, "train": train}.get(step.kind, judge)


def entry(name: str, options: Any, rows_in: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    """Return a step's entry of run.json."""
    kept = rows_in - sum(dropped.values())
    return {"name": name, "options": options, "rows_in": rows_in, "rows_kept": kept, "dropped": dropped, **more}


def read_input(run: Run) -> None:
    """Step 0: the input files, as rows on disk."""
    folder, paths = run.folder(0, "input"), list(run.recipe.input)
    mark = fingerprint(VERSION, run.digest("input", paths), dict(run.recipe.mapping), run.recipe.limit)

    def work() -> dict[str, Any]:
        run.progress.step("input", None, "rows")
        ingest(folder, [("", _counted(run, run.read("", paths)))], "input")
        return _made("input", {"input": paths}, folder)

    run.do(folder, mark, work)
    run.datasets.append(Dataset(folder, mark))


def _made(name: str, options: Any, folder: Path) -> dict[str, Any]:
    """The entry of a step that wrote rows/ and dropped/."""
    dropped = reason_counts(read_shards(folder / "dropped", ["reason"]))
    return entry(name, options, count_rows(folder / "rows") + sum(dropped.values()), dropped, makes_rows=True)


def _counted(run: Run, rows: Iterator[Row]) -> Iterator[Row]:
    for n, row in enumerate(rows, start=1):
        yield row
        if n % 1000 == 0:
            run.progress.at(n)


def self_instruct(run: Run, step: Step, folder: Path) -> None:
    """Make rows with a model; every answer goes through the run's journal."""
    from datagen.generate import self_instruct as generator
    from datagen.models.chat import opened
    from datagen.models.journal import Journal

    options = step.options
    seed_path = options.seeds or str(assets.seed_file(options.language))
    # Only what changes rows: not the address, not the number of requests in flight.
    matter = {k: v for k, v in option_fields.values(options).items() if k not in ("base_url", "concurrency", "seeds")}
    mark = fingerprint(VERSION, matter, run.digest("seeds", [seed_path]))

    def work() -> dict[str, Any]:
        seeds = [r for r in run.read("seeds", [seed_path]) if "reason" not in r]
        run.progress.step(step.name, options.n, "rows")
        journal = Journal(run.out / "journal.sqlite")
        try:
            with opened(options.model, options.base_url, journal) as chat:
                rows = generator.generate(seeds, chat, options, run.progress.at)
                ingest(folder, [("", rows)], step.name)
                requests = {"sent": chat.sent, "recorded": journal.counts()[1]}
        finally:
            journal.close()
        return {**_made(step.name, option_fields.values(options), folder), "requests": requests}

    run.do(folder, mark, work)
    run.datasets.append(Dataset(folder, mark))


def judge(run: Run, step: Step, folder: Path) -> None:
    """Score every row, decide on those that are left, and add the verdict as a layer."""
    stage, data, ctx = step.options, run.datasets[-1], stages.Context()
    score_mark = fingerprint(VERSION, step.kind, stage.version, stage.score_options(), data.fingerprint)
    mark = fingerprint(score_mark, option_fields.values(stage), run.tail)
    scores = folder / "scores"

    def work() -> dict[str, Any]:
        if run.fresh or (read_json(scores / "_mark.json") or {}).get("fingerprint") != score_mark:
            _clear(scores)
            write_json(scores / "_mark.json", {"fingerprint": score_mark})
        _score(run, step, data, scores)
        alive = data.alive()
        rows_in = int(alive.sum())
        dropped = stages.apply(stage, read_column(scores), alive, ctx)
        _write_verdict(folder, dropped)
        return entry(step.name, option_fields.values(stage), rows_in, reason_counts([dropped]))

    run.do(folder, mark, work)
    added = tuple((name, scores) for name in stage.adds)
    data.layers.append(Layer(step.name, pq.read_table(folder / "verdict.parquet"), columns=added))


def _score(run: Run, step: Step, data: Dataset, scores: Path) -> None:
    """Score the shards that have no scores yet."""
    missing = [
        (step.options, str(p), str(scores / f"{p.stem}.arrow"))
        for p in shard_paths(data.rows) if not (scores / f"{p.stem}.arrow").exists()
    ]  # fmt: skip
    run.progress.step(step.name, len(data.ids), "rows")
    done = 0
    for n in run.engine.map(score_shard, missing):
        done += n
        run.progress.at(done)


def score_shard(task: tuple[stages.Stage, str, str]) -> int:
    """Score one shard into one Arrow file; return its number of rows. Runs in a process of the engine."""
    stage, source, target = task
    rows = pq.read_table(source)
    write_scores(Path(target), stages.scored(stage, rows, stages.Context()))
    return len(rows)


def _clear(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _write_verdict(folder: Path, dropped: pa.Table, repeat: pa.Array | None = None) -> None:
    for name, table in (("verdict", dropped), ("repeat", None if repeat is None else pa.table({"repeat": repeat}))):
        if table is not None:
            pq.write_table(table, folder / f".{name}.tmp")
            (folder / f".{name}.tmp").replace(folder / f"{name}.parquet")


def mix(run: Run, step: Step, folder: Path) -> None:
    """Read the sources as the rows of this step, decide how often each is taken, and add that as a layer."""
    from datagen.mix import mixture

    options = step.options
    paths = {
        n: [assets.shipped(p) for p in ([v] if isinstance(v, str) else v)]
        for n, v in options.sources.items()
        if not isinstance(v, dict)
    }
    digests = {n: run.digest(n, p) for n, p in paths.items()}
    read_mark = fingerprint(VERSION, list(options.sources), digests, dict(run.recipe.mapping), run.recipe.limit, run.tail)
    evaluated = run.digest("eval", [options.eval]) if options.eval else []
    mark = fingerprint(read_mark, option_fields.values(options), evaluated)
    before = run.datasets[-1] if run.datasets else None

    def rows_of(name: str) -> Iterator[Row]:
        if name in paths:
            return run.read(name, paths[name])
        assert before is not None  # a recipe without a step before has no {from: …}
        return (mixture.renamed(r, name) for r in before.kept_rows())

    def work() -> dict[str, Any]:
        run.progress.step(step.name, None, "rows")
        if (read_json(folder / "_read.json") or {}).get("fingerprint") != read_mark or run.fresh:
            (folder / "_read.json").unlink(missing_ok=True)
            sizes = ingest(folder, [(n, _counted(run, rows_of(n))) for n in options.sources], step.name)
            write_json(folder / "_read.json", {"fingerprint": read_mark, "sizes": sizes})
        sizes = read_json(folder / "_read.json")["sizes"]
        data = Dataset(folder, mark)
        plan = mixture.decide(data, sizes, options, _proxies(run, options, folder))
        write_json(run.out / "mix.json", plan.written())
        _write_verdict(folder, plan.dropped, pa.array(plan.repeat))
        made = _made(step.name, option_fields.values(options), folder)
        dropped = {**made["dropped"], **reason_counts([plan.dropped])}
        whole = entry(step.name, made["options"], made["rows_in"], dropped, sources=plan.written()["sources"])
        # Rows of the step before were counted where they were made.
        handed_on = int(before.alive().sum()) if before else 0
        return {**whole, "makes_rows": True, "new_rows_in": made["rows_in"] - handed_on}

    run.do(folder, mark, work)
    data = Dataset(folder, mark)
    repeat = pq.read_table(folder / "repeat.parquet").column("repeat").to_numpy()
    data.layers.append(Layer(step.name, pq.read_table(folder / "verdict.parquet"), repeat))
    run.datasets.append(data)


def _proxies(run: Run, options: Any, folder: Path) -> Callable[..., Any]:
    """The trainer, as the grid needs it: the one place where mix and train meet."""
    from datagen.mix.grid import Trainer

    def trainer() -> Trainer:
        from datagen.models.causal_lm import load
        from datagen.train.loop import TrainOptions
        from datagen.train.loop import train as fit

        base = load(options.model)

        def loss(rows: list[Row], held_out: list[Row], steps: int, seed: int) -> dict[str, float]:
            settings = TrainOptions(model=options.model, steps=steps, batch_size=8, seed=seed)
            after = fit(rows, settings, None, held_out, base=base).eval_after
            assert after is not None  # rows to evaluate on were given
            return dict(after["by_source"])

        return loss

    eval_rows = [r for r in run.read("", [options.eval]) if "reason" not in r] if options.eval else None

    def search(table: pa.Table, sizes: dict[str, int]) -> Any:
        from datagen.mix import grid

        run.progress.step("proxies", None, "runs")
        return grid.search(table, sizes, options, trainer, eval_rows, run.progress.at, folder)

    return search


def train(run: Run, step: Step, folder: Path) -> None:
    """Fine-tune a model on the rows that are left; a row that cannot be trained on is dropped with its reason."""
    from datagen.train.loop import TrainOptions
    from datagen.train.loop import train as fit

    options, data = step.options, run.datasets[-1]
    evaluated = run.digest("eval", [options.eval]) if options.eval else []
    mark = fingerprint(VERSION, option_fields.values(options), evaluated, run.tail)

    def work() -> dict[str, Any]:
        rows = list(data.kept_rows())
        if not rows:
            raise DataError("nothing to train on: no row is left; `datagen explain` and dropped/ say why")
        eval_rows = [r for r in run.read("", [options.eval]) if "reason" not in r] if options.eval else None
        run.progress.step(step.name, options.steps, "steps")
        settings = {k: v for k, v in option_fields.values(options).items() if k != "eval"}
        trained = fit(
            rows, TrainOptions(**settings), run.out, eval_rows,
            lambda line: run.progress.at(line["step"], f"loss {line['loss']:.3f}"),
        )  # fmt: skip
        dropped = _left_out(data, trained.left_out)
        _write_verdict(folder, dropped)
        return {
            **entry(step.name, option_fields.values(options), len(rows), reason_counts([dropped])),
            "training": _told(trained),
        }

    run.do(folder, mark, work)
    data.layers.append(Layer(step.name, pq.read_table(folder / "verdict.parquet")))


def _left_out(data: Dataset, left_out: list[tuple[str, str]]) -> pa.Table:
    """The verdict on rows that the trainer could not use."""
    alive = np.flatnonzero(data.alive())
    ids = data.ids.take(pa.array(alive)).to_pylist()
    reasons: dict[str, list[str]] = {}
    for row_id, reason in left_out:
        reasons.setdefault(row_id, []).append(reason)
    # A row of two sources has one id twice: each of its entries stands for one row, in order.
    found = [(int(at), reasons[i].pop(0)) for at, i in zip(alive, ids, strict=True) if reasons.get(i)]
    nothing = pa.nulls(len(found))
    columns: dict[str, Any] = {"row": [f[0] for f in found], "reason": [f[1] for f in found]}
    return pa.table(
        {f.name: pa.array(columns[f.name], f.type) if f.name in columns else nothing.cast(f.type) for f in stages.VERDICT}
    )


def _told(trained: Any) -> dict[str, Any]:
    """What run.json says of a training run."""
    return {
        "steps": trained.steps, "rows": trained.rows_used, "tokens": trained.tokens, "label_tokens": trained.label_tokens,
        "first_loss": round(trained.first_loss, 4), "last_loss": round(trained.last_loss, 4), "dtype": trained.dtype,
        "eval_before": _loss(trained.eval_before), "eval_after": _loss(trained.eval_after),
        "adapter": None if trained.folder is None else trained.folder.name,
    }  # fmt: skip


def _loss(evaluation: Any) -> dict[str, Any] | None:
    return None if evaluation is None else {k: evaluation[k] for k in ("loss", "by_source", "tokens")}
