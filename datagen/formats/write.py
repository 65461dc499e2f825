"""Writing rows in any format: a file that appears whole, a dataset card beside it, and lines for a trainer's config."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen import json_text
from datagen.data.rows import ROW, Row
from datagen.errors import UsageError, did_you_mean, writing
from datagen.formats import (
    alpaca,
    axolotl,
    card,
    csv,
    jsonl,
    llamafactory,
    messages,
    openai,
    parquet,
    prompt_completion,
    sharegpt,
)
from datagen.formats.fitting import Fitting
from datagen.formats.shape import Record, dumps
from datagen.formats.streams import whole_file
from datagen.visible import escaped_json

FORMATS: tuple[str, ...] = (
    "alpaca",
    "sharegpt",
    "messages",
    "prompt_completion",
    "llamafactory",
    "axolotl",
    "openai",
    "parquet",
)
_RECORDS: Mapping[str, Callable[[Mapping[str, Any]], Record]] = {
    "alpaca": alpaca.write_record,
    "sharegpt": sharegpt.write_record,
    "messages": messages.write_record,
    "prompt_completion": prompt_completion.write_record,
    "axolotl": axolotl.write_record,
    "openai": openai.write_record,
}
FLAT = ("alpaca", "prompt_completion")  # the formats that a CSV file can hold


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
        to: one of FORMATS.
        target: the file. JSON Lines, or an array where the name ends with .json, or CSV with .csv/.tsv; .gz and .zst
            compress. Null writes JSON Lines to standard output.
        made: how the rows were made, in Markdown, for the card.
        with_card: whether to write a card beside the file.

    Raises:
        UsageError: an unknown format, or one that this file or standard output cannot hold.
    """
    kind = _checked(to, target)
    counts, fitting = card.Counts(), Fitting(to)
    fields: dict[str, None] = {}
    config, skipped = "", 0
    counted = counts.through(fitting.through(rows), repeated=to != "parquet")
    files = [] if target is None else [target]
    if target is None:
        _to_stdout(_texts(counted, fitting, fields))
    elif to == "parquet":
        with whole_file(target) as stream:
            # pyarrow writes by name, into the file that whole_file is about to rename
            parquet.write(counted, Path(stream.name))
        fields = dict.fromkeys(ROW.names)
    elif to == "llamafactory":
        files, entries, skipped = llamafactory.write(counted, target)
        config = json_text.dumps(entries, indent=2) + "\n"
    elif kind in ("csv", "tsv"):
        _to_csv(_texts(counted, fitting, fields), fields, target, tabs=kind == "tsv")
    else:
        with whole_file(target) as stream:
            jsonl.write(_texts(counted, fitting, fields), stream, array=kind == "json")
    if to == "axolotl":
        kinds = counts.kinds
        uses = {kind: bool(kinds[kind]) for kind in ("training", "tools", "preference")}
        # The file's name alone: a card is made to be published, and a path says where someone works.
        config = axolotl.config(target.name if target else "-", **uses)
    written = None
    if target is not None and with_card:
        written = card.write(counts, to, files, fields=list(fields), made=made, config=config)
    return Exported(
        tuple(files), counts.rows, counts.records, written, config, (*_notes(to, counts, skipped), *fitting.notes())
    )


def _checked(to: str, target: Path | None) -> str:
    """Return the container that the target's name asks for, once it can hold the format."""
    if to not in FORMATS:
        raise UsageError(f"--to: no format '{to}'{did_you_mean(to, FORMATS)}")
    if target is None:
        if to in ("parquet", "llamafactory"):
            raise UsageError(f"--to {to} needs a file to write to, not standard output")
        return "jsonl"
    suffixes = target.suffixes if to == "parquet" else [s for s in target.suffixes if s.lower() not in (".gz", ".zst")]
    kind = suffixes[-1].lower().removeprefix(".") if suffixes else ""
    if kind in ("csv", "tsv") and to not in FLAT:
        raise UsageError(f"{target}: {kind} cannot hold '{to}'; name it .jsonl, or use --to {' or '.join(FLAT)}")
    if kind == "parquet" and to != "parquet":
        raise UsageError(f"{target}: a Parquet file holds rows; use --to parquet, or name it .jsonl")
    if to == "parquet" and kind != "parquet":
        raise UsageError(f"{target}: name a Parquet file .parquet, without .gz or .zst: it is compressed inside")
    return kind if kind in ("csv", "tsv", "json") else "jsonl"


def _texts(rows: Iterable[Row], fitting: Fitting, fields: dict[str, None]) -> Iterator[str]:
    """Yield the record of every row as JSON text, and note the names of its fields."""
    record_of = _RECORDS[fitting.to]
    for row in rows:
        record = record_of(row)
        fitting.met["no_call"] += fitting.to == "openai" and not openai.is_complete(record)
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


def _notes(to: str, counts: card.Counts, skipped: int) -> Iterator[str]:
    """Yield what the format could not hold or its trainer will not take."""
    kinds = counts.kinds
    if counts.unreadable:
        yield f"{counts.unreadable} pieces of the input could not be read and are left out"
    if skipped:
        yield f"{skipped} conversations do not alternate between asking and answering; LLaMA-Factory skips them"
    if to in ("openai", "llamafactory") and kinds["reasoning"]:
        yield f"{kinds['reasoning']} rows have reasoning, which {to} has no field for: it is left out"
    if to == "openai" and kinds["fractional"]:
        yield f"{kinds['fractional']} rows have weights between 0 and 1 or above 1; openai takes 0 or 1: they became 1"
    if to == "llamafactory" and kinds["training"]:
        yield f"{kinds['training']} rows have turn weights, which llamafactory has no field for: they are left out"
    if to not in ("llamafactory", "parquet") and kinds["preference"] and kinds["single"]:  # one writes two files, one is rows
        both = f"{kinds['preference']} preference rows and {kinds['single']} single ones"
        yield f"{both} are in one file; {f'{to} trains' if to in ('openai', 'axolotl') else 'trainers train'} them apart"
    if to not in ("messages", "prompt_completion", "parquet") and kinds["long_sides"]:
        yield (
            f"{kinds['long_sides']} preference rows have several messages on a side, which {to} cannot hold: they became"
            " conversations of the chosen side; --to messages and prompt_completion hold both"
        )
