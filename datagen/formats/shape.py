"""What of a record's original shape the columns of a row cannot say, kept under one reserved key of `extra`.

A format has one canonical way to write a row. When a record stood in the documented shape of its format and yet was written
differently (a missing `input`, a `name` of a turn), the difference is stored as a patch from the canonical record to the
original one. Of a record in any other shape only what turns hold beside what is understood is stored: an export is always in
the documented shape, whatever dialect was read. A patch never overrules a later edit: every replacement names the canonical
value it replaces, and is skipped when that value has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datagen import json_text
from datagen.data.rows import Row
from datagen.formats.conversation import long_side
from datagen.formats.documented import DOCUMENTED
from datagen.formats.kto import mark_of
from datagen.formats.names import KNOWN, known_name

KEY = "_shape"  # the reserved key of `extra`

Record = dict[str, Any]
Style = Mapping[str, Any]  # choices of a format that a patch cannot express, such as where the system prompt stands
Canonical = Callable[[Mapping[str, Any], Style], Record]

# Keys of a turn that reading understands, whatever value they have.
_UNDERSTOOD = frozenset(
    {"role", "from", "content", "value", "tool_calls", "tool_call_id", "function_call", "reasoning", "reasoning_content"}
    | {"train", "weight", "loss_weight"}
)
MOST_REPEATS = 1_000_000  # of one row: a mixture asks for fewer, and an export would write as many copies
_TURNS = frozenset({"messages", "conversations", "prompt", "completion"})
_BLANK: Row = {
    "instruction": "",
    "input": "",
    "output": "",
    "system": "",
    "messages": None,
    "tools": "",
    "candidates": None,
    "extra": "",
}


def check_repeat(what: str, value: float) -> None:
    """Raise ValueError where a row cannot be taken so often; `what` holds the number: a column, a field."""
    if value != int(value) or not 1 <= value <= MOST_REPEATS:
        raise ValueError(f"the {what} 'repeat' is {value:,}; a row is taken 1 to {MOST_REPEATS:,} times")


def text_of(value: Any) -> str:
    """Return a value as column text: text unchanged; null, NaN and infinity as ""; anything else as its JSON text."""
    if isinstance(value, str):
        return value
    return "" if json_text.finite(value) is None else dumps(value)


def dumps(value: Any) -> str:
    """Return compact-enough JSON text that keeps every script readable; dates and bytes of Parquet become text."""
    return json_text.dumps(value, default=_json_value)


def _json_value(value: Any) -> Any:
    """Say a Parquet value (bytes, dates, decimals) that JSON has no type for as text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def renamed(record: Record, aliases: Mapping[str, tuple[str, ...]]) -> tuple[Record, dict[str, str]]:
    """Return the record with its aliases under their canonical names, and {canonical name: name in the file}.

    A name is only replaced when the canonical one is absent, so nothing is overwritten. An alias that holds something
    goes before one that holds null or an empty text.
    """
    names: dict[str, str] = {}
    for name, others in aliases.items():
        if name not in record:
            there = [other for other in others if other in record]
            found = next((other for other in there if record[other] not in (None, "")), there[0] if there else None)
            if found is not None:
                names[name] = found
    if not names:
        return record, names
    back = {theirs: ours for ours, theirs in names.items()}
    return {back.get(key, key): value for key, value in record.items()}, names


def finish(fields: Row, record: Record, taken: Iterable[str], form: str, style: dict[str, Any], canonical: Canonical) -> Row:
    """Return the row fields with `extra`, `source` and `language` filled from what the shape did not take.

    Args:
        fields: the columns the shape read.
        record: the original record, under its own names.
        taken: names of the record that went to columns.
        form: name of the format.
        style: choices that `canonical` needs to write this record; empty for the canonical writing.
        canonical: the writer of the format.
    """
    consumed = {KEY, *taken}
    extra = {key: value for key, value in record.items() if key not in consumed}
    for column in ("source", "language"):
        if isinstance(extra.get(column), str):
            fields[column] = extra[column]
    if found := _candidates(extra.get("candidates")):
        if found[0]["text"] != fields.get("output") and all(c["score"] is not None for c in found):
            found.sort(key=lambda c: -c["score"])
        if not fields.get("output") and not fields.get("messages") and not long_side(found[0]["text"]):
            fields["output"] = found[0]["text"]
        first = found[0]["text"]
        if fields.get("candidates") or len(found) == 1 or first == fields.get("output") or long_side(first):
            fields["candidates"] = found
            del extra["candidates"]
    written = canonical({**_BLANK, **fields}, style)
    patch = deviation(_with_others(written, extra, own=True), record)
    known = any(known_name(key) in KNOWN for key in extra)
    if style or known or patch is not None:
        shape = {**style, **({} if patch is None else {"keep": patch})}
        shape = {"own": True, **shape} if DOCUMENTED[form](record) else _of_other_shape(shape)
        if shape:
            extra[KEY] = {"format": form, **shape}
    if extra:
        fields["extra"] = dumps(extra)
    return fields


def _of_other_shape(shape: Style) -> dict[str, Any]:
    """Return what may be written of the shape of a record that did not stand in the documented one.

    Which sides a pair has is a shape of its own: its turns are not where the documented one has them.
    """
    if "pair" in shape:
        return {}
    beside = _beside(shape["keep"]) if "keep" in shape else None
    style = {key: value for key, value in shape.items() if key not in ("format", "own", "keep")}
    return {**style, **({} if beside is None else {"keep": beside})}


