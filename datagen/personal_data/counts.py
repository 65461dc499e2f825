"""Personal data in whole tables of rows, counted as `clean` would mask it; most texts are passed by on a look by RE2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.data.shards import read_shards
from datagen.personal_data.keys import SIGNS
from datagen.personal_data.mask import KINDS, counted, texts_of_fields
from datagen.tool_calls import strings

COLUMNS = ("instruction", "input", "output", "system", "messages", "candidates", "extra")
NAMES = {  # kind -> one, several
    "email": ("e-mail address", "e-mail addresses"), "phone": ("phone number", "phone numbers"),
    "ip": ("IP address", "IP addresses"), "card": ("card number", "card numbers"), "key": ("key", "keys"),
}  # fmt: skip
# Every text with personal data has one of these: an `@`; two digits and what may stand inside a number between them; the
# middle of an IP address; the mark of a key. Of the digits and blanks of every script, as the finders have them.
_MAY = (
    r"@|\p{Nd}[\p{Nd}()./（）．／－\p{Z}\x09-\x0d\x1c-\x1f\x{85}-]{4,}\p{Nd}|\p{Nd}\.\p{Nd}{1,3}\.\p{Nd}|:[0-9A-Fa-f]{0,4}:|"
    + SIGNS
)


def of_table(table: pa.Table) -> tuple[Counter[str], int]:
    """Return how much personal data of each kind the rows of a table hold, and how many rows hold some.

    Each text counts once: of a conversation its turns with what tools are called with and say, of several answers all, and
    the texts of other fields. What stands in tools, which `clean` leaves as it is, is counted under `in_tools` again.
    """
    found: Counter[str] = Counter()
    rows: set[int] = set()
    for row, one in _of_tools(table):
        if here := counted(one):
            found += here
            found["in_tools"] += here.total()
            rows.add(row)
    for at, texts in _texts(table):
        for hit in np.flatnonzero(
            pc.match_substring_regex(texts, _MAY).fill_null(fill_value=False).to_numpy(zero_copy_only=False)
        ):
            if here := counted(texts[int(hit)].as_py()):
                found += here
                rows.add(int(at[hit]))
    return found, len(rows)


def _texts(table: pa.Table) -> Iterator[tuple[npt.NDArray[np.int64], pa.Array]]:
    """Yield the texts of a table, each with the number of its row."""
    every = np.arange(len(table))
    messages = table.column("messages").combine_chunks()
    plain = pc.is_null(messages).to_numpy(zero_copy_only=False)  # else the flat columns say a part of the turns again
    yield every, table.column("system").combine_chunks()
    for name in ("instruction", "input", "output"):
        yield every[plain], table.column(name).combine_chunks().filter(pa.array(plain))
    turns, of = _items(messages)
    spoken = pc.fill_null(pc.not_equal(turns.field("role"), "tool"), fill_value=True)
    for name in ("content", "reasoning"):
        yield of[spoken.to_numpy(zero_copy_only=False)], turns.field(name).filter(spoken)
    extras = table.column("extra").combine_chunks()
    for at in np.flatnonzero(pc.match_substring_regex(extras, _MAY).to_numpy(zero_copy_only=False)).tolist():
        for text in texts_of_fields(extras[at].as_py()):
            yield every[at : at + 1], pa.array([text])
    answers, of = _items(table.column("candidates").combine_chunks())
    others = np.concatenate([[False], of[1:] == of[:-1]])[: len(of)]  # the first is the row's own answer
    yield of[others], answers.field("text").filter(pa.array(others))


def _of_tools(table: pa.Table) -> Iterator[tuple[int, str]]:
    """Yield the texts that tools are called with and say, decoded, each with the number of its row."""
    turns, of = _items(table.column("messages").combine_chunks())
    says = pc.if_else(pc.equal(turns.field("role"), "tool"), turns.field("content"), pa.scalar(None, pa.string()))
    for column in (says, turns.field("tool_calls")):
        may = pc.match_substring_regex(column, rf"{_MAY}|\\u").fill_null(fill_value=False)
        for hit in np.flatnonzero(may.to_numpy(zero_copy_only=False)).tolist():
            for text in strings(column[hit].as_py()):
                yield int(of[hit]), text


def _items(lists: pa.Array) -> tuple[pa.StructArray, npt.NDArray[np.int64]]:
    """The items of all lists, each with the number of its list."""
    return pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)


def of_folder(folder: Path) -> dict[str, int]:
    """Return the counts of a folder of shards by kind, those of 0 too, under `rows` how many rows hold some, and `in_tools`."""
    found: Counter[str] = Counter()
    rows = 0
    for table in read_shards(folder, list(COLUMNS)):
        here, with_some = of_table(table)
        found += here
        rows += with_some
    return {"rows": rows, **{kind: found[kind] for kind in KINDS}, "in_tools": found["in_tools"]}


def said(counts: dict[str, int]) -> str:
    """Return counts in words, such as `12 e-mail addresses, 1 key`; "" where there is nothing."""
    return ", ".join(f"{n:,} {names[n != 1]}" for kind, names in NAMES.items() if (n := counts.get(kind, 0)))
