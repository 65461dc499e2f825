"""Models measured on the rows that are left: likelihoods chunk by chunk, answers through the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen import options as option_fields
from datagen.chat.options import TRAVEL, ModelOptions
from datagen.chat.recorded import asked_again
from datagen.chat.usage import account
from datagen.data.dataset import reason_counts
from datagen.data.shards import fingerprint
from datagen.errors import BudgetError, DataError, DatagenError, ModelError, UsageError
from datagen.evaluation import harness, likelihood, results
from datagen.evaluation.asking import answered
from datagen.evaluation.items import Item, items_of
from datagen.evaluation.measured import OF_MODELS, SCHEMA, Measured, of_rows, table_of
from datagen.kinds.eval import Eval
from datagen.models.names import is_local
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.steps.model import chat_of, spent
from datagen.steps.training import left_out
from datagen.work import Run, Work

CHUNK = 64  # items whose likelihoods are written at a time
LOCAL_TOKENS = 384  # of an answer; a small model that goes on has lost its thread
TABLE = "items.parquet"
TASKS = "lm-eval"
Left = list[tuple[str, str]]


@dataclass
class _Found:
    """What was measured of each model so far, why some was not, and what the requests came to."""

    measured: dict[str, list[Measured]] = field(default_factory=dict)
    left: Left = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    sent: int = 0
    stopped: DatagenError | None = None


def evaluate(run: Run, step: Step, folder: Path) -> Work:
    """Measure the models on the rows that are left; a row of which nothing can be measured is dropped with its reason."""
    options, data = step.options, run.datasets[-1]
    _check_prices(options)
    matter = {k: v for k, v in option_fields.values(options).items() if k not in (*TRAVEL, "device")}
    models = [run.identity(one.model) if one.local else one.model for one in options.each]
    mark = fingerprint(VERSION, matter, models, data.fingerprint, run.tail, asked_again(options, run.out), *options.changed)

    def work() -> dict[str, Any]:
        items, left = items_of(list(data.kept_rows()), options)
        if not items:
            raise DataError("nothing to measure on: no row that is left has an answer; dropped/ says why")
        if options.lm_eval:
            harness.write_tasks(items, options, run.out / TASKS)
        found = _Found()
        for one, identity in zip(options.each, models, strict=True):
            if found.stopped is None:
                _measure(run, replace(step, options=one), folder, items, identity, found)
        of_models = [{"model": model, **m._asdict()} for model, ones in found.measured.items() for m in ones]
        seen = {m["id"] for m in of_models}
        why = dict(reversed(found.left))
        late = [item for item in items if item.row["id"] not in seen and item.row["id"] not in why]
        left += [(row_id, reason) for row_id, reason in why.items() if row_id not in seen]
        left += [one for item in late for one in _left_out("not_reached" if found.stopped else "not_comparable", item)]
        pq.write_table(pa.Table.from_pylist(of_models, schema=OF_MODELS), run.out / f".{TABLE}.tmp")
        (run.out / f".{TABLE}.tmp").replace(run.out / TABLE)
        dropped = left_out(data, left, options.max_length)
        write_verdict(folder, dropped)
        return {
            **entry(step.name, option_fields.values(options), int(data.alive().sum()), reason_counts([dropped])),
            **found.account,
            "evaluation": {
                **results.told(found.measured, options.seed), "items": len(items), "shots": options.shots,
                "not_measured": found.not_measured, "not_scored": dict(Counter(reason for _, reason in found.left)),
            },
            **({"stopped": _stop(found.stopped)} if found.stopped else {}),
        }  # fmt: skip

    return Work(mark, work, verdict=True, made=partial(_sizes_of, run.out))


def _sizes_of(out: Path) -> dict[str, int]:
    files = [out / TABLE, *sorted((out / TASKS).glob("*"))]
    return {path.relative_to(out).as_posix(): path.stat().st_size for path in files if path.is_file()}


def _stop(why: DatagenError) -> dict[str, Any]:
    return {"exit_code": why.exit_code, "message": str(why)}


def _check_prices(options: Eval) -> None:
    """Raise UsageError where one cap in dollars would hold for models of two prices."""
    paid = [one.model for one in options.each if not one.local]
    if options.budget_usd is not None and len(paid) > 1:
        raise UsageError(
            f"eval: --budget-usd holds for one price, and {paid[0]} and {paid[1]} may have two: measure each in a folder of its"
            " own, or cap them with --max-requests"
        )


def _measure(
    run: Run, step: Step, folder: Path, items: Sequence[Item], identity: str, found: _Found
) -> None:  # fmt: skip
    """Measure one model by all that can be measured of it."""
    options: Eval = step.options
    name, ours = options.model, found.measured.setdefault(options.model, [])
    chosen = [item for item in items if item.choices is not None]
    for what, of, ask in (("loss", items, likelihood.losses), ("choice", chosen, likelihood.likeliest)):
        if what in options.measures and not options.loadable and of:
            found.not_measured.append(f"{name}: {what}, for its weights are not here")
        elif what in options.measures and of:
            came, left = _by_chunks(run, f"{step.name}: {name}, {what}", folder, options, identity, of, ask)
            ours += came
            found.left += left
    if "answer" not in options.measures:
        return
    by_likelihood = options.loadable and "choice" in options.measures
    asked = [item for item in items if (not by_likelihood if item.choices is not None else item.comparable)]
    if asked:
        _ask(run, step, asked, found)


def _by_chunks(
    run: Run, name: str, folder: Path, options: Eval, identity: str, items: Sequence[Item],
    measure: Callable[..., tuple[list[Measured], Left]],
) -> tuple[list[Measured], Left]:  # fmt: skip
    """Measure items chunk by chunk; what an earlier run that was cut off has written is not measured again."""
    run.progress.step(name, len(items), "items")
    found: list[Measured] = []
    left: Left = []
    how = [options.choices, options.prompt, options.max_length, measure.__name__]
    for begin in range(0, len(items), CHUNK):
        chunk = items[begin : begin + CHUNK]
        mark = fingerprint(VERSION, identity, how, [[i.row["id"], *(s.row["id"] for s in i.shots)] for i in chunk])
        path = folder / "scores" / f"{int(mark[:12], 16):05d}.parquet"
        came = _read(path, mark)
        if came is None:
            at = partial(_at, run, begin)
            came = measure(options.model, chunk, options, at)
            _write(path, mark, *came)
        found += came[0]
        left += came[1]
        run.progress.at(begin + len(chunk))
    return found, left


def _at(run: Run, begin: int, done: int) -> None:
    run.progress.at(begin + done)


def _read(path: Path, mark: str) -> tuple[list[Measured], Left] | None:
    """What a chunk holds, or None: none has this mark. The reason of a row that was left out stands as what was said."""
    if not path.is_file():
        return None
    table = pq.read_table(path)
    if (table.schema.metadata or {}).get(b"mark") != mark.encode():
        return None
    rows = table.to_pylist()
    left = [(row["id"], row["said"]) for row in rows if row["measure"] == ""]
    return of_rows(row for row in rows if row["measure"]), left


def _write(path: Path, mark: str, found: Sequence[Measured], left: Left) -> None:
    path.parent.mkdir(exist_ok=True)
    lost = [Measured(row_id, "", "", "", 0.0, said=reason) for row_id, reason in left]
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(table_of([*found, *lost]).cast(SCHEMA.with_metadata({"mark": mark})), temporary)
    temporary.replace(path)


def _ask(run: Run, step: Step, items: Sequence[Item], found: _Found) -> None:
    """Ask a model about items; what a cap or the endpoint ends is noted, and the same command goes on."""
    options: ModelOptions = step.options
    likelihood.forget()  # its weights are served by another process now
    run.progress.step(f"{step.name}: {options.model}, its server", None, "items")
    sampling = options.sampling()
    if options.loadable and options.max_output_tokens is None:
        sampling["max_tokens"] = LOCAL_TOKENS
    with chat_of(run, step) as chat:
        run.progress.step(f"{step.name}: {options.model}, answers", len(items), "items")
        done = 0
        try:
            for (came, error), item in zip(answered(chat, items, sampling), items, strict=False):  # that closes the chat
                done += 1
                found.measured[options.model] += came
                found.left += [] if error is None else _left_out("request_failed", item)
                run.progress.at(done, f"{spent(chat, done)}{chat.sent:,} asked")
        except (BudgetError, ModelError, DataError) as e:
            found.stopped = e
            if not done:
                raise
        found.asked += done
        found.sent += chat.sent
        told = account(chat, done)
        told["requests"]["sent"] = found.sent
        paid = sum(not is_local(name) for name in found.measured)
        found.account = {**told, "rows_asked": found.asked, **({"cost": None} if paid > 1 else {})}


def _left_out(reason: str, item: Item) -> Left:
    return [(item.row["id"], reason)]
