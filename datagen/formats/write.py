"""Writing rows in any format: a file that appears whole, a dataset card beside it, and lines for a trainer's config."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.answered import answered_to
from datagen.data.rows import Row
from datagen.errors import DataError, DatagenError, UsageError, writing
from datagen.formats import card, csv, jsonl
from datagen.formats.conversation import columns_of, is_preference, pair_of, prompt_turns, unwanted
from datagen.formats.format import Format, Written, find, names
from datagen.formats.shape import Record, dumps
from datagen.formats.streams import whole_file
from datagen.formats.tools import offered
from datagen.remnants import is_visible
from datagen.visible import escaped_json


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    files: tuple[Path, ...]  # empty for standard output
    rows: int  # rows that are written
    records: int  # records written: repeats count
    card: Path | None = None  # the dataset card
    config: str = ""  # for the trainer: YAML lines for axolotl, the dataset_info.json entries for llamafactory
    notes: tuple[str, ...] = ()  # what the format cannot hold, one line each


def export(rows: Iterable[Row], to: str, target: Path | None, *, made: str = "", with_card: bool = True) -> Exported:
    """Write rows in a format.

    Args:
        rows: rows; a row with repeat 3 is written three times, except to Parquet, which keeps `repeat`.
        to: the name of a format; see `formats.format`.
        target: the file. JSON Lines, or an array where the name ends with .json, or CSV with .csv/.tsv; .gz and .zst
            compress. Null writes JSON Lines to standard output.
        made: how the rows were made, in Markdown, for the card.
        with_card: whether to write a card beside the file.

    Raises:
        UsageError: an unknown format, or one that this file or standard output cannot hold.
    """
    form = find(to)
    kind = _checked(form, target)
    counts, fitting = card.Counts(), Fitting(form)
    fields: dict[str, None] = {}
    counted = counts.through(fitting.through(rows), repeated=not form.is_rows)
    wrote = Written((target,) if target else ())
    if target is None:
        _to_stdout(_texts(counted, fitting, fields))
    elif form.write:
        wrote = form.write(counted, target)
        fields.update(dict.fromkeys(wrote.fields))
    elif kind in ("csv", "tsv"):
        _to_csv(_texts(counted, fitting, fields), fields, target, tabs=kind == "tsv")
    else:
        with whole_file(target) as stream:
            jsonl.write(_texts(counted, fitting, fields), stream, array=kind == "json")
    # The file's name alone: a card is made to be published, and a path says where someone works.
    config = form.config(target.name if target else "-", counts.kinds) if form.config else wrote.config
    written = None
    if target is not None and with_card:
        written = card.write(counts, to, list(wrote.files), fields=list(fields), made=made, config=config)
    notes = (*_notes(form, counts, wrote.skipped), *fitting.notes())
    return Exported(wrote.files, counts.rows, counts.records, written, config, notes)


def _checked(form: Format, target: Path | None) -> str:
    """Return the container that the target's name asks for, once it can hold the format."""
    if target is None:
        if form.write:
            raise UsageError(f"--to {form.name} needs a file to write to, not standard output")
        return "jsonl"
    suffixes = target.suffixes if form.is_rows else [s for s in target.suffixes if s.lower() not in (".gz", ".zst")]
    kind = suffixes[-1].lower().removeprefix(".") if suffixes else ""
    if kind in ("csv", "tsv") and not form.flat:
        flat = [name for name in names() if find(name).flat]
        raise UsageError(f"{target}: {kind} cannot hold '{form.name}'; name it .jsonl, or use --to {' or '.join(flat)}")
    if kind == "parquet" and not form.is_rows:
        raise UsageError(f"{target}: a Parquet file holds rows; use --to parquet, or name it .jsonl")
    if form.is_rows and kind != "parquet":
        raise UsageError(f"{target}: name a Parquet file .parquet, without .gz or .zst: it is compressed inside")
    return kind if kind in ("csv", "tsv", "json") else "jsonl"


