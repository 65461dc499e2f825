"""JSON and JSON Lines containers, streamed: one record per line, objects over several lines, or one array."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from datagen.formats.json_values import LONGEST, Decoder, loads
from datagen.formats.pieces import Piece
from datagen.formats.streams import CHUNK, Unpacked, head

SPACE = " \t\n\r"
BOM = "\ufeff"
START = 1 << 16  # bytes by which a container is told
FIRST_LINES = 20  # by which JSON Lines are told from a table
KEEP = 1 << 20  # characters of a broken stretch that are kept
_NEXT_ELEMENT = re.compile(r"\}\s*,\s*(?=\{)")
_NEXT_OBJECT = re.compile(r"\}\s*(?=\{)|\n(?=\{)")
_SPACES = re.compile(r"[ \t\n\r]*")


def pieces(path: Path, encoding: str = "") -> Iterator[Piece]:
    """Yield the records of a JSON or JSON Lines file."""
    start = head(path, 1 << 20, encoding).removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"["):
        return _Stream(path, encoding, array=True).pieces()
    if _spans_lines(start):
        return _Stream(path, encoding, array=False).pieces()
    return lines(path, encoding)


def is_json(start: bytes) -> bool:
    """Whether a file with this beginning is JSON or JSON Lines; a broken first line does not hide the records after it."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text or text[:1] in (b"[", b"{"):
        return True
    some = [line for line in text.splitlines(keepends=True)[:FIRST_LINES] if line.strip()]
    if len(some) > 1 and len(start) >= START and not some[-1].endswith(b"\n"):  # cut off
        some.pop()
    return 2 * sum(map(_is_object, some)) >= len(some)


def _is_object(line: bytes) -> bool:
    try:
        return line.lstrip()[:1] == b"{" and isinstance(loads(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


def lines(path: Path, encoding: str = "") -> Iterator[Piece]:
    """Yield the records of a JSON Lines file; blank lines are no records."""
    unpacked = Unpacked(path, encoding)
    with io.BufferedReader(unpacked, CHUNK) as stream:
        decoder, number = Decoder(), 0
        problem: Piece | None = None
        while raw := stream.readline(LONGEST):
            number += 1
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                yield Piece(f"line {number}", None, raw[:KEEP], too_long("line", len(raw) + _skip_line(stream)))
                continue
            try:
                text = raw.decode().strip(SPACE)
                if text:
                    record, end, fault = decoder.value(text)
                    if end == len(text):
                        yield Piece(f"line {number}", None if fault else record, raw, fault, fault=bool(fault))
                    else:
                        yield from _several(number, text, decoder)
            except (ValueError, RecursionError) as error:
                problem = Piece(f"line {number}", None, raw, said(error))
                if raw.endswith(b"\n"):  # a last line without its end may be cut off by a break in the file
                    yield problem
                    problem = None
        if unpacked.broken:
            raw = problem.raw if problem else b""
            yield Piece(f"line {number if problem else number + 1}", None, raw, unpacked.broken)
        elif problem:
            yield problem


def _skip_line(stream: IO[bytes]) -> int:
    """Read to the end of the line, and return how many bytes that were."""
    size = 0
    while raw := stream.readline(CHUNK):
        size += len(raw)
        if raw.endswith(b"\n"):
            break
    return size


def too_long(what: str, size: int) -> str:
    """Return what is said of a line or value that is too long to be read."""
    return f"a {what} of {size:,} bytes, where {LONGEST:,} are read (the first {KEEP:,} are kept)"


def write(texts: Iterable[str], stream: IO[bytes], *, array: bool) -> None:
    """Write JSON texts, one per line; as the elements of one array where asked."""
    if not array:
        for text in texts:  # zstandard's writer has no writelines
            stream.write(f"{text}\n".encode())
        return
    before = b"[\n"
    for text in texts:
        stream.write(before + text.encode())
        before = b",\n"
    stream.write(b"\n]\n" if before == b",\n" else b"[]\n")


def _several(number: int, text: str, decoder: Decoder) -> Iterator[Piece]:
    """Yield the values that stand on one line."""
    at = nth = 0
    while at < len(text):
        nth += 1
        position = f"line {number}, value {nth}"
        try:
            record, end, fault = decoder.value(text, at)
        except (ValueError, RecursionError) as error:
            yield Piece(position, None, text[at:].encode(), said(error))
            return
        yield Piece(position, None if fault else record, text[at:end].encode(), fault, fault=bool(fault))
        at = _past_spaces(text, end)


def said(error: Exception) -> str:
    """Return one line on why bytes are no JSON value."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.object[error.start]:#04x} at column {error.start + 1}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _past_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def _spans_lines(start: bytes) -> bool:
    """Whether the first object is not over at the end of its line, but is a whole object over several lines."""
    text = start.decode("utf-8", "surrogateescape")
    first = text.partition("\n")[0].strip(SPACE)
    try:
        Decoder().value(first)
        return False
    except (ValueError, RecursionError):
        pass
    try:
        _, end, _ = Decoder().value(text)
    except json.JSONDecodeError as error:
        return "\n" in text and _wants_more(error, len(text)) and first in ("{", "")
    except (ValueError, RecursionError):
        return False
    return "\n" in text[:end]


def _wants_more(error: json.JSONDecodeError, length: int) -> bool:
    """Whether an error can come from text that ends too early rather than from text that is wrong."""
    return error.msg.startswith("Unterminated string") or error.pos >= length - 16


class _Stream:
    """Values read one after another from a sliding window over a file."""

    def __init__(self, path: Path, encoding: str = "", *, array: bool) -> None:
        self._unpacked = Unpacked(path, encoding)
        self._values = Decoder()
        self._stream = io.BufferedReader(self._unpacked, CHUNK)
        # Bytes that are not UTF-8 travel as lone surrogates, which make the one row unreadable, not the file.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self._at = 0
        self._ended = False
        self._array = array
        self._boundary = _NEXT_ELEMENT if array else _NEXT_OBJECT
        self._word = "element" if array else "object"

    def pieces(self) -> Iterator[Piece]:
        """Yield every value, and every broken stretch up to the next value."""
        with self._stream:
            number = 0
            self._more()
            self._text = self._text.removeprefix(BOM)
            if self._array:
                self._skip_spaces()
                self._at += 1  # the opening bracket
            while self._find_value():
                number += 1
                yield self._next(f"{self._word} {number}")
            if self._unpacked.broken:
                yield Piece(f"{self._word} {number + 1}", None, b"", self._unpacked.broken)

    def _more(self) -> bool:
        """Read on, and forget what was used; False at the end of the file."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        data = self._stream.read(max(CHUNK, len(self._text)))
        self._ended = not data
        self._text += self._decoder.decode(data, final=self._ended)
        return True

    def _skip_spaces(self) -> None:
        while (at := _past_spaces(self._text, self._at)) >= len(self._text):
            self._at = at
            if not self._more():
                return
        self._at = at

    def _find_value(self) -> bool:
        """Move to the next value; False at the end of the array or file."""
        self._skip_spaces()
        while self._array and self._text[self._at : self._at + 1] in (",", "]"):
            if self._text[self._at] == "]":
                self._array = False  # anything after the array is read as further values
            self._at += 1
            self._skip_spaces()
        return self._at < len(self._text)

    def _next(self, position: str) -> Piece:
        """Read the value at the current place."""
        while True:
            try:
                record, end, fault = self._values.value(self._text, self._at)
            except json.JSONDecodeError as error:
                if _wants_more(error, len(self._text)):
                    if len(self._text) - self._at > LONGEST:
                        return self._broken(position, f"a value of more than {LONGEST:,} characters, which are not read")
                    if self._more():
                        continue
                return self._broken(position, f"not JSON: {error.msg}")
            except (ValueError, RecursionError) as error:
                return self._broken(position, said(error))
            if end >= len(self._text) - 1 and self._more():
                continue  # a number may go on in the next window
            raw = self._text[self._at : end]
            self._at = end
            raw_bytes = raw.encode("utf-8", "surrogateescape")
            return Piece(position, None if fault else record, raw_bytes, fault, fault=bool(fault))

    def _broken(self, position: str, problem: str) -> Piece:
        """Take everything up to the next place where an object can start after one has ended."""
        kept, size = "", 0
        while True:
            found = self._boundary.search(self._text, self._at)
            # A boundary may lie across two windows, so the last few characters wait for more.
            end = found.start() + 1 if found else len(self._text) - (0 if self._ended else 64)
            end = max(end, self._at)
            kept += self._text[self._at : end][: KEEP - len(kept)]
            size += end - self._at
            self._at = end
            if found or not self._more():
                break
        if found is None and self._unpacked.broken:
            problem, self._unpacked.broken = self._unpacked.broken, ""
        if size > KEEP:
            problem += f" (the first {KEEP} of {size} characters are kept)"
        return Piece(position, None, kept.encode("utf-8", "surrogateescape"), problem)
