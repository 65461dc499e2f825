"""Answers that people did not want (KTO): which field says so, and the row whose answer is therefore not taught.

`kto_tag` is LLaMA-Factory's and says nothing else. `label` is TRL's beside a prompt and its completion, and ms-swift's beside
messages, where a number is a class; other sets have labels of their own. https://huggingface.co/docs/trl/kto_trainer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from datagen import json_text
from datagen.data.rows import Row, conversation_turns
from datagen.formats.names import ANSWERS, CHOICES, CONVERSATIONS, PROMPTS, SIDES, known_name, pair_in, plain_name
from datagen.formats.notes import Notes

# What a mark says: `unclear` stands where only true or false belongs, `other` where it may be no mark at all.
Says = Literal["wanted", "unwanted", "unclear", "other", ""]
MARKS = ("kto_tag", "label")
_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def truth(value: Any) -> bool | None:
    """Return what a value says as true or false (`false`, `"False"`, 0 and `"0.0"` are one); None for anything else."""
    return _TRUTHS.get(str(value).strip().casefold()) if isinstance(value, (bool, int, float, str)) else None


def mark_of(record: Mapping[str, Any]) -> tuple[str, Says]:
    """Return the field of a record that may mark its answer, and what it says of it; ("", "") where there is none.

    Args:
        record: under the names of its file, before any of them is changed.
    """
    names = {plain_name(name): name for name in record}
    field = next((names[mark] for mark in MARKS if mark in names and not _is_blank(record[names[mark]])), None)
    if field is None:
        return "", ""
    value, said = record[field], truth(record[field])
    found: Says = "other" if said is None else "wanted" if said else "unwanted"
    known = {known_name(name) for name in record}
    if plain_name(field) == "kto_tag" or known >= {"prompt", "completion"}:
        found = "unclear" if said is None else found
    elif not known.isdisjoint(CONVERSATIONS):
        found = found if _is_truth(value) else "" if said is None else "other"
    elif "instruction" in known:
        found = "other" if said is False and _is_truth(value) else ""
    elif pair_in(record) is None and (known.isdisjoint(PROMPTS) or known.isdisjoint(ANSWERS)):
        found = ""
    is_pair = plain_name(field) == "label" and not known.isdisjoint(SIDES)
    is_number_of_choice = plain_name(field) == "label" and not names.keys().isdisjoint(CHOICES)
    return (field, "" if is_pair or is_number_of_choice else found)


def is_unwanted(record: Mapping[str, Any], notes: Notes) -> bool:
    """Whether a record says that people did not want its answer.

    Args:
        record: under the names of its file.
        notes: gets what its mark says.

    Raises:
        ValueError: its mark is neither true nor false, where it can be nothing else.
    """
    field, said = mark_of(record)
    if said == "unclear":
        here = json_text.dumps(record[field], default=str)[:40]
        raise ValueError(
            f"the field '{field}' holds {here}, which is neither true nor false: write false for an answer that was not wanted,"
            " or give the field another name"
        )
    if said:
        notes.mark(field, said)
    return said == "unwanted"


def untaught(fields: Row, answers: int) -> Row:
    """Return the columns that were read of a record with its answer as turns that are not taught, after all earlier ones.

    Args:
        fields: some columns, as a shape reads them.
        answers: how many turns at the end are the answer.
    """
    blank = {"system": "", "messages": None, "instruction": "", "input": "", "output": ""}
    turns = conversation_turns({**blank, **fields})[1 if fields.get("system") else 0 :]
    end = max((n for n, one in enumerate(turns, 1) if one["role"] == "assistant"), default=0)
    marked = range(end - answers, end)
    messages = [{**t, "train": False} if n in marked and t["role"] == "assistant" else t for n, t in enumerate(turns)]
    return {**fields, "messages": messages}


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_truth(value: Any) -> bool:
    """Whether a value is written as true or false, and is no number."""
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().casefold() in ("true", "false"))
