"""What of a record's original shape the columns of a row cannot say, kept under one reserved key of `extra`.

A format has one canonical way to write a row. When a record was written differently (a missing `input`, a number where
text belongs, `loss_weight` for `weight`), the difference is stored as a patch from the canonical record to the original
one. A patch never overrules a later edit: every replacement names the canonical value it replaces, and is skipped when
that value has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datagen import json_text
from datagen.formats.conversation import long_side
from datagen.rows import Row

KEY = "_shape"  # the reserved key of `extra`

Record = dict[str, Any]
Style = Mapping[str, Any]  # choices of a format that a patch cannot express, such as where the system prompt stands
Canonical = Callable[[Mapping[str, Any], Style], Record]

_BLANK: Row = {
    "instruction": "",
    "input": "",
    "output": "",
    "system": "",
    "messages": None,
    "tools": "",
    "candidates": None,
}


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
    if _is_candidates(extra.get("candidates")) and (
        fields.get("candidates")
        or len(extra["candidates"]) == 1
        or extra["candidates"][0]["text"] == fields.get("output")
        or long_side(extra["candidates"][0]["text"])
    ):
        fields["candidates"] = extra.pop("candidates")
    written = _renamed_back(canonical({**_BLANK, **fields}, style), style)
    for key, value in extra.items():
        written.setdefault(key, value)
    patch = deviation(written, record)
    if style or patch is not None:
        extra[KEY] = {"format": form, **style, **({} if patch is None else {"patch": patch})}
    if extra:
        fields["extra"] = dumps(extra)
    return fields


def _is_candidates(value: Any) -> bool:
    """Whether a value is the list that `conversation.candidates_beyond_pair` writes."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(c, dict) and c.keys() == {"text", "score", "source"} for c in value)
        and all(isinstance(c["text"], str) for c in value)
        and all(c["score"] is None or isinstance(c["score"], float) for c in value)
        and all(c["source"] is None or isinstance(c["source"], str) for c in value)
    )


def restore(row: Mapping[str, Any], form: str, canonical: Canonical) -> Record:
    """Return the record of a row: canonical, the extra fields, and the original shape if it came from this format."""
    extra: Record = json.loads(row["extra"]) if row["extra"] else {}
    shape = extra.pop(KEY, None)
    style: Style = shape if shape and shape.get("format") == form else {}
    record = _renamed_back(canonical(row, style), style)
    for key, value in extra.items():
        record.setdefault(key, value)
    if isinstance(extra.get("language"), str) and row["language"]:
        record["language"] = row["language"]  # the column is the newer truth
    for patch in (style.get("patch"), style.get("dialect")):
        record = record if patch is None else patched(record, patch)
    return record


def with_dialect(fields: Row, form: str, plain: Record, record: Record) -> Row:
    """Return the columns that were read of a plain record, with what turns it back into the record of a dialect.

    Args:
        fields: the columns, as `finish` filled them.
        form: name of the format that read the plain record.
        plain: the record as that format knows it.
        record: the record as it stands in the file.
    """
    patch = deviation(plain, record)
    if patch is None:
        return fields
    extra = json.loads(fields["extra"]) if fields.get("extra") else {}
    extra[KEY] = {"format": form, **extra.get(KEY, {}), "dialect": patch}
    return {**fields, "extra": dumps(extra)}


def _renamed_back(record: Record, style: Style) -> Record:
    names = style.get("names")
    return {names.get(key, key): value for key, value in record.items()} if names else record


