"""A model fine-tuned on the rows that are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from datagen import options as option_fields
from datagen import stage as stages
from datagen.data.dataset import Dataset, reason_counts
from datagen.data.rows import Row
from datagen.data.shards import fingerprint, read_json
from datagen.errors import DataError, UsageError
from datagen.formats import splits
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.work import Progress, Run, Work, files_in, side_rows

if TYPE_CHECKING:
    from datagen.training.outcome import Trained


def train(run: Run, step: Step, folder: Path) -> Work:
    """Fine-tune a model on the rows that are left; a row that cannot be trained on is dropped with its reason."""
    options, data = step.options, run.datasets[-1]
    evaluated = run.digest(f"{step.name}.eval", [options.eval], splits.ONE) if options.eval else []
    template = template_text(run, step)
    mark = fingerprint(
        VERSION, options.begun_with(), run.identity(options.model), evaluated, run.tail, *template, *options.changed
    )
    _refuse_change_of_finished(folder, mark, options.set)

    def work() -> dict[str, Any]:
        rows = list(data.kept_rows())
        if not rows:
            raise DataError("nothing to train on: no row is left; `datagen explain` and dropped/ say why")
        eval_rows = side_rows("eval", options.eval, splits.ONE) if options.eval else None
        run.check_unchanged(f"{step.name}.eval")
        trained = fitted(run, step, rows, run.out, eval_rows)
        dropped = left_out(data, trained.left_out, options.max_length)
        write_verdict(folder, dropped)
        return {
            **entry(step.name, option_fields.values(options), len(rows), reason_counts([dropped])),
            "training": told(trained),
        }

    return Work(mark, work, verdict=True, made=partial(files_in, run.out, "adapter", "model"))


def _refuse_change_of_finished(folder: Path, mark: str, changed: Mapping[str, str] | None) -> None:
    """Raise UsageError where a run is to go on with a change, but is finished without it."""
    done = read_json(folder / "_done.json")
    if not changed or not done or done.get("fingerprint") != mark:
        return
    history = done["entry"]["training"].get("history") or [{"changed": None}]
    if history[-1]["changed"] != changed:
        raise UsageError(
            "train: --set goes on with a stopped run, and this one is finished: give the option itself, and another -o"
        )


def fitted(
    run: Run, step: Step, rows: Sequence[Row], out: Path, eval_rows: Sequence[Row] | None = None
) -> Trained:  # fmt: skip
    """Train on rows, telling the run how far it is."""
    from datagen.training import presets
    from datagen.training.options import trainer_options
    from datagen.training.together import train_together

    settings = trainer_options(step.options, fresh=run.fresh)
    if settings.preset:
        run.progress.say(presets.told(settings.preset))
    run.progress.step(f"{step.name}: prepare", None, "steps")
    begun = False

    def on_step(line: dict[str, Any]) -> None:
        nonlocal begun
        if not begun:
            run.check_unchanged(f"{step.name}.chat_template")
            begun = True

    return train_together(rows, settings, out, eval_rows, on_step, _Named(run.progress, step.name))


@dataclass(frozen=True)
class _Named:
    """Shows the parts of a training step under its name."""

    progress: Progress
    name: str

    def step(self, name: str, total: int | None, unit: str) -> None:
        self.progress.step(f"{self.name}: {name}" if name else self.name, total, unit)

    def at(self, done: int, note: str = "") -> None:
        self.progress.at(done, note)

    def say(self, words: str) -> None:
        self.progress.say(words)


def template_text(run: Run, step: Step) -> list[str]:
    """Return what the file of a step's chat template holds, for the fingerprint of what is trained; [] without a file."""
    name = step.options.chat_template
    path = Path(name).expanduser() if name else None
    if path is None or not path.is_file():
        return []
    run.watch(f"{step.name}.chat_template", [path])
    return [path.read_text(encoding="utf-8", errors="replace")]


def left_out(data: Dataset, rows: Sequence[tuple[str, str]], max_length: int) -> pa.Table:
    """The verdict on rows that a trainer or an evaluation could not use: (row id, reason)."""
    alive = np.flatnonzero(data.alive())
    ids = data.ids.take(pa.array(alive)).to_pylist()
    reasons: dict[str, list[str]] = {}
    for row_id, reason in rows:
        reasons.setdefault(row_id, []).append(reason)
    # A row of two sources has one id twice: each of its entries stands for one row, in order.
    found = [(int(at), reasons[i].pop(0)) for at, i in zip(alive, ids, strict=True) if reasons.get(i)]
    nothing = pa.nulls(len(found))
    # `error: message`, `control_tokens: token`: a reason and its evidence.
    split = [reason.partition(": ") for _, reason in found]
    columns: dict[str, Any] = {
        "row": [at for at, _ in found],
        "reason": [reason for reason, _, _ in split],
        "evidence": [message or None for _, _, message in split],
        "threshold": [float(max_length) if reason == "too_long" else None for reason, _, _ in split],
    }
    return pa.table(
        {f.name: pa.array(columns[f.name], f.type) if f.name in columns else nothing.cast(f.type) for f in stages.VERDICT}
    )


def told(trained: Any) -> dict[str, Any]:
    """What run.json says of a training run."""
    return {
        "steps": trained.steps, "rows": trained.rows_used, "samples": trained.samples,
        "tokens": trained.tokens, "label_tokens": trained.label_tokens,
        "first_loss": round(trained.first_loss, 4), "last_loss": round(trained.last_loss, 4), "dtype": trained.dtype,
        **({"latency_ms": trained.latency} if trained.latency else {}),
        "environment": dict(trained.environment),
        "arrangement": trained.arrangement, **({"skipped": trained.skipped} if trained.skipped else {}),
        **({"history": trained.history} if trained.history else {}),
        "eval_before": _loss(trained.eval_before), "eval_after": _loss(trained.eval_after),
        "adapter": None if trained.folder is None else trained.folder.name,
        **({"date": trained.date} if trained.date else {}),
        **({"untaught": dict(trained.untaught)} if trained.untaught else {}),
    }  # fmt: skip


def _loss(evaluation: Any) -> dict[str, Any] | None:
    return None if evaluation is None else {k: evaluation[k] for k in ("loss", "by_source", "tokens")}