def _beside(patch: Mapping[str, Any]) -> Any:
    """Return what a patch adds to turns; null where it adds nothing."""
    found = {}
    for name, turns in patch.get("at", {}).items():
        if name not in _TURNS or "length" not in turns:
            continue
        added = {i: _not_understood(one.get("add", {})) for i, one in turns["at"].items()}
        if inside := {i: {"add": more} for i, more in added.items() if more}:
            found[name] = {"length": turns["length"], "at": inside}
    return {"at": found} if found else None


def _not_understood(keys: Record) -> Record:
    return {key: value for key, value in keys.items() if value is not None and key not in _UNDERSTOOD}


def _with_others(record: Record, others: Record, *, own: bool) -> Record:
    """Return a record with the other fields of its row.

    A name that reading gives a meaning moves aside to `NAME_`, and is left out where it holds nothing; in the record's own
    format, which had it there, it stays.
    """
    for key, value in others.items():
        if own or known_name(key) not in KNOWN:
            record.setdefault(key, value)
        elif value not in (None, "", [], {}) and record.get(key) != value:
            record.setdefault(f"{key}_", value)
    return record


def of_dialect(fields: Row) -> Row:
    """Return the columns that were read of the plain record of a dialect, whose own shape is never written."""
    extra = json.loads(fields["extra"]) if f'"{KEY}"' in fields.get("extra", "") else {}
    shape = extra.pop(KEY, None)
    if shape is None:
        return fields
    if kept := _of_other_shape(shape):
        extra[KEY] = {"format": shape["format"], **kept}
    return {**fields, "extra": dumps(extra) if extra else ""}


def _candidates(value: Any) -> list[dict[str, Any]]:
    """Return the answers of a list as `conversation.candidates_beyond_pair` writes it, or a person does; [] of another list.

    A person may leave out scores and sources.
    """
    sound = isinstance(value, list) and all(
        isinstance(c, dict)
        and {"text"} <= c.keys() <= {"text", "score", "source"}
        and isinstance(c["text"], str)
        and (c.get("score") is None or (isinstance(c["score"], int | float) and not isinstance(c["score"], bool)))
        and (c.get("source") is None or isinstance(c["source"], str))
        for c in value
    )
    if not sound:
        return []
    scores = [None if c.get("score") is None else float(c["score"]) for c in value]
    return [{"text": c["text"], "score": s, "source": c.get("source")} for c, s in zip(value, scores, strict=True)]


def restore(row: Mapping[str, Any], form: str, canonical: Canonical) -> Record:
    """Return the record of a row: canonical, the extra fields, and the original shape if it came from this format."""
    extra: Record = json.loads(row["extra"]) if row["extra"] else {}
    shape = extra.pop(KEY, None)
    style: Style = shape if shape and shape.get("format") == form else {}
    record = _with_others(canonical(row, style), extra, own=bool(style.get("own")))
    if isinstance(extra.get("language"), str) and row["language"]:
        record["language"] = row["language"]  # the column is the newer truth
    record = patched(record, style["keep"]) if "keep" in style else record
    taught = all(t["train"] is not False for t in row["messages"] or ())
    while (found := mark_of(record))[1] == "unclear" or (found[1] == "unwanted" and taught):
        # Under its name in this format it would say of a good answer that people did not want it.
        record = {f"{key}_" if key == found[0] else key: value for key, value in record.items()}
    return record


def deviation(canonical: Any, original: Any) -> Any:
    """Return the patch that turns the canonical value into the original one; null when they are the same."""
    if isinstance(canonical, dict) and isinstance(original, dict):
        return _dict_deviation(canonical, original)
    if isinstance(canonical, list) and isinstance(original, list) and len(canonical) == len(original):
        at = {str(i): p for i, (c, o) in enumerate(zip(canonical, original, strict=True)) if (p := deviation(c, o))}
        return {"length": len(canonical), "at": at} if at else None
    if type(canonical) is type(original) and (canonical == original or (canonical != canonical and original != original)):
        return None
    return {"was": _mark(canonical), "is": original}


def _dict_deviation(canonical: Record, original: Record) -> Any:
    at = {key: patch for key, value in canonical.items() if key in original and (patch := deviation(value, original[key]))}
    drop = {key: _mark(value) for key, value in canonical.items() if key not in original}
    add = {key: value for key, value in original.items() if key not in canonical}
    return {key: value for key, value in {"at": at, "drop": drop, "add": add}.items() if value} or None


def patched(value: Any, patch: Mapping[str, Any]) -> Any:
    """Return a canonical value with the patch applied where it still holds."""
    if "was" in patch:
        return patch["is"] if _mark(value) == patch["was"] else value
    if isinstance(value, list):
        if len(value) != patch.get("length"):
            return value  # turns were added or removed: positions mean nothing any more
        return [patched(v, patch["at"][str(i)]) if str(i) in patch["at"] else v for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    at, drop = patch.get("at", {}), patch.get("drop", {})
    record = {
        key: patched(v, at[key]) if key in at else v for key, v in value.items() if not (key in drop and drop[key] == _mark(v))
    }
    for key, added in patch.get("add", {}).items():
        record.setdefault(key, added)
    return record


def _mark(value: Any) -> str:
    """Return the JSON text of a short value, a digest of a long one: enough to see whether it was changed."""
    text = json_text.dumps(value, sort_keys=True, ensure_ascii=True, default=_json_value)
    return text if len(text) <= 32 else "#" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