def deviation(canonical: Any, original: Any) -> Any:
    """Return the patch that turns the canonical value into the original one; null when they are the same."""
    if isinstance(canonical, dict) and isinstance(original, dict):
        return _dict_deviation(canonical, original)
    if isinstance(canonical, list) and isinstance(original, list) and len(canonical) == len(original):
        at = {str(i): p for i, (c, o) in enumerate(zip(canonical, original, strict=True)) if (p := deviation(c, o))}
        return {"length": len(canonical), "at": at} if at else None
    if type(canonical) is type(original) and (canonical == original or (canonical != canonical and original != original)):
        return None
    if isinstance(canonical, str) and isinstance(original, (list, dict)):
        if dumps(original) == canonical:
            return {"as": "json"}
        path = _path_to(original, canonical) if canonical else None
        if path is not None:
            return {"as": "part", "path": path, "around": _with(original, path, None)}
    if isinstance(canonical, (list, dict)) and isinstance(original, str):
        if dumps(canonical) == original:
            return {"as": "text"}
        if original and (key := next((k for k, v in _items(canonical) if v == original), None)) is not None:
            return {"as": "field", "field": key}
    return {"was": _mark(canonical), "is": original}


def _dict_deviation(canonical: Record, original: Record) -> Any:
    surplus = [key for key in canonical if key not in original]
    added = {key: value for key, value in original.items() if key not in canonical}
    rename: dict[str, str] = {}
    for key in surplus:
        value = canonical[key]
        twin = next((k for k, v in added.items() if value not in (None, "") and _equal(v, value)), None)
        if twin is not None:
            rename[key] = twin
            del added[twin]
    at = {}
    for key, value in canonical.items():
        theirs = rename.get(key, key)
        if theirs in original and (patch := deviation(value, original[theirs])):
            at[key] = patch
    drop = {key: _mark(canonical[key]) for key in surplus if key not in rename}
    patch = {"at": at, "drop": drop, "rename": rename, "add": added}
    return {key: value for key, value in patch.items() if value} or None


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, a whole float and an int included (1.0 and 1), a bool and an int not."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def patched(value: Any, patch: Mapping[str, Any]) -> Any:
    """Return a canonical value with the patch applied where it still holds."""
    if "as" in patch:
        return _converted(value, patch)
    if "was" in patch:
        return patch["is"] if _mark(value) == patch["was"] else value
    if isinstance(value, list):
        if len(value) != patch.get("length"):
            return value  # turns were added or removed: positions mean nothing any more
        return [patched(v, patch["at"][str(i)]) if str(i) in patch["at"] else v for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    at, drop, rename = patch.get("at", {}), patch.get("drop", {}), patch.get("rename", {})
    record = {
        rename.get(key, key): patched(v, at[key]) if key in at else v
        for key, v in value.items()
        if not (key in drop and drop[key] == _mark(v))
    }
    for key, added in patch.get("add", {}).items():
        record.setdefault(key, added)
    return record


def _converted(value: Any, patch: Mapping[str, Any]) -> Any:
    if patch["as"] == "text":
        return dumps(value) if isinstance(value, (list, dict)) else value
    if patch["as"] == "field":
        return value.get(patch["field"], value) if isinstance(value, dict) else value
    if not isinstance(value, str):
        return value
    if patch["as"] == "part":
        return _with(patch["around"], patch["path"], value)
    try:
        return json.loads(value)
    except ValueError:
        return value  # the text was edited into something that is no longer JSON


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _path_to(value: Any, text: str) -> list[Any] | None:
    """Return the path of the only string equal to the text; null when there is none or more than one."""
    found: list[list[Any]] = []

    def walk(node: Any, path: list[Any]) -> None:
        if isinstance(node, str) and node == text:
            found.append(path)
        elif isinstance(node, (dict, list)):
            for key, child in node.items() if isinstance(node, dict) else enumerate(node):
                walk(child, [*path, key])

    walk(value, [])
    return found[0] if len(found) == 1 else None


def _with(value: Any, path: list[Any], leaf: Any) -> Any:
    """Return a copy of the value with another leaf at the end of the path."""
    if not path:
        return leaf
    if isinstance(value, dict):
        return {key: _with(v, path[1:], leaf) if key == path[0] else v for key, v in value.items()}
    return [_with(v, path[1:], leaf) if i == path[0] else v for i, v in enumerate(value)]


def _mark(value: Any) -> str:
    """Return the JSON text of a short value, a digest of a long one: enough to see whether it was changed."""
    text = json_text.dumps(value, sort_keys=True, ensure_ascii=True, default=_json_value)
    return text if len(text) <= 32 else "#" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
