"""Writing rows in any format: a file that appears whole, a dataset card beside it, and lines for a trainer's config."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datagen.data.rows import Row
from datagen.errors import UsageError, writing
from datagen.formats import card, csv, jsonl
from datagen.formats.fitting import Fitting
from datagen.formats.format import Format, Written, find, names
from datagen.formats.shape import dumps
from datagen.formats.streams import whole_file
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
    assert form.record is not None
    for row in rows:
        record = form.record(row)
        for note in form.notes(row, record):
            fitting.met[note] += 1
        fields.update(dict.fromkeys(record))
        yield dumps(record)


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
