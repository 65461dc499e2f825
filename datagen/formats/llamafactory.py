"""LLaMA-Factory datasets, written only: Alpaca or ShareGPT records, and their entries in `dataset_info.json`.

Format: https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. Its loader wants every record of a file to
have the same fields, and keeps pairs of answers (`ranking`) apart from single ones; so other fields of a record have no
place here, and a set with both kinds becomes two files.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from datagen import json_text
from datagen.data.rows import Row
from datagen.errors import DataError, writing
from datagen.formats import alpaca, jsonl, sharegpt
from datagen.formats.conversation import is_pair
from datagen.formats.format import Format, Written
from datagen.formats.shape import Record, dumps
from datagen.formats.streams import stem, whole_file
from datagen.formats.tools import sharegpt_tools

NAME = "llamafactory"
ASKED, ANSWERED = ("human", "observation"), ("gpt", sharegpt.CALL)
TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


def write(rows: Iterable[Row], target: Path) -> tuple[list[Path], Record, int]:
    """Write rows as LLaMA-Factory datasets and merge their entries into `dataset_info.json` beside them.

    Args:
        rows: rows, already repeated.
        target: the file for the rows; pairs go to `<stem>_preference` beside it when there are single answers too.

    Returns:
        The files, the entries by dataset name, and the number of conversations that do not alternate between asking and
        answering, which LLaMA-Factory skips with a warning.

    Raises:
        DataError: the `dataset_info.json` that is there cannot be read.
    """
    information = target.parent / "dataset_info.json"
    entries = _entries(information)
    skipped = 0
    flat, singles, pairs = True, 0, 0
    used: dict[str, bool] = {}
    with (
        writing(tempfile.gettempdir()),
        tempfile.TemporaryFile() as as_alpaca,
        tempfile.TemporaryFile() as as_sharegpt,
        tempfile.TemporaryFile() as as_pair,
    ):
        for row in rows:
            record = sharegpt_record(row)
            skipped += not alternates(record)
            used.update({name: True for name in ("system", "tools") if record[name]})
            if is_pair(row):
                pairs += 1
                _spool(record, as_pair)
                continue
            singles += 1
            _spool(record, as_sharegpt)
            simple = alpaca_record(row) if flat else None
            flat = simple is not None
            if simple is not None:
                used["history"] = used.get("history", False) or bool(simple["history"])
                _spool(simple, as_alpaca)
        new: Record = {}
        files = []
        if singles or not pairs:
            _copy(as_alpaca if flat else as_sharegpt, target)
            new[stem(target)] = entry(target.name, flat=flat, ranking=False, used=used)
            files.append(target)
        if pairs:
            place = target.with_name(target.name.replace(stem(target), f"{stem(target)}_preference", 1)) if singles else target
            _copy(as_pair, place)
            new[stem(place)] = entry(place.name, flat=False, ranking=True, used=used)
            files.append(place)
    with whole_file(information) as stream:
        stream.write((json_text.dumps({**entries, **new}, indent=2) + "\n").encode())
    return files, new, skipped


def sharegpt_record(row: Mapping[str, Any]) -> Record:
    """Return the row in ShareGPT form with exactly the fields that LLaMA-Factory reads."""
    full = sharegpt.canonical(row, {})
    record: Record = {"conversations": [_bare(t) for t in full["conversations"]]}
    for side in ("chosen", "rejected"):
        if side in full:
            record[side] = _bare(full[side])
    return {**record, "system": row["system"], "tools": sharegpt_tools(row["tools"])}


def alpaca_record(row: Mapping[str, Any]) -> Record | None:
    """Return the row in Alpaca form with the fields that LLaMA-Factory reads; null where that loses something."""
    if row["tools"] or (row["messages"] is not None and alpaca.history_of(row["messages"]) is None):
        return None
    full = alpaca.canonical(row, {})
    names = ("instruction", "input", "output")
    return {**{name: full[name] for name in names}, "system": row["system"], "history": full.get("history", [])}


def alternates(record: Record) -> bool:
    """Whether LLaMA-Factory accepts the turns of a ShareGPT record: they ask and answer in turn."""
    turns = record["conversations"]
    if turns and turns[0]["from"] == "system":
        turns = turns[1:]
    fits = all(t["from"] in (ANSWERED if i % 2 else ASKED) for i, t in enumerate(turns))
    return bool(turns) and fits and len(turns) % 2 == int("chosen" in record)


def entry(file_name: str, *, flat: bool, ranking: bool, used: Mapping[str, bool]) -> Record:
    """Return the dataset_info.json entry of a file.

    Args:
        file_name: the file, relative to dataset_info.json.
        flat: Alpaca records; else ShareGPT.
        ranking: pairs of answers.
        used: which of system, tools and history the rows fill.
    """
    described: Record = {"file_name": file_name}
    if flat:
        columns = {"prompt": "instruction", "query": "input", "response": "output"}
        optional = ("system", "history")
    else:
        described["formatting"] = "sharegpt"
        columns = {"messages": "conversations"}
        optional = ("system", "tools")
    if ranking:
        described["ranking"] = True
        columns.update(chosen="chosen", rejected="rejected")
    columns.update({name: name for name in optional if used.get(name)})
    described["columns"] = columns
    if not flat:
        described["tags"] = TAGS
    return described


def _bare(said: Record) -> Record:
    return {"from": said["from"], "value": said["value"] or ""}


def _spool(record: Record, spool: IO[bytes]) -> None:
    spool.write(dumps(record).encode() + b"\n")


def _copy(spool: IO[bytes], target: Path) -> None:
    spool.seek(0)
    texts: Iterator[str] = (line.decode().rstrip("\n") for line in spool)
    with whole_file(target) as stream:
        jsonl.write(texts, stream, array=".json" in target.suffixes)


def _entries(information: Path) -> Record:
    """Return the entries that are there already, before any row is written."""
    if not information.exists():
        return {}
    try:
        entries = json.loads(information.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{information}: not JSON ({error}); mend or move it, it would be overwritten") from error
    if not isinstance(entries, dict):
        raise DataError(f"{information}: expected an object of datasets; mend or move it, it would be overwritten")
    return entries


def _write(rows: Iterable[Row], target: Path) -> Written:
    files, entries, skipped = write(rows, target)
    return Written(tuple(files), config=json_text.dumps(entries, indent=2) + "\n", skipped=skipped)


FORMAT = Format(
    NAME, write=_write, one_answer=True, all_taught=True, candidates=False, reasoning=False, weights="none", mixed="apart",
)  # fmt: skip
