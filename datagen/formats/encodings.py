"""Encodings of text: UTF-16 and UTF-32 by their marks, others where the user names them, and what bytes may be if not UTF-8.

A guess is only ever said, never acted on: bytes of one encoding are valid in many others, and the wrong one is mojibake.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator

from datagen.errors import UsageError

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),  # before UTF-16, whose mark begins the first
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
ESCAPE = "datagen.escape"
SURE = 0.85  # of the characters beyond ASCII are those that texts in an encoding are made of
PLAIN = 0.95  # of the characters of a text are shown
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
NEAR = 0.03  # encodings that are so close to the best are named too


def checked(name: str) -> str:
    """Return an encoding that a user names; raises UsageError for one that Python does not know."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise UsageError(f"there is no encoding '{name}'; such as gb18030, big5, shift_jis, euc-kr, cp874, cp1252, utf-16")
    return name


def marked(start: bytes) -> str:
    """Return the encoding that the mark at the start of a file names; "" where there is none, or that of UTF-8."""
    arrow = start.startswith(b"\xff\xff\xff\xff")
    return "" if arrow else next((name for mark, name in MARKS if start.startswith(mark)), "")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Make a lone surrogate of each byte that is no character, which then makes its one row unreadable, not the file."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 | 0x80 | byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPE, _escaped)


def in_utf8(chunks: Iterator[bytes], encoding: str = "") -> Iterator[bytes]:
    """Yield chunks of text in an encoding, "" being that of their mark, as chunks in UTF-8."""
    start = b""
    for data in chunks:
        start += data
        if len(start) >= 4:
            break
    name = encoding or marked(start)
    if not name:
        yield start
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(name)(ESCAPE)
    yield decoder.decode(start).encode("utf-8", "surrogateescape")
    for data in chunks:
        yield decoder.decode(data).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _led(encoding: str, first: int, last: int) -> Callable[[str], bool]:
    """Whether a character is one of the frequent ones of a set: those whose first byte lies in a range."""

    def usual(character: str) -> bool:
        try:
            return first <= character.encode(encoding)[0] <= last
        except UnicodeEncodeError:
            return False

    return usual


def _among(ranges: str) -> Callable[[str], bool]:
    """Whether a character is one of some ranges."""
    known = re.compile(f"[{ranges}]")
    return lambda character: known.match(character) is not None


_WIDE = "\u3000-\u303f\uff00-\uffef\u2010-\u2026"
# Encoding -> what most characters beyond ASCII are in a text that really is in it.
LIKELY: dict[str, tuple[Callable[[str], bool], ...]] = {
    "euc_kr": (_led("euc_kr", 0xB0, 0xC8), _among(_WIDE)),  # before gb18030: its range is the narrower one
    "gb18030": (_led("gb2312", 0xB0, 0xD7), _among(_WIDE)),
    "big5": (_led("big5", 0xA4, 0xC6), _among(_WIDE)),
    "shift_jis": (_among("\u3040-\u30ff"), _led("shift_jis", 0x88, 0x97), _among(_WIDE)),
    "euc_jp": (_among("\u3040-\u30ff"), _led("euc_jp", 0xB0, 0xCF), _among(_WIDE)),
    "cp874": (_among("\u0e00-\u0e7f\u2010-\u2026"),),
    "cp1251": (_among("\u0430-\u044f\u0451\u00ab\u00bb\u2010-\u2026\u2116"),),
    "koi8_r": (_among("\u0430-\u044f\u0451"),),
    "cp1252": (_among("\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u2010-\u2026\u20ac\u00a3\u00a7\u00b0\u00ab\u00bb\u00bf\u00a1"),),
}
_BESIDE = re.compile(r"[^\x00-\x7f]+")
_THAI_MARK_ALONE = re.compile("(?<![\u0e01-\u0e2e\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")