def _texts(rows: Iterable[Row], fitting: Fitting, fields: dict[str, None]) -> Iterator[str]:
    """Yield the record of every row as JSON text, and note the names of its fields."""
    form = fitting.to
    for row in rows:
        record = _record(form, row)
        for note in form.notes(row, record):
            fitting.met[note] += 1
        fields.update(dict.fromkeys(record))
        yield dumps(record)


def _record(form: Format, row: Row) -> Record:
    """Return what a format makes of a row; a user's may break in any way, or give what is no record."""
    assert form.record is not None
    try:
        record = form.record(row)
    except DatagenError:
        raise
    except (Exception, SystemExit) as e:
        raise DataError(f"--to {form.name}: the record of the row {row['id']} broke: {type(e).__name__}: {e}") from e
    if not isinstance(record, dict):
        raise DataError(f"--to {form.name}: the record of a row is a dict, not {str(record)[:80]}")
    return record


def _to_stdout(texts: Iterable[str]) -> None:
    if sys.stdout.isatty():  # what a row says does not steer it; in a pipe the bytes are those of a file
        texts = map(escaped_json, texts)
    jsonl.write(texts, sys.stdout.buffer, array=False)
    sys.stdout.flush()


def _to_csv(texts: Iterable[str], fields: dict[str, None], target: Path, *, tabs: bool) -> None:
    """Write records as CSV; they wait in a temporary file until all columns are known."""
    with writing(tempfile.gettempdir()), tempfile.TemporaryFile() as spool:
        jsonl.write(texts, spool, array=False)
        spool.seek(0)
        records = (json.loads(line) for line in spool)
        with whole_file(target) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
            csv.write(records, list(fields), text, tabs=tabs)
            text.detach()


def _notes(form: Format, counts: card.Counts, skipped: int) -> Iterator[str]:
    """Yield what the format could not hold or its trainer will not take."""
    kinds, to = counts.kinds, form.name
    if counts.unreadable:
        yield f"{counts.unreadable} pieces of the input could not be read and are left out"
    if skipped:
        yield f"{skipped} conversations do not alternate between asking and answering; LLaMA-Factory skips them"
    if not form.reasoning and kinds["reasoning"]:
        yield f"{kinds['reasoning']} rows have reasoning, which {to} has no field for: it is left out"
    if form.weights == "whole" and kinds["fractional"]:
        yield f"{kinds['fractional']} rows have weights between 0 and 1 or above 1; {to} takes 0 or 1: they became 1"
    if form.weights == "none" and kinds["training"]:
        yield f"{kinds['training']} rows have turn weights, which {to} has no field for: they are left out"
    if form.mixed != "apart" and kinds["preference"] and kinds["single"]:
        both = f"{kinds['preference']} preference rows and {kinds['single']} single ones"
        yield f"{both} are in one file; {f'{to} trains' if form.mixed == 'own' else 'trainers train'} them apart"
    if not form.long_sides and kinds["long_sides"]:
        yield (
            f"{kinds['long_sides']} preference rows have several messages on a side, which {to} cannot hold: they became"
            " conversations of the chosen side; --to messages and prompt_completion hold both"
        )


