"""Text of rows, files and endpoints as a person is shown it: nothing in it can steer a terminal or hide from the eye.

A control character would be followed by a terminal and dropped by a browser, and one of direction lets a text show itself as
what it is not. All are shown as what they are.
"""

from __future__ import annotations

_PICTURES = {c: chr(0x2400 + c) for c in range(32) if c not in (9, 10)} | {0x7F: "\u2421"}
_PICTURES |= {c: f"[U+{c:04X}]" for c in (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
# The same characters where JSON text holds them raw; those below U+0020 it escapes itself.
_ESCAPES = {c: f"\\u{c:04x}" for c in _PICTURES if c >= 0x7F}


def visible(text: str) -> str:
    """Return a text with control characters as pictures (␀, ␍, [U+202E]) and lone surrogates as escapes.

    Newlines and tabs stay: a text may have several lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_PICTURES).encode("utf-8", "backslashreplace").decode("utf-8")


def in_a_line(text: str) -> str:
    """Return a text on one line, its control characters visible, each stretch of blanks as one blank."""
    return " ".join(visible(text.replace("\r\n", "\n")).split())


def escaped_json(text: str) -> str:
    r"""Return JSON text that means the same and has no character raw that a terminal would follow: `\u009b`, `\u202e`."""
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode("utf-8")
