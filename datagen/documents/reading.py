"""Files to documents: text, Markdown and HTML are one each, JSON lines, CSV and Parquet one per record."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datagen.documents.document import Document, Markup
from datagen.errors import DataError
from datagen.formats.json_values import LONGEST
from datagen.formats.jsonl import KEEP, too_long
from datagen.formats.read import records
from datagen.formats.sources import SUFFIXES as RECORDS
from datagen.formats.streams import CHUNK, PACKED, Unpacked

TEXTS: dict[str, Markup] = {
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html",
    ".xhtml": "html",
}  # fmt: skip
OTHERS = (".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".pptx")  # documents, but of a kind that is not read here
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([A-Za-z0-9_.:-]{2,40})", flags=re.I)
_NOT_READ = "is not read; turn it into text, Markdown or HTML first (pandoc, pdftotext)"
_KNOWN = (*TEXTS, *RECORDS, *OTHERS)
TEXT_FIELDS = ("text", "content", "document", "body", "article", "passage", "html", "markdown")
ID_FIELDS = ("id", "_id", "doc_id", "document_id", "url", "uri")
TITLE_FIELDS = ("title", "headline", "name")


def files_of(path: str) -> list[Path]:
    """Return the files of documents behind a path: the file, or all of a folder that are documents.

    Raises:
        DataError: there is none that is text, markup or records.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(f"no such file or directory: {path}")
    if place.is_file() and _suffix(place) in OTHERS:
        raise DataError(f"{path}: {_suffix(place)} {_NOT_READ}")
    if place.is_file():
        return [place]
    found = sorted(p for p in _seen(place) if _suffix(p) in _KNOWN)
    if all(_suffix(p) in OTHERS for p in found):
        raise DataError(f"{path}: no document in this folder; expected {', '.join(TEXTS)}, .jsonl, .csv or .parquet")
    return found


def others_beside(paths: Iterable[str]) -> Counter[str]:
    """Count the files of folders that are no documents, by how their names end."""
    seen = {p.resolve(): p for path in paths if Path(path).is_dir() for p in _seen(Path(path)) if _suffix(p) not in _KNOWN}
    return Counter(_suffix(p) or p.name for p in seen.values())


def _seen(place: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those in it, but for hidden ones."""
    for path in place.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts):
            yield path


def _suffix(path: Path) -> str:
    name = path.name.lower()
    packed = next((s for s in PACKED if name.endswith(s)), "")
    plain = Path(name.removesuffix(packed)).suffix
    return plain if plain in TEXTS else f"{plain}{packed}"


def documents(path: str, id_field: str | None = None, text_field: str | None = None) -> Iterator[Document]:
    """Yield the documents of a file or folder; what cannot be read is one with a `problem`.

    Args:
        path: a file or a folder.
        id_field: the field of records that holds the id; by default the first of `id`, `url`, … else file and position.
        text_field: the field that holds the text; by default the first of `text`, `content`, …

    Raises:
        DataError: nothing is there, or no record has the field that is named.
    """
    for file in files_of(path):
        markup = TEXTS.get(_suffix(file))
        if markup is not None:
            yield _whole(file, Path(path), markup)
        elif _suffix(file) in OTHERS:  # one of a folder; it does not vanish
            yield Document(_name(file, Path(path)), "", source=_storable(file.name), problem=f"{_suffix(file)} {_NOT_READ}")
        else:
            yield from _of_records(file, id_field, text_field)


def _whole(file: Path, top: Path, markup: Markup) -> Document:
    """Read a file as one document; its id is its path below the folder that was named."""
    name = _name(file, top)
    raw, problem = _bytes(file)
    text = None if problem else _decoded(raw, markup)
    if text is None:
        problem = problem or "bytes that are not UTF-8; turn them into it first (iconv -t utf-8)"
        return Document(name, raw.decode("utf-8", "backslashreplace"), markup, source=_storable(file.name), problem=problem)
    return Document(name, text.replace("\r\n", "\n").replace("\r", "\n"), markup, source=_storable(file.name))


def _bytes(file: Path) -> tuple[bytes, str]:
    """Return the unpacked bytes of a file and what is wrong with them; of one that is too long its start, read in pieces."""
    with Unpacked(file) as unpacked, io.BufferedReader(unpacked, CHUNK) as stream:
        raw = stream.read(LONGEST)
        if len(raw) < LONGEST:
            return raw, unpacked.broken
        size = len(raw)
        raw = raw[:KEEP]
        while more := stream.read(CHUNK):
            size += len(more)
        return raw, f"{too_long('document', size)}; split it into several"


def _decoded(raw: bytes, markup: Markup) -> str | None:
    """The text of a file in UTF-8, in UTF-16 with its mark, or of a page in the encoding that it names; None else."""
    named = _CHARSET.search(raw[:4096]) if markup == "html" else None
    marked = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
    for encoding in ("utf-8-sig", marked, named[1].decode("ascii") if named else ""):
        try:
            if encoding:
                return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def _name(file: Path, top: Path) -> str:
    return _storable(file.name if file == top else file.relative_to(top).as_posix())


def _storable(text: str) -> str:
    """The text with halves of characters spelt out: they can be in no file."""
    return text.encode("utf-8", "backslashreplace").decode()


def _of_records(file: Path, id_field: str | None, text_field: str | None) -> Iterator[Document]:
    """Yield a document per record of a file."""
    good, missing = 0, ""
    for name, piece in records(str(file)):
        place = f"{name}#{piece.position}"
        record = piece.record
        if piece.problem or not isinstance(record, Mapping):
            raw = (piece.raw or b"").decode("utf-8", "backslashreplace")
            yield Document(place, raw, source=name, problem=piece.problem or "not a record with named fields")
            continue
        field = text_field or next((f for f in TEXT_FIELDS if isinstance(record.get(f), str)), None)
        text = record.get(field) if field else None
        if not isinstance(text, str):
            missing = missing or f"'{text_field or ', '.join(TEXT_FIELDS)}'; the fields are: {', '.join(map(str, record))}"
            yield Document(place, str(dict(record)), source=name, problem=f"no text in the field {text_field or 'text'}")
            continue
        if not good and id_field and id_field not in record:
            raise DataError(f"{file}: no field '{id_field}' of --id-field; the fields are: {', '.join(map(str, record))}")
        good += 1
        found = _first(record, (id_field,) if id_field else ID_FIELDS)
        own = place if found is None else str(found)
        title = _first(record, TITLE_FIELDS)
        markup: Markup = "html" if field == "html" else "markdown" if field == "markdown" else "text"
        stored, own = _storable(text), _storable(own)
        problem = "" if stored == text else "a lone surrogate, which is no character"
        yield Document(own, stored, markup, _storable(title) if isinstance(title, str) else "", name, problem)
    if not good and missing:
        raise DataError(f"{file}: no record has a text: looked for {missing}; name it with --text-field")


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[n] for n in names if record.get(n) not in (None, "")), None)
