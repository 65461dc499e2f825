"""The texts of a run beside its checkpoint, so that a run that goes on does not make them again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import first_line, writing
from datagen.json_text import dumps
from datagen.training.batches import Sample

NAME = "texts.parquet"
_TEXT = [("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32())), ("weights", pa.list_(pa.float64()))]
_SCHEMA = pa.schema([
    ("id", pa.string()), ("source", pa.string()), ("repeat", pa.int32()), ("part", pa.int32()), *_TEXT,
    ("rejected", pa.struct(_TEXT)), ("group", pa.int32()),
])  # fmt: skip

Group = tuple[list[Sample], list[tuple[str, str]]]


def key_of(groups: Sequence[Sequence[Any]], facts: Any, tokenizer: Any) -> str:
    """Return what texts depend on: the rows of each group, the options, and the tokenizer with its template.

    The id of a row is a hash of all that it says; what else of it is in a text, or beside it, is here by itself.
    """
    digest = hashlib.blake2b(dumps(facts, ensure_ascii=True).encode(), digest_size=16)
    digest.update(tokenizer.backend_tokenizer.to_str().encode() if tokenizer.is_fast else repr(tokenizer).encode())
    digest.update(repr(tokenizer.chat_template).encode())
    for rows in groups:
        digest.update(b"group")
        for row in rows:
            turns = [(t["train"], t["weight"]) for t in row["messages"] or ()]
            asked = (row["instruction"], row["input"], row["output"]) if row["messages"] is None else ()
            said = [t["content"] for t in row["messages"] or ()]
            scores = [c["score"] for c in row["candidates"] or ()]
            digest.update(repr((row["id"], row["source"], row["repeat"], row["language"], asked, said, turns, scores)).encode())
    return digest.hexdigest()


def save(out: Path, key: str, groups: Sequence[Group]) -> None:
    """Keep the samples of each group, and why other rows have none, under a key."""
    folder = out / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(sample, number) for number, (samples, _) in enumerate(groups) for sample in samples]
    left_out = dumps([left for _, left in groups], ensure_ascii=True)
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({"key": key, "left_out": left_out}))
    temporary = folder / f".{NAME}"
    with writing(folder / NAME):
        pq.write_table(table, temporary)
        temporary.replace(folder / NAME)


def read(out: Path, key: str) -> list[Group] | None:
    """Return the groups that were kept under a key; None where there are none of it."""
    import json

    path = out / "checkpoint" / NAME
    try:
        facts = pq.read_schema(path).metadata or {}
        if facts.get(b"key") != key.encode():
            return None
        left_out = json.loads(facts[b"left_out"])
        groups: list[Group] = [([], [(i, reason) for i, reason in left]) for left in left_out]
        for row in pq.read_table(path).to_pylist():
            groups[row["group"]][0].append(_sample(row))
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        logging.getLogger(__name__).warning("%s is damaged (%s); the texts are made again", path, first_line(error))
        return None
    return groups


def _row(sample: Sample, group: int) -> dict[str, Any]:
    def text(one: Sample) -> dict[str, Any]:
        return {"input_ids": one.input_ids, "labels": one.labels, "weights": one.weights}

    named = {"id": sample.id, "source": sample.source, "repeat": sample.repeat, "part": sample.part, "group": group}
    return {**named, **text(sample), "rejected": text(sample.rejected) if sample.rejected else None}


def _sample(row: dict[str, Any]) -> Sample:
    def text(one: dict[str, Any], rejected: Sample | None = None) -> Sample:
        held = (one["input_ids"], one["labels"], one["weights"])
        return Sample(row["id"], row["source"], row["repeat"], *held, row["part"], rejected)

    return text(row, text(row["rejected"]) if row["rejected"] else None)
