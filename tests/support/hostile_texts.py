"""Texts on which a regular expression takes longest: what it may repeat, again and again, after what leads there, and no end.

A pattern is read as far as that takes: groups, alternatives, repeats, sets. What a set may hold is asked of the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

# One of these stands for a set: the first two that it takes.
ONES = "a1 _-.ก中\n\t|<>(){}[]\"'`$\\*#:,;@/&=+~^%!?A…。，：的็①­️"
LOOKS = ("?=", "?!", "?<=", "?<!")
MANY = 5  # a repeat of more is pumped


@dataclass(frozen=True)
class Atom:
    """A text for what takes one character or is written out, or the alternatives of a group, each a sequence."""

    texts: tuple[str, ...] = ("",)
    ways: tuple[tuple[Atom, ...], ...] = ()
    least: int = 1
    most: int | None = 1
    look: bool = False

    def sample(self) -> str:
        """A text that it takes, looks aside."""
        if self.look:
            return ""
        one = "".join(a.sample() for a in self.ways[0]) if self.ways else self.texts[0]
        return one * max(1, min(self.least, 3)) if self.most != 0 else ""


class Reader:
    """Reads one pattern."""

    def __init__(self, pattern: Any) -> None:
        self.text: str = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        self.engine = re if isinstance(pattern, re.Pattern) else regex
        self.flags = int(pattern.flags) & ~(int(re.X) | 0x20 * (self.engine is re))
        self.nested = self.engine is regex and bool(pattern.flags & regex.V1)
        self.wordy = bool(pattern.flags & re.X)
        self.at = 0

    def alternatives(self) -> tuple[tuple[Atom, ...], ...]:
        """Read up to the end of a group, or of the text."""
        ways: list[list[Atom]] = [[]]
        while self.at < len(self.text) and self.text[self.at] != ")":
            c = self.text[self.at]
            if c == "|":
                ways.append([])
                self.at += 1
            elif self.wordy and c.isspace():
                self.at += 1
            elif self.wordy and c == "#":
                self.at = (self.text + "\n").find("\n", self.at) + 1
            elif atom := self.atom(c):
                ways[-1].append(self.repeated(atom))
        return tuple(tuple(w) for w in ways)

    def atom(self, c: str) -> Atom | None:
        """Read one character, set or group; None for a place such as `^`."""
        if c == "(":
            return self.group()
        if c == "[":
            return self.of_set(self.to_end_of_set())
        if c == "\\":
            return self.escape()
        self.at += 1
        return None if c in "^$" else self.of_set(".") if c == "." else Atom((c,))

    def group(self) -> Atom | None:
        """Read a group; its name, flags and kind aside."""
        head = re.compile(r"\((?:\?(?:P?<\w+>|<?[=!]|[:>|]|[a-zA-Z0-9^-]*[:)]|P=\w+\)|\(\w+\)|#[^)]*\)))?").match(
            self.text, self.at
        )
        assert head
        self.at = head.end()
        if head.group().endswith(")") or head.group() == "(?":
            return None
        ways = self.alternatives()
        self.at += 1
        return Atom(ways=ways, look=head.group()[1:] in LOOKS)

    def escape(self) -> Atom | None:
        """Read what begins with a backslash."""
        hit = re.compile(r"\\(?:[pPN]\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|g<\w+>|[1-9]\d?|.)", re.S).match(
            self.text, self.at
        )
        assert hit
        self.at = hit.end()
        said = hit.group()
        if said[1] in "bBAZzGmM" or said[1] in "123456789g":
            return None
        return self.of_set(said)

    def to_end_of_set(self) -> str:
        """Read a set as it stands."""
        start, depth = self.at, 0
        while True:
            c = self.text[self.at]
            if c == "\\":
                self.at += 1
            elif c == "[" and (depth == 0 or self.nested):
                depth += 1
                self.at += self.text[self.at + 1 : self.at + 2] == "^"
                self.at += self.text[self.at + 1 : self.at + 2] == "]"
            elif c == "]":
                depth -= 1
            self.at += 1
            if not depth:
                return self.text[start : self.at]

    def of_set(self, said: str) -> Atom | None:
        """Some characters that a set takes."""
        found = _taken(self.engine, said, self.flags)
        return Atom(found) if found else Atom(("a",))

    def repeated(self, atom: Atom) -> Atom:
        """Read how often something may come."""
        hit = re.compile(r"(?:\*|\+|\?|\{\d*,?\d*\})[+?]?").match(self.text, self.at)
        if not hit or hit.group() == "{}" or hit.group() == "{,}":
            return atom
        self.at = hit.end()
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(hit.group()[0], (0, None))
        if hit.group()[0] == "{":
            low, comma, high = hit.group()[1:].partition("}")[0].partition(",")
            least = int(low or 0)
            most = (int(high) if high else None) if comma else least
        return Atom(atom.texts, atom.ways, least, most, atom.look)


@lru_cache(maxsize=5000)
def _taken(engine: Any, said: str, flags: int) -> tuple[str, ...]:
    one = engine.compile(said, flags)
    found = [c for c in ONES if one.fullmatch(c)]
    if not found:
        found = [c for c in map(chr, range(0x3000)) if one.fullmatch(c)][:1]
    return tuple(found[:2])


def _pumped(seq: tuple[Atom, ...], before: str, outer: str = "") -> Iterator[tuple[str, str]]:
    """Yield what leads to a repeat, and what is repeated."""
    for atom in seq:
        if atom.most is None or atom.most > MANY:
            for text in atom.texts if not atom.ways else ["".join(a.sample() for a in w) for w in atom.ways[:4]]:
                yield before, text
        for way in atom.ways[:12]:
            yield from _pumped(way, before)
        before += atom.sample()
    yield "", before


def pieces(pattern: Any) -> list[tuple[str, str]]:
    """Return what leads to a repeat of a pattern and what is repeated there, each pair once."""
    found: dict[tuple[str, str], None] = {}
    for way in Reader(pattern).alternatives()[:16]:
        for before, text in _pumped(way, ""):
            if text:
                found[before[-40:], text[:40]] = None
                if before:
                    found["", (before + text)[:40]] = None
    return list(found)


def sample(pattern: Any) -> str:
    """Return a text that a pattern may take, places and looks aside."""
    return "".join(atom.sample() for atom in Reader(pattern).alternatives()[0])
