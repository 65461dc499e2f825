"""What a file is by its first bytes where it holds no rows as it stands (workbooks, archives, pages), and what mends that."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from datagen.formats.encodings import without_mark

_CSV = "save it as CSV UTF-8 there, and name that"
_UNPACK = "unpack it, and name what was in it"
_PANDAS = "python -c \"import pandas; pandas.read_{0}({1!r}).to_json({2!r}, orient='records', lines=True, force_ascii=False)\""
# The first bytes of a file, and what is said of it; {0} is its name.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (
        b"SQLite format 3\0",
        "an SQLite database; write a table of it as JSON: sqlite3 -json {0} 'SELECT * FROM TABLE' > {1}.json",
    ),
    (b"%PDF-", "a PDF, which holds pages and no rows; take its text out first: pdftotext {0}"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an old Office file (.xls, .doc); {_CSV}"),
    (b"{\\rtf", "a text in RTF, which holds no rows; save it as plain text first"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7-Zip archive; {_UNPACK}: 7z x {{0}}"),
    (b"Rar!\x1a\x07", f"a RAR archive; {_UNPACK}: unrar x {{0}}"),
    (b"\x04\x22\x4d\x18", "packed by LZ4; unpack it first: lz4 -d {0}"),
    (b"\x1f\x9d", "packed by compress; unpack it first: gunzip {0}"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; write its table as JSON Lines first (pandas.read_hdf)"),
    (b"\x93NUMPY", "a NumPy array; write it as JSON Lines first"),
    (b"Obj\x01", "an Avro file; write its records as JSON Lines first: avro-tools tojson {0} > {1}.jsonl"),
    (b"FEA1", "a Feather file of the first version; write it as Parquet first (pandas.read_feather)"),
    (b"GGUF", "the weights of a model (GGUF), and no rows"),
    (b"\x89PNG\r\n\x1a\n", "an image, and no rows"),
    (b"\xff\xd8\xff", "an image, and no rows"),
    (b"GIF8", "an image, and no rows"),
    (b"version https://git-lfs.github.com/", "a pointer of Git LFS and not the file itself; fetch that with: git lfs pull"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x00-\x1f(\]})\x80-\xffXcq]")
_PAGE = re.compile(rb"<(?:!doctype html|html[\s>]|head[\s>])", re.IGNORECASE)
_XML = re.compile(rb"<(?:\?xml\s|!--|[a-z][\w.:-]*(?:\s[^<>]*)?>\s*<[a-z])", re.IGNORECASE)
_REMARKS = re.compile(r"\A(?:\s*#.*\n|\s*\n)+")
_LINE = r"(?:- +)?[\w-]+ *:(?: .*|\s*)"  # of YAML: a name and a colon
_YAML = re.compile(rf"(?:---\s*\n)?(?:- +[\w-]+ *: .*|[\w-]+ *:\s*|- *)\n(?:\s+|- +){_LINE}(?:\n|$)")
_YAML_NAMED = re.compile(rf"(?:---\s*\n)?{_LINE}(?:\n|$)")  # of a file whose name says it


def told(start: bytes, path: Path) -> str:
    """Return what a file is for sure, and how it becomes readable, in one line; "" for what may hold rows.

    Args:
        start: its first bytes, unpacked; some kB of them.
        path: the file.
    """
    name, stem = path.name, path.name.partition(".")[0]
    if start and not start.strip(b"\0"):
        return f"it begins with {len(start):,} zero bytes, as what a crash or a full disk cut off; make or copy it again"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(start, path)
    if found := next((words for mark, words in _MARKS if start.startswith(mark)), ""):
        return f"this is {found.format(name, stem)}"
    if start[257:262] == b"ustar":
        return f"this is a tar archive; {_UNPACK}: tar -xf {name}"
    if _PICKLE.match(start):
        way = _PANDAS.format("pickle", name, f"{stem}.jsonl")
        return f"this is a pickle of Python, which runs code when it is opened; where you trust it: {way}"
    return _of_text(start)


def _of_zip(start: bytes, path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        names = [name for name in ("xl/", "word/", "ppt/", "data.pkl") if name.encode() in start]
    if any(name.startswith("xl/") for name in names):
        return f"this is an Excel workbook, which is not read; {_CSV}"
    if "content.xml" in names and "META-INF/manifest.xml" in names:
        return f"this is an OpenDocument file, which is not read; {_CSV}"
    if any(name.startswith(("word/", "ppt/")) for name in names):
        return "this is an Office document, which holds pages and no rows; save it as plain text first"
    if any(name.endswith("data.pkl") for name in names):
        return "this is a file of PyTorch, which is not read; write what it holds as JSON Lines first"
    inside = f" of {', '.join(names[:3])}{', …' * (len(names) > 3)}" if names else ""
    return f"this is a ZIP archive{inside}; {_UNPACK}: unzip {path.name} -d {path.name.partition('.')[0]}"


def _of_text(start: bytes) -> str:
    """Return what is said of a page, of XML, and of UTF-16 and UTF-32 without their mark."""
    if encoding := without_mark(start):
        return f"it reads as {encoding} without its mark, which is a guess: --encoding {encoding}"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        return "this is a page of HTML (of an address, what the site shows and not the file?); name a file of records"
    if _XML.match(text):
        return "this is XML, which is not read; write its records as JSON Lines first (pandas.read_xml)"
    return ""


def likely(start: bytes, path: Path) -> str:
    """Return the same of what a table could begin with as well: asked where no row could be read."""
    text = start.removeprefix(b"\xef\xbb\xbf")
    lines = text[: text.rfind(b"\n", 0, 8192) + 1 or 8192].decode("utf-8", "replace").replace("\r\n", "\n")
    lines = _REMARKS.sub("", lines)
    named = path.suffix.lower() in (".yaml", ".yml") and _YAML_NAMED.match(lines)
    if not named and not _YAML.match(lines):
        return ""
    way = "json.dump(yaml.safe_load(sys.stdin), sys.stdout, default=str)"
    way = f'python -c "import json, sys, yaml; {way}" < {path.name} > {path.name.partition(".")[0]}.json'
    return f"it looks like YAML, which is not read; write it as JSON first: {way}"
