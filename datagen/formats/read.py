"""Reading any instruction data into rows, and unreadable pieces into ledger rows; content decides, not the name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from datagen.data.rows import Row
from datagen.errors import DataError
from datagen.formats import encodings
from datagen.formats.dotted import shown
from datagen.formats.one_file import Answers, File, named
from datagen.formats.pieces import Piece
from datagen.formats.records import checked_map
from datagen.formats.roles import checked_roles
from datagen.formats.sources import files, is_one_file
from datagen.formats.split_column import Parts, through
from datagen.formats.splits import tell

__all__ = ["Answers", "Source", "files", "read", "records"]

NO_ROW = "nothing to read, not one row; check the input"


@dataclass(frozen=True)
class Source:
    """One input as the user gave it."""

    path: str  # file, folder, `-` or hf://datasets/owner/name[/file]
    name: str = ""  # goes to the `source` column of its rows when set


def read(
    path: str,
    *,
    name: str = "",
    mapping: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    stdin_copy: Path | None = None,
    limit: int | None = None,
    answers: Answers = "any",
    split: str | None = None,
    encoding: str = "",
    needs_rows: bool = False,
) -> Iterator[Row]:
    """Yield the rows of a source, and a ledger row (it has the key `reason`) for every piece that cannot be read.

    Args:
        path: a file, a folder, `-` or `hf://datasets/owner/name[/file]`.
        name: goes to `source`; a row's own, different source is then kept in `extra`.
        mapping: our field name ← the file's, such as `{"instruction": "question", "output": "answer"}`.
        roles: the file's name of a role → ours, such as `{"agent": "assistant"}`.
        stdin_copy: where standard input is copied to.
        limit: the most rows and ledger rows to yield; null for all.
        answers: whether a file without any answer is an error: `any`: never, for prompts; `needed`: always; `named`: where
            a field of another name could hold them.
        split: the part of a folder or set with train, validation and test parts; null for train, `all` for each.
        encoding: of texts, such as `gb18030`; by default what their mark says, else UTF-8.
        needs_rows: a text without any row is an error: most likely what wrote it failed. A Parquet file without rows is one.

    Raises:
        DataError: nothing is there, no row of a file could be read, a mapped field is in no record, or no answer; or the
            numbers of its right choices may count from 0 or from 1.
        UsageError: the map speaks of a name that is not ours, or the encoding is none.
    """
    names, known_roles = checked_map(mapping), checked_roles(roles)
    encoding = encodings.checked(encoding) if encoding else ""
    found = files(path, stdin_copy, split)
    labels = ["stdin" if path == "-" else named(file) for file in found]
    parts = Parts(path, split, names)
    alone = len(found) == 1 and is_one_file(path)

    def once() -> Iterator[Row]:
        opened = (
            File(file, label, names, name, known_roles, answers, encoding, parts=parts, alone=alone)
            for file, label in zip(found, labels, strict=True)
        )
        yield from _rows_of(path, opened, needs_rows=needs_rows and not any(label.endswith(".parquet") for label in labels))

    rows = through(parts, once)
    return rows if limit is None else _first(rows, limit, parts)


def _first(rows: Iterator[Row], limit: int, parts: Parts) -> Iterator[Row]:
    """Yield some rows, and say which parts were passed over on the way."""
    yield from islice(rows, limit)
    parts.say()


def _rows_of(path: str, opened: Iterator[File], *, needs_rows: bool) -> Iterator[Row]:
    """Yield the rows of files, and say which of several hold none."""
    empty, count = [], 0
    for file in opened:
        count += 1
        came = False
        for row in file.rows():
            came = True
            yield row
        if not came and not file.held_out:
            empty.append(file.label)
    if needs_rows and len(empty) == count:
        raise DataError(f"{path}: {NO_ROW}")
    texts = [label for label in empty if not label.endswith(".parquet")]
    if texts and count > 1:
        tell(path, f"{path}: {len(texts):,} of its {count:,} files hold no row: {shown(texts, 3)}")


def records(path: str, split: str | None = None) -> Iterator[tuple[str, Piece]]:
    """Yield the name of the file and each record of it as it stands, of whatever fields: for files that hold no rows."""
    for file in files(path, split=split):
        pieces, _ = File(file, named(file), {}, "", {}, "any").opened(as_it_stands=True)
        for piece in pieces:
            yield named(file), piece
