"""Models measured on the rows that are left, and what run.json says of it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen import folders
from datagen import options as option_fields
from datagen.chat.budget import Budget
from datagen.chat.journal import Journal
from datagen.chat.opening import price_of
from datagen.chat.options import TRAVEL
from datagen.chat.recorded import asked_again
from datagen.chat.usage import accounted
from datagen.curate.judge import Judge
from datagen.data.dataset import reason_counts
from datagen.data.shards import fingerprint
from datagen.errors import DataError, DatagenError, UsageError
from datagen.evaluation import harness, head_to_head, likelihood, results
from datagen.evaluation.cost import most_words
from datagen.evaluation.items import Item, Left, items_of
from datagen.evaluation.measured import OF_MODELS
from datagen.folders import ITEMS, TASKS
from datagen.formats import splits
from datagen.kinds.eval import Eval
from datagen.recipe import Step
from datagen.steps.chunks import remove_other_chunks
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.steps.measuring import Found, ask, asked_about, judge_answers, measure
from datagen.steps.training import left_out
from datagen.work import Run, Work


def evaluate(run: Run, step: Step, folder: Path) -> Work:
    """Measure the models on the rows that are left; a row of which nothing can be measured is dropped with its reason."""
    options, data = step.options, run.datasets[-1]
    _check_prices(options)
    matter = {k: v for k, v in option_fields.values(options).items() if k not in (*TRAVEL, "device")}
    models = [run.identity(one.model) if one.local else one.model for one in options.each]
    judge = judge_of(options)
    of_rubric = f"{step.name}.rubric"
    rubric = run.digest(of_rubric, [options.rubric], splits.ALL) if options.rubric else []
    of_judge = [judge.identity(), rubric] if judge else []
    again = asked_again(options, run.out)
    mark = fingerprint(VERSION, matter, [*models, *of_judge], data.fingerprint, run.tail, again, *options.changed)

    def work() -> dict[str, Any]:
        items, left = items_of(list(data.kept_rows()), options)
        if not items:
            raise DataError("nothing to measure on: no row that is left has an answer; dropped/ says why")
        folders.remove(run.out / TASKS)
        if options.lm_eval:
            harness.write_tasks(items, options, run.out / TASKS)
        found = _measured(run, step, folder, items, models, judge)
        run.check_unchanged(of_rubric)
        dropped = left_out(data, left + _unmeasured(items, found), options.max_length)
        write_verdict(folder, dropped)
        _write_items(run.out, found)
        return {
            **entry(step.name, option_fields.values(options), int(data.alive().sum()), reason_counts([dropped])),
            **_account(run, options, found), "evaluation": _told(options, len(items), found),
            **({"stopped": _stop(found.stopped)} if found.stopped else {}),
        }  # fmt: skip

    return Work(mark, work, verdict=True, made=partial(_sizes_of, run.out))


def _measured(
    run: Run, step: Step, folder: Path, items: Sequence[Item], models: Sequence[str], judge: Judge | None
) -> Found:  # fmt: skip
    """Measure each model, then ask each, then let the judge compare: what is cheap stands first, and a cap ends the rest."""
    options: Eval = step.options
    found = Found()
    asked = {one.model: asked_about(items, one, judged=judge is not None) for one in options.each}
    if not run.offline and (words := most_words(asked, options)):
        run.progress.say(f"{step.name}: {words}")
    try:
        for one, identity in zip(options.each, models, strict=True):
            measure(run, replace(step, options=one), folder, items, identity, found)
    finally:
        likelihood.forget()
    for one in options.each:
        if asked[one.model] and found.stopped is None:
            ask(run, replace(step, options=one), asked[one.model], found)
    if judge and found.stopped is None:
        judge_answers(run, step, judge, items, found)
    if found.stopped is None:
        remove_other_chunks(folder, found.chunks)
    return found


def _unmeasured(items: Sequence[Item], found: Found) -> Left:
    """The items of which no model has a measure, each with the first reason for it."""
    seen = {one.id for ones in found.measured.values() for one in ones}
    why = dict(reversed(found.left))
    reason = "not_reached" if found.stopped else "not_comparable"
    lost = [item for item in items if item.row["id"] not in seen]
    return [(item.row["id"], why[item.row["id"]]) for item in lost if item.row["id"] in why] + [
        one for item in lost if item.row["id"] not in why for one in _left_out(reason, item)
    ]


def _left_out(reason: str, item: Item) -> Left:
    return [(item.row["id"], reason)]


def _write_items(out: Path, found: Found) -> None:
    rows = [{"model": model, **one._asdict()} for model, ones in found.measured.items() for one in ones]
    pq.write_table(pa.Table.from_pylist(rows, schema=OF_MODELS), out / f".{ITEMS}.tmp")
    (out / f".{ITEMS}.tmp").replace(out / ITEMS)


def _told(options: Eval, items: int, found: Found) -> dict[str, Any]:
    """What run.json says of the evaluation."""
    return {
        **results.told(found.measured, options.seed), "items": items, "shots": options.shots,
        "head_to_head": head_to_head.told(found.measured, options.judge or "", options.seed), "not_judged": found.not_judged,
        "not_measured": found.not_measured, "not_scored": dict(Counter(reason for _, reason in {*found.left})),
    }  # fmt: skip


def _sizes_of(out: Path) -> dict[str, int]:
    files = [out / ITEMS, *sorted((out / TASKS).glob("*"))]
    return {path.relative_to(out).as_posix(): path.stat().st_size for path in files if path.is_file()}


def _stop(why: DatagenError) -> dict[str, Any]:
    return {"exit_code": why.exit_code, "message": str(why)}


def _check_prices(options: Eval) -> None:
    """Raise UsageError where a cap in dollars is given and a price is not known, or one price is given for two models."""
    paid = [one for one in options.each if not one.local]
    if options.budget_usd is not None and options.price_in is not None and len(paid) > 1:
        raise UsageError(
            f"eval: --price-in is one price, and {paid[0].model} and {paid[1].model} may have two: measure each in a folder of"
            " its own, or cap them with --max-requests"
        )
    for one in paid:
        price_of(one)
    if options.judging:
        try:
            price_of(options.judging)
        except UsageError as e:
            raise UsageError(f"the judge: {e}".replace("--price-", "--judge-price-")) from None


def _account(run: Run, options: Eval, found: Found) -> dict[str, Any]:
    """What the requests of the folder came to: each attempt at the price of its own model, and no sum where one has none."""
    path = run.out / "journal.sqlite"
    if not path.is_file():
        return {}
    paid = [one for one in [*options.each, *([options.judging] if options.judging else [])] if not one.local]
    prices = [None if run.offline else price_of(one) for one in paid]
    known = [price for price in prices if price is not None]
    with contextlib.closing(Journal(path)) as journal:
        # What an attempt cost is recorded with it; the first price is for those of folders that did not know theirs.
        budget = Budget(known[0] if known and None not in prices else None, None, None, journal.attempts())
        told = accounted(budget, journal, found.sent, found.asked)
    if told["cost"] and len(prices) > 1:
        told["cost"]["price"] = None
    return {**told, "rows_asked": found.asked}


def judge_of(options: Eval) -> Judge | None:
    """Return the stage that judges pairs of answers; None where no judge is named."""
    asked = options.judging
    return None if asked is None else Judge(**option_fields.values(asked))
