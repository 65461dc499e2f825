"""A model measured for an evaluation: likelihoods chunk by chunk, answers through the journal, and what a judge prefers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from datagen.curate.judge import Judge
from datagen.errors import BudgetError, DataError, DatagenError, ModelError
from datagen.evaluation import head_to_head, likelihood
from datagen.evaluation.asking import ask_items
from datagen.evaluation.head_to_head import Pair
from datagen.evaluation.items import Item, Left
from datagen.evaluation.measured import Measured
from datagen.kinds.eval import Eval
from datagen.recipe import Step
from datagen.steps.chunks import measure_by_chunks
from datagen.steps.model import chat_of, spent
from datagen.verdict import Context
from datagen.work import Run

if TYPE_CHECKING:
    from pathlib import Path

    from datagen.chat.client import Chat

LOCAL_TOKENS = 384  # of an answer; a small model that goes on has lost its thread
JUDGED = 256  # pairs that are judged at a time; what a cap cuts off is in the journal
SHOWN = 120  # characters of why a pair was not judged


@dataclass
class Found:
    """What was measured of each model so far, why some was not, and what the requests came to."""

    measured: dict[str, list[Measured]] = field(default_factory=dict)
    left: Left = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)  # model -> row id -> what it said
    not_judged: dict[str, int] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)  # names of the files that likelihoods are in
    asked: int = 0
    sent: int = 0
    stopped: DatagenError | None = None


def measure(run: Run, step: Step, folder: Path, items: Sequence[Item], identity: str, found: Found) -> None:
    """Measure one model by all that can be measured of it.

    Args:
        run: the run.
        step: with the options of this model.
        folder: of the step.
        items: all that is measured on.
        identity: of the model's weights.
        found: what came of it is added here.
    """
    options: Eval = step.options
    name, ours = options.model, found.measured.setdefault(options.model, [])
    chosen = [item for item in items if item.choices is not None]
    for what, of, how in (("loss", items, likelihood.losses), ("choice", chosen, likelihood.likeliest)):
        if what in options.measures and not options.loadable and of:
            found.not_measured.append(f"{name}: {what}, for its weights are not here")
        elif what in options.measures and of:
            done = measure_by_chunks(run, f"{step.name}: {name}, {what}", folder, options, identity, of, how)
            ours += done.found
            found.left += done.left
            found.chunks |= set(done.files)
    likelihood.forget()  # its weights are served by another process now, or the next model's are loaded


def asked_about(items: Sequence[Item], options: Eval, *, judged: bool) -> list[Item]:
    """Return the items that a model is asked about; those with choices only where their likelihood is not measured.

    Args:
        items: all that is measured on.
        options: of the model.
        judged: whether a judge compares the answers, so that long ones count too.
    """
    whole = judged or "overlap" in options.measures
    if not {"answer", "overlap"} & set(options.measures):
        return []
    by_likelihood = options.loadable and "choice" in options.measures
    return [item for item in items if (not by_likelihood if item.choices is not None else item.comparable or whole)]


def ask(run: Run, step: Step, items: Sequence[Item], found: Found) -> None:
    """Ask a model about items; what a cap or the endpoint ends is noted, and the same command goes on.

    Raises:
        DatagenError: it ended before anything at all was measured.
    """
    options: Eval = step.options
    run.progress.step(f"{step.name}: {options.model}, its server", None, "items")
    sampling = options.sampling()
    if options.loadable and options.max_output_tokens is None:
        sampling["max_tokens"] = LOCAL_TOKENS
    with chat_of(run, step) as chat:
        run.progress.step(f"{step.name}: {options.model}, answers", len(items), "items")
        done = 0
        try:
            came = ask_items(chat, items, sampling, overlaps="overlap" in options.measures)
            for one, item in zip(came, items, strict=False):  # in this order: that closes the chat
                done += 1
                found.measured[options.model] += one.measured
                if one.text is None:
                    found.left.append((item.row["id"], "request_failed"))
                else:
                    found.answers.setdefault(options.model, {})[item.row["id"]] = one.text
                run.progress.at(done, f"{spent(chat, done)}{chat.sent:,} asked")
        except (BudgetError, ModelError, DataError) as e:
            found.stopped = e
            if not any(found.measured.values()):
                raise
        found.asked += done
        found.sent += chat.sent


def judge_answers(run: Run, step: Step, judge: Judge, items: Sequence[Item], found: Found) -> None:
    """Let the judge compare each model's answers with those of the first, some at a time; a cap ends it."""
    first, *others = (one.model for one in step.options.each)
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
                measured, lost = head_to_head.judge_pairs(judge, pairs[begin : begin + JUDGED], ctx)
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