# What is said of rows, in this order; {n} and {to} are filled in.
SAID = {
    "trimmed": "{n} conversations end with a turn that nobody answers: they are written up to their last answer",
    "unanswered_turn": "{n} conversations hold no answer and are left out (unanswered_turn)",
    "no_turns": "{n} rows have no turn at all and are left out",
    "no_prompt": "{n} conversations begin with their only answer, so that there is no prompt: they are left out",
    "untaught": "{n} rows end with an answer that is not to be learned, which {to} cannot say: they are left out",
    "weights_left": "{n} preferred answers say whether, or how much, they count, which {to} cannot say: that is left out",
    "empty_answer": "{n} rows have an empty answer and are written so; `datagen filter` drops them (empty_answer)",
    "beyond_history": "{n} conversations are more than alpaca's history holds: the last exchange is written, and all turns in"
    " a field `messages`",
    "no_call": "{n} conversations hold a result of a tool that answers no call; {to} refuses such lines",
    "tools_left": "{n} rows have tools that are no functions: {to} has no place for them, and they are left out",
    "answers_left": "{n} rows have more answers than {to} can hold: the first is written, or the best and the worst one;"
    " --to messages keeps them all in `candidates`",
    "scores_left": "{n} rows have scores or names of their answers, which {to} has no field for: they are left out",
    "tools_text": "{n} rows have tools that are no functions: their text is in a field `tools_`",
}  # fmt: skip


_PAIR = (None, "chosen", "rejected")


class Fitting:
    """What one export makes of rows before it writes them, and how many of each kind it met."""

    def __init__(self, to: Format) -> None:
        """Begin an export to a format."""
        self.to = to
        self.met: Counter[str] = Counter()

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield each row as the format can hold it; what `read` could not read passes as it is."""
        if self.to.is_rows:
            yield from rows
            return
        for row in rows:
            if "reason" in row:
                yield row
                continue
            fitted = self._answered(row)
            if fitted is not None:
                self._note(fitted)
                yield fitted

    def notes(self) -> Iterator[str]:
        """Yield what was done, one line per kind."""
        for kind, words in SAID.items():
            if self.met[kind]:
                yield words.format(n=self.met[kind], to=self.to.name)

    def _answered(self, row: Row) -> Row | None:
        """Return a row up to its last answer where the format needs that; null for one that is left out."""
        turns = row["messages"]
        if turns == []:
            return self._left_out("no_turns")
        if turns and is_preference(row) and not prompt_turns(turns):
            return self._left_out("no_prompt")
        if turns and is_preference(row) and self.to.all_taught:
            return self._unweighed(row)
        if turns is None or is_preference(row) or not self.to.one_answer:
            return row
        end = answered_to(turns)
        if not end:
            return self._left_out("unanswered_turn")
        if end == 1 and not row["system"] and self.to.needs_prompt:
            return self._left_out("no_prompt")
        if end < len(turns):
            self.met["trimmed"] += 1
            row = {**row, "input": "", "messages": None, **columns_of(turns[:end], row["system"])}
        if self.to.all_taught and _untaught(row) and not (self.to.says_unwanted and unwanted(row)):
            return self._left_out("untaught")
        return row

    def _unweighed(self, row: Row) -> Row:
        """Return a preference without what its better answer says of its weight, which the record has no place for."""
        *before, last = row["messages"]
        if last["train"] is None and last["weight"] is None:
            return row
        self.met["weights_left"] += 1
        return {**row, "messages": None, **columns_of([*before, {**last, "train": None, "weight": None}], row["system"])}

    def _left_out(self, reason: str) -> Row | None:
        self.met[reason] += 1
        return None

    def _note(self, row: Row) -> None:
        turns = row["messages"]
        self.met["empty_answer"] += turns is None and not is_preference(row) and not is_visible(row["output"])
        if row["tools"] and self.to.tools != "any" and "tools_" in offered(row["tools"]):
            self.met["tools_text" if self.to.tools == "text" else "tools_left"] += 1
        if not self.to.candidates and (answers := row["candidates"]):
            held = pair_of(row) if is_preference(row) else (row["output"],)
            self.met["answers_left"] += any(one["text"] not in held for one in answers)
            self.met["scores_left"] += any(one["score"] is not None or one["source"] not in _PAIR for one in answers)


def _untaught(row: Mapping[str, Any]) -> bool:
    """Whether the last answer of a conversation is not to be learned."""
    answers = [turn for turn in row["messages"] or () if turn["role"] == "assistant"]
    return bool(answers) and (answers[-1]["train"] is False or answers[-1]["weight"] == 0)
