"""Models measured on the rows that are left: likelihoods chunk by chunk, answers through the journal."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from datagen.errors import BudgetError, DataError, DatagenError, ModelError, UsageError
from datagen.evaluation import harness, head_to_head, likelihood, results
from datagen.evaluation.asking import answered
from datagen.evaluation.cost import most_words
from datagen.evaluation.head_to_head import Pair
from datagen.evaluation.items import Item, items_of
from datagen.evaluation.measured import OF_MODELS, Measured
from datagen.kinds.eval import Eval
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry, write_verdict
from datagen.steps.likelihoods import Left, by_chunks
from datagen.steps.model import chat_of, spent
from datagen.steps.training import left_out
from datagen.verdict import Context
from datagen.work import Run, Work

if TYPE_CHECKING:
    from datagen.chat.client import Chat

LOCAL_TOKENS = 384  # of an answer; a small model that goes on has lost its thread
JUDGED = 256  # pairs that are judged at a time; what a cap cuts off is in the journal
SHOWN = 120  # characters of why a pair was not judged
TABLE = "items.parquet"
TASKS = "lm-eval"


@dataclass
class _Found:
    """What was measured of each model so far, why some was not, and what the requests came to."""

    judged: bool  # whether a judge compares the answers
    measured: dict[str, list[Measured]] = field(default_factory=dict)
    left: Left = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)  # model -> row id -> what it said
    not_judged: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    sent: int = 0
    stopped: DatagenError | None = None


def evaluate(run: Run, step: Step, folder: Path) -> Work:
    """Measure the models on the rows that are left; a row of which nothing can be measured is dropped with its reason."""
    options, data = step.options, run.datasets[-1]
    _check_prices(options)
    matter = {k: v for k, v in option_fields.values(options).items() if k not in (*TRAVEL, "device")}
    models = [run.identity(one.model) if one.local else one.model for one in options.each]
    judge = judge_of(options)
    models += [judge.identity()] if judge else []
    mark = fingerprint(VERSION, matter, models, data.fingerprint, run.tail, asked_again(options, run.out), *options.changed)

    def work() -> dict[str, Any]:
        items, left = items_of(list(data.kept_rows()), options)
        if not items:
            raise DataError("nothing to measure on: no row that is left has an answer; dropped/ says why")
        folders.remove(run.out / TASKS)
        if options.lm_eval:
            harness.write_tasks(items, options, run.out / TASKS)
        found = _Found(judged=judge is not None)
        paid = next((one for one in options.each if not one.local), options)
        if not run.offline and (words := most_words(_asked_about(items, paid, judged=judge is not None), options)):
            run.progress.say(f"{step.name}: {words}")
        for one, identity in zip(options.each, models, strict=False):
            if found.stopped is None:
                _measure(run, replace(step, options=one), folder, items, identity, found)
        if judge and found.stopped is None:
            _judge(run, step, judge, items, found)
        dropped = left_out(data, left + _unmeasured(items, found), options.max_length)
        write_verdict(folder, dropped)
        _write_items(run.out, found)
        return {
            **entry(step.name, option_fields.values(options), int(data.alive().sum()), reason_counts([dropped])),
            **_account(run, options, found), "evaluation": _told(options, len(items), found),
            **({"stopped": _stop(found.stopped)} if found.stopped else {}),
        }  # fmt: skip

    return Work(mark, work, verdict=True, made=partial(_sizes_of, run.out))


def _unmeasured(items: Sequence[Item], found: _Found) -> Left:
    """The items of which no model has a measure, each with the first reason for it."""
    seen = {one.id for ones in found.measured.values() for one in ones}
    why = dict(reversed(found.left))
    reason = "not_reached" if found.stopped else "not_comparable"
    lost = [item for item in items if item.row["id"] not in seen]
    return [(item.row["id"], why[item.row["id"]]) for item in lost if item.row["id"] in why] + [
        one for item in lost if item.row["id"] not in why for one in _left_out(reason, item)
    ]


def _write_items(out: Path, found: _Found) -> None:
    rows = [{"model": model, **one._asdict()} for model, ones in found.measured.items() for one in ones]
    pq.write_table(pa.Table.from_pylist(rows, schema=OF_MODELS), out / f".{TABLE}.tmp")
    (out / f".{TABLE}.tmp").replace(out / TABLE)


def _told(options: Eval, items: int, found: _Found) -> dict[str, Any]:
    """What run.json says of the evaluation."""
    return {
        **results.told(found.measured, options.seed), "items": items, "shots": options.shots,
        "head_to_head": head_to_head.told(found.measured, options.judge or "", options.seed), "not_judged": found.not_judged,
        "not_measured": found.not_measured, "not_scored": dict(Counter(reason for _, reason in found.left)),
    }  # fmt: skip


def _sizes_of(out: Path) -> dict[str, int]:
    files = [out / TABLE, *sorted((out / TASKS).glob("*"))]
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
            came, left = by_chunks(run, f"{step.name}: {name}, {what}", folder, options, identity, of, ask)
            ours += came
            found.left += left
    if asked := _asked_about(items, options, judged=found.judged):
        _ask(run, step, asked, found)


def _asked_about(items: Sequence[Item], options: Eval, *, judged: bool) -> list[Item]:
    """The items that a model is asked about; those with choices only where their likelihood is not measured."""
    whole = judged or "overlap" in options.measures
    if not {"answer", "overlap"} & set(options.measures):
        return []
    by_likelihood = options.loadable and "choice" in options.measures
    return [item for item in items if (not by_likelihood if item.choices is not None else item.comparable or whole)]


def _ask(run: Run, step: Step, items: Sequence[Item], found: _Found) -> None:
    """Ask a model about items; what a cap or the endpoint ends is noted, and the same command goes on."""
    options: Eval = step.options
    likelihood.forget()  # its weights are served by another process now
    run.progress.step(f"{step.name}: {options.model}, its server", None, "items")
    sampling = options.sampling()
    if options.loadable and options.max_output_tokens is None:
        sampling["max_tokens"] = LOCAL_TOKENS
    with chat_of(run, step) as chat:
        run.progress.step(f"{step.name}: {options.model}, answers", len(items), "items")
        done = 0
        try:
            came = answered(chat, items, sampling, overlaps="overlap" in options.measures)
            for one, item in zip(came, items, strict=False):  # in this order: that closes the chat
                done += 1
                found.measured[options.model] += one.measured
                if one.text is None:
                    found.left += _left_out("request_failed", item)
                else:
                    found.answers.setdefault(options.model, {})[item.row["id"]] = one.text
                run.progress.at(done, f"{spent(chat, done)}{chat.sent:,} asked")
        except (BudgetError, ModelError, DataError) as e:
            found.stopped = e
            if not done:
                raise
        found.asked += done
        found.sent += chat.sent


def _account(run: Run, options: Eval, found: _Found) -> dict[str, Any]:
    """What the requests of the folder came to; where several models are paid none of their prices is told for all."""
    path = run.out / "journal.sqlite"
    if not path.is_file():
        return {}
    asked = [*options.each, *([options.judging] if options.judging else [])]
    prices = [price for one in asked if (price := None if run.offline else price_of(one)) is not None]
    with contextlib.closing(Journal(path)) as journal:
        budget = Budget(prices[0] if prices else None, None, None, journal.attempts())
        told = accounted(budget, journal, found.sent, found.asked)
    if told["cost"] and len(prices) > 1:
        told["cost"]["price"] = None
    return {**told, "rows_asked": found.asked}


def _judge(run: Run, step: Step, judge: Judge, items: Sequence[Item], found: _Found) -> None:
    """Let the judge compare each model's answers with those of the first, some at a time; a cap ends it."""
    first, *others = (one.model for one in step.options.each)
    likelihood.forget()
    for model in others:
        ours, theirs = found.answers.get(model, {}), found.answers.get(first, {})
        both = [item for item in items if item.choices is None and item.row["id"] in ours and item.row["id"] in theirs]
        pairs = [Pair(item, ours[item.row["id"]], theirs[item.row["id"]]) for item in both]
        run.progress.step(f"{step.name}: {judge.model} judges {model}", len(pairs), "pairs")
        for begin in range(0, len(pairs), JUDGED):
            chats: list[Chat] = []

            def opened(chat: Chat, places: Sequence[int], chats: list[Chat] = chats) -> None:
                chats.append(chat)

            at = partial(_at, run, begin)
            ctx = Context(folder=run.out, offline=run.offline, opened=opened, at=at, say=run.progress.say)
            try:
                measured, lost = head_to_head.judged(judge, pairs[begin : begin + JUDGED], ctx)
            except (BudgetError, ModelError, DataError) as e:
                found.stopped = e
                return
            finally:
                found.sent += sum(chat.sent for chat in chats)
            found.measured[model] += measured
            for error in lost:
                found.not_judged[error[:SHOWN]] = found.not_judged.get(error[:SHOWN], 0) + 1


def _at(run: Run, begin: int, done: int, note: str) -> None:
    run.progress.at(begin + done, note)


def judge_of(options: Eval) -> Judge | None:
    """Return the stage that judges pairs of answers; None where no judge is named."""
    asked = options.judging
    return None if asked is None else Judge(**option_fields.values(asked))


def _left_out(reason: str, item: Item) -> Left:
    return [(item.row["id"], reason)]