def _share(encoding: str, raw: bytes) -> float:
    """How much of a text beyond ASCII is what texts in an encoding are made of; 0 where it cannot be in it."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(raw)
    except UnicodeDecodeError:
        return 0.0
    runs = _BESIDE.findall(text)
    beyond = "".join(runs)
    if not beyond:
        return 0.0
    if encoding == "cp1252" and max(map(len, runs)) > 3:  # letters with marks stand among others
        return 0.0
    if encoding in ("cp874", "cp1251", "koi8_r") and len(beyond) < 2 * len(runs):  # words, not letters among others
        return 0.0
    if encoding == "cp874" and 20 * len(_THAI_MARK_ALONE.findall(text)) > len(beyond):
        return 0.0
    if encoding in ("shift_jis", "euc_jp") and not re.search("[\u3040-\u309f]", beyond):  # no Japanese text is without
        return 0.0
    return sum(any(usual(c) for usual in LIKELY[encoding]) for c in beyond) / len(beyond)


def without_mark(start: bytes) -> str:
    """Return which UTF-16 or UTF-32 the first bytes of a file are in that has no mark; "" where they are in neither.

    Blanks, commas and ends of lines have NULs in these, at places that tell the order of the bytes, in every script.
    """
    start = start[: len(start[:4096]) // 4 * 4] or start
    if b"\0" not in start:
        return ""
    if start.count(b"\0") <= len(start) // 4 and _shown(start.decode("utf-8", "replace").replace("\0", "")) > PLAIN:
        return ""  # text with some NULs in it
    texts = {name: codecs.getincrementaldecoder(name)("replace").decode(start) for name in WIDE}
    good = [name for name, text in texts.items() if _shown(text) > PLAIN]
    return max(good, key=lambda name: sum(map(texts[name].count, '\n\t ,;"{}[]')), default="")


def _shown(text: str) -> float:
    """How much of a text is what texts are made of: no controls, no characters that do not exist."""
    usual = (c.isprintable() or c.isspace() or unicodedata.category(c) == "Cf" for c in text)
    return (sum(usual) - text.count("\ufffd")) / max(len(text), 1)


def guessed(raw: bytes) -> list[str]:
    """Return what bytes that are not UTF-8 may be, the likeliest first; empty where nothing fits well.

    Args:
        raw: the start of a file; its lines that are UTF-8 say nothing and are left out.
    """
    strange = _lines(raw, utf8=False)
    shares = {name: share for name in LIKELY if (share := _share(name, strange)) >= SURE}
    best = max(shares.values(), default=0.0)
    return sorted((n for n, share in shares.items() if share >= best - NEAR), key=lambda n: -shares[n])[:3]


def _lines(raw: bytes, *, utf8: bool) -> bytes:
    """The first lines of some bytes that are UTF-8 with characters beyond ASCII, or those that are not UTF-8."""
    found = [line for line in raw.splitlines()[:5000] if not line.isascii() and _is_utf8(line) == utf8]
    return b"\n".join(found)[: 1 << 16]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8 but for some.

    By chance every fifth pair of bytes of GB 18030 is a character of two bytes in UTF-8, so those count in lines without
    another byte; hardly any is a part of one of three.
    """
    beyond = "".join(_BESIDE.findall(raw.decode("utf-8", "surrogateescape")))
    broken = sum("\udc80" <= c <= "\udcff" for c in beyond)
    long = sum(c >= "\u0800" for c in beyond) - broken
    good = len("".join(_BESIDE.findall(_lines(raw, utf8=True).decode("utf-8", "ignore"))))  # it may be cut in a character
    return broken <= 2 * long or broken <= 4 * good


def hint(raw: bytes) -> str:
    """Return what is said of a file whose bytes are not UTF-8: what it may be, and how that is told.

    No encoding is offered where it would make other characters of what is UTF-8.
    """
    found = guessed(raw)
    good = _lines(raw, utf8=True)
    if _mostly_utf8(raw) or (found and good and max(_share(name, good) for name in found) < SURE):
        return "others of the file are UTF-8 beyond ASCII, so this piece is broken: mend it where it was written"
    if not found:
        return "no encoding fits well: --encoding NAME says it"
    return f"it reads as {' or '.join(found)}, which is a guess: --encoding {found[0]}"
