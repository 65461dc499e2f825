"""Rows as samples: on the day that a run began, whenever it goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from datagen.answered import all_up_to_last_answer, untaught_turns
from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.errors import DataError
from datagen.models.adapter import base_of, own_tokenizer
from datagen.models.causal_lm import load_tokenizer
from datagen.render.options import Rendering
from datagen.render.template import Tokenizer, with_template
from datagen.render.today import shows_today
from datagen.text.names import called, of_prompts
from datagen.text.row_language import language_of
from datagen.training import checkpoint, text_cache
from datagen.training.batches import Sample
from datagen.training.end_token import ended
from datagen.training.options import TrainOptions
from datagen.training.pairs import all_in_hindsight, each
from datagen.training.shaping import shaped
from datagen.training.texts import samples_of


class Readable(Protocol):
    """What texts are made for: a `start.Base`, or what a dry run knows of it."""

    @property
    def tokenizer(self) -> Tokenizer:
        """With the template of the run."""

    @property
    def most(self) -> int:
        """Tokens of a text."""

    @property
    def identity(self) -> str:
        """Of the weights of the model."""


@dataclass(frozen=True)
class Reader:
    """What reads the texts of a run whose weights are not needed."""

    tokenizer: Any
    most: int
    identity: str = ""


def reader_of(options: TrainOptions) -> Reader:
    """Return what reads texts as the model of a run does; its tokenizer is loaded, its weights are not.

    Raises:
        ModelError: the model is not there.
    """
    base = base_of(options.model)
    tokenizer, longest = load_tokenizer(base or options.model)
    if base:
        tokenizer = own_tokenizer(Path(options.model).expanduser()) or tokenizer
    tokenizer = ended(with_template(tokenizer, options.chat_template), options.eot_token)
    reads = options.longest if longest is None else int(longest * options.stretched)
    return Reader(tokenizer, min(options.longest, reads))


def readable(read: Iterable[Row]) -> tuple[list[Row], Counter[str]]:
    """Return the rows of what was read, and how often each reason is why something is none."""
    rows, unread = list[Row](), Counter[str]()
    for row in read:
        if "reason" in row:
            unread[row["reason"]] += 1
        else:
            rows.append(row)
    return rows, unread


LONG_SHARE = 0.05  # of rows too long, above which it must be said what is done with them


@dataclass(frozen=True)
class Prepared:
    """What a run trains on, and measures.

    Attributes:
        samples: the texts of the rows that can be trained on.
        left_out: (row id, reason) of every other row.
        untaught: turns of the rows used that are not learned: `turns_cut`, `empty_answers`.
        measured: both of the rows whose loss is measured; None without.
        date: that the chat template shows as today (YYYY-MM-DD); "" where it shows none.
        mark: fingerprint of the run, for its checkpoints.
    """

    samples: list[Sample]
    left_out: list[tuple[str, str]]
    untaught: Mapping[str, int]
    measured: tuple[list[Sample], list[tuple[str, str]]] | None
    date: str
    mark: str


def prepared(
    rows: Sequence[Row],
    eval_rows: Sequence[Row] | None,
    base: Readable,
    options: TrainOptions,
    begun: tuple[str, checkpoint.Progress] | None = None,
    out: Path | None = None,
    today: str = "",
) -> Prepared:
    """Return rows as samples.

    A template that shows the date writes other texts on every day. So a run shows the day that it began with, which its
    checkpoint holds.

    Args:
        rows: to train on.
        eval_rows: to measure.
        base: the model that is to read them.
        options: of the run.
        begun: the fingerprint and the progress of a checkpoint that may be gone on from.
        out: the run folder, beside whose checkpoint the texts are kept; None keeps nothing.
        today: YYYY-MM-DD; "" = by the clock of this machine.

    Raises:
        DataError: no row can be trained on.
    """
    tokenizer, most = base.tokenizer, base.most
    fitting, unfit = _fitted(rows, options)
    measuring, unmeasured = _fitted(eval_rows, options) if eval_rows else (None, [])
    if measuring is not None:
        measuring = shaped(measuring, options, fitting)
    fitting = shaped(fitting, options)
    dates = [""]
    if shows_today(repr(tokenizer.chat_template)):
        today = options.date or today or date_here()
        dates = [begun[1].date, today] if begun and begun[1].date and not options.date else [today]
    for date in dict.fromkeys(dates):
        how = replace(options.rendering, date=date)
        groups = [fitting] if measuring is None else [fitting, measuring]
        made = _texts(groups, tokenizer, most, how, options, out)
        samples, left_out = made[0]
        measured = None if measuring is None else (made[1][0], [*unmeasured, *made[1][1]])
        mark = checkpoint.fingerprint(options.begun_with(), base.identity, [samples, measured[0] if measured else []])
        if begun and mark == begun[0]:
            break
    if date and not options.date:
        told = "every text of this run shows %s as today, for the chat template asks for the date; --date gives another"
        logging.getLogger(__name__).warning(told, date)
    _check_not_empty(samples, [*unfit, *left_out])
    _check_not_many_long(left_out, len(rows), most, options)
    untaught = untaught_turns(rows) if options.objective == "sft" and options.direction == "forward" else {}
    return Prepared(samples, [*unfit, *left_out], untaught, measured, date, mark)


def _texts(
    groups: Sequence[Sequence[Row]], tokenizer: Tokenizer, most: int, how: Rendering, options: TrainOptions, out: Path | None
) -> list[text_cache.Group]:  # fmt: skip
    """Return the samples of groups of rows, and (row id, reason) of the others: as they were kept, or made, and kept."""
    key = text_cache.key_of(groups, [options.begun_with(), most, how.date], tokenizer) if out else ""
    kept = text_cache.read(out, key) if out else None
    if kept is not None:
        return kept
    made = [samples_of(rows, tokenizer, most, how, options.objective, options.overflow) for rows in groups]
    if out and made[0][0]:
        text_cache.save(out, key, made)
    return made


def _fitted(rows: Sequence[Row], options: TrainOptions) -> tuple[Sequence[Row], list[tuple[str, str]]]:
    """Return the rows as the objective takes them, and (id, reason) of those that it cannot."""
    if options.objective == "hindsight":
        return all_in_hindsight(rows)
    if options.objective != "sft":
        return rows, []
    return all_up_to_last_answer(rows) if options.direction == "forward" else all_turned_round(rows)


def _check_not_empty(samples: Sequence[Sample], left_out: Sequence[tuple[str, str]]) -> None:
    """Check that something is left to train on; raises DataError with the reasons why not."""
    if not samples:
        why = ", ".join(sorted({reason for _, reason in left_out})) or "there were none"
        raise DataError(f"no row can be trained on: all {len(left_out)} were left out ({why})")


def _check_not_many_long(left_out: Sequence[tuple[str, str]], rows: int, most: int, options: TrainOptions) -> None:
    """Raise DataError where many rows are too long, and nobody said what is to be done with them."""
    long = sum(reason == "too_long" for _, reason in left_out)
    if options.overflow is None and long > LONG_SHARE * rows:
        raise DataError(
            f"{long:,} of {rows:,} rows are longer than {most:,} tokens: --overflow drop leaves them out, truncate cuts them,"
            " split-turns divides conversations; or give a larger --max-length"
        )


def date_here() -> str:
    """Return the day by the clock of this machine, YYYY-MM-DD."""
    return datetime.now().astimezone().date().isoformat()


def begun_in(out: Path | None, options: TrainOptions) -> tuple[str, checkpoint.Progress] | None:
    """Return the fingerprint and the progress of the checkpoint in a folder; None where there is none to go on from."""
    return checkpoint.read_mark(out) if out and not options.fresh else None


def turned_round(row: Row, prompts: dict[str, Prompt]) -> Row | str:
    """Return a row whose task is the prompt with this row's answer, and whose answer is this row's task; its id stays.

    Args:
        row: one task and one answer.
        prompts: filled as they are needed, one per language.

    Returns:
        The row, or why it has none: `multi_turn`, `no_labels`.
    """
    if row["messages"] is not None and len(row["messages"]) > 2:
        return "multi_turn"
    task = "\n\n".join(part for part in (row["instruction"], row["input"]) if part).strip()
    if not task or not row["output"].strip():
        return "no_labels"
    spoken = row["language"] or language_of(row["instruction"], row["output"])
    language = of_prompts(spoken)
    if language not in prompts:
        prompts[language] = Prompt("backtranslate", language)
    asked = prompts[language].text(text=row["output"], title="", language=called(spoken, language))
    return {**row, "instruction": asked, "input": "", "output": task, "system": "", "messages": None, "tools": ""}


def all_turned_round(rows: Iterable[Row]) -> tuple[Sequence[Row], list[tuple[str, str]]]:
    """Return the rows turned round, and (id, reason) of those that cannot be."""
    return each(rows, turned_round)
