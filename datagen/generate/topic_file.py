"""Files of topics: a two-level list that steers what is asked for, as YAML, JSON or plain text.

    science:            # YAML or JSON: domain → list of sub-domains, or sub-domain → weight
      astronomy: 2
      physics: 1
    cooking: 3          # a domain alone, with its weight; nothing after the colon is weight 1

Any other file is plain text: one topic per line, `domain / sub-domain`, `domain<TAB>sub-domain` or a domain alone.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import regex

from datagen import assets
from datagen.errors import DataError, UsageError

if TYPE_CHECKING:
    from yaml import Node

LONGEST = 200  # characters of a name

# TCP/IP is one name, `science / physics` is two. Looked for once in each stretch of blanks: at its start.
_BETWEEN = regex.compile(r"(?:(?<!\s)|\G)(?:\s*+(?:／|(?:(?<=\s)|^)/(?=\s|$))|[^\S\t]*+\t)\s*+")
_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True)
class Cell:
    """A topic: a sub-domain of a domain, or (with an empty sub-domain) the domain alone, and its share of the requests."""

    domain: str
    subtopic: str = ""
    weight: float = 1.0  # relative to the other cells; 0 = never asked for

    @property
    def name(self) -> str:
        """The topic as a prompt shows it: `science / astronomy`, or `science`."""
        return f"{self.domain} / {self.subtopic}" if self.subtopic else self.domain


def read(path_or_name: str, language: str) -> list[Cell]:
    """Return the topics of a file, in its order, or those that come with datagen in a language.

    Args:
        path_or_name: `default` for those of datagen, or a file; `.yaml`, `.yml` and `.json` are read as such, others as text.
        language: en, zh or th; decides nothing but which file `default` is.

    Raises:
        DataError: the file is not there or cannot be opened.
        UsageError: what it holds is not a list of topics; the message names the file, the line or key, and what to write.
    """
    path = str(assets.topics_file(language)) if path_or_name == "default" else assets.shipped(path_or_name)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError where the name holds a zero byte
        why = getattr(error, "strerror", None) or str(error)
        advice = "give a file of topics, or 'default' for those that come with datagen"
        raise DataError(_line(f"cannot read the topics {path_or_name!r}: {why}; {advice}")) from None
    try:
        return _checked(_cells(_text(data), Path(path).suffix.lower()))
    except UsageError as error:
        raise UsageError(_line(f"{path}: {error}")) from None


def _cells(text: str, suffix: str) -> Iterator[tuple[Cell, str]]:
    """Return the cells of a file's text, each with where it stands."""
    return _structured(text, suffix) if suffix in (".yaml", ".yml", ".json") else _lines(text)


def _checked(found: Iterator[tuple[Cell, str]]) -> list[Cell]:
    """Return the cells when no two have the same name and some have a weight."""
    where: dict[str, str] = {}
    cells = []
    for cell, place in found:
        if cell.name in where:
            raise UsageError(f"{place}: the topic '{cell.name}' stands there already ({where[cell.name]}); remove one")
        where[cell.name] = place
        cells.append(cell)
    if not cells:
        raise UsageError("holds no topic; write one per line, such as: science / astronomy")
    if not any(c.weight for c in cells):
        raise UsageError("all weights are 0; give at least one topic a weight above 0")
    return cells


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"line {line}: not UTF-8; save the file as UTF-8") from None


def _lines(text: str) -> Iterator[tuple[Cell, str]]:
    """Yield the cells of plain text: one per line, `#` begins a comment, a bullet in front is no part of a name."""
    if text.lstrip()[:1] in ("{", "["):
        raise UsageError("looks like JSON; name the file .json")
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        place = f"line {number}"
        content = regex.sub(r"^\s*#.*|\s#(?:\s.*)?$", "", line).rstrip(" ")
        content = regex.sub(r"^\s*[-*•]\s+", "", content)
        if not content.strip():
            continue
        if content.endswith((":", "：")):
            raise UsageError(f"{place}: {content.strip()!r} looks like YAML; name the file .yaml, or write domain / sub-domain")
        if regex.search(r"[:：;*]\s*\d+(?:\.\d+)?\s*$", content):
            raise UsageError(f"{place}: {content.strip()!r} ends in a weight; weights are written in a .yaml file")
        domain, *rest = _BETWEEN.split(content, maxsplit=1)
        if "\t" in "".join(rest).strip():
            raise UsageError(f"{place}: more than two columns; write domain<TAB>sub-domain, and weights in a .yaml file")
        yield Cell(_name(domain, place), _name(rest[0], place) if rest and rest[0].strip() else ""), place


def _structured(text: str, suffix: str) -> Iterator[tuple[Cell, str]]:
    """Yield the cells of YAML or JSON: domains with lists or weighted maps below them, with one weight, or with nothing."""
    from yaml import ScalarNode

    for domain, place, value in _entries(_root(text, suffix), "the file"):
        domain = _name(domain, place)
        if value is None or isinstance(value, ScalarNode):
            yield Cell(domain, "", _weight(value, place, domain)), place
            continue
        if not value.value:
            raise UsageError(f"{place}: '{domain}' has an empty list; name sub-domains, or write nothing after the colon")
        for sub, spot, weight in _entries(value, f"'{domain}'"):
            sub = _name(sub, spot)
            if not (weight is None or isinstance(weight, ScalarNode)):
                raise UsageError(f"{spot}: '{domain} / {sub}' has topics below it; there are two levels, so move them up")
            yield Cell(domain, sub, _weight(weight, spot, f"{domain} / {sub}")), spot


def _root(text: str, suffix: str) -> Node | None:
    """Return the YAML node of a whole file, which keeps every name as it was written (`no`, `2024`) and knows its lines."""
    import yaml
    from yaml.representer import SafeRepresenter

    try:
        if suffix == ".json":  # JSON is not all YAML: tabs, surrogate pairs
            content = json.loads(text, object_pairs_hook=_once) if text.strip() else None
            return SafeRepresenter(sort_keys=False).represent_data(content)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except json.JSONDecodeError as error:
        raise UsageError(f"line {error.lineno}: not valid JSON: {error.msg} (column {error.colno})") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        advice = "" if suffix == ".json" else "; put a name with : or # in quotes"
        place = f"line {mark.line + 1}: " if mark else ""
        raise UsageError(f"{place}not valid {suffix[1:].upper().replace('YML', 'YAML')}: {what}{advice}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of a JSON file; a key that stands twice would lose its first value in silence."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"the key {_short(name)} stands twice; remove one")
        found[name] = value
    return found


def _entries(node: Node | None, what: str) -> Iterator[tuple[str, str, Node | None]]:
    """Yield name, place and value of each entry of a map or a list; an entry of a list may be a small map itself."""
    from yaml import MappingNode, ScalarNode, SequenceNode

    if node is None or node.tag == _NULL:
        return
    if isinstance(node, MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise UsageError(f"{_place(key, what)}: a name is a plain text, not a list or a map")
            if key.value in keys:
                raise UsageError(f"{_place(key, what)}: the key {_short(key.value)} stands twice; remove one")
            keys.add(key.value)
            yield key.value, _place(key, f"key {_short(key.value)}"), value
    elif isinstance(node, SequenceNode):
        for n, item in enumerate(node.value, 1):
            place = _place(item, f"item {n} of {what}")
            if isinstance(item, ScalarNode):
                yield "" if item.tag == _NULL else item.value, place, None
            elif isinstance(item, MappingNode):
                yield from _entries(item, place)
            else:
                raise UsageError(f"{place}: a list inside a list; name the domain: domain: [sub-domain, …]")
    else:
        raise UsageError(f"{_place(node, what)}: neither a map nor a list; write domain: [sub-domain, …]")


def _place(node: Node, otherwise: str) -> str:
    """Where a node stands: its line, or (JSON keeps none) its key."""
    return f"line {node.start_mark.line + 1}" if node.start_mark else otherwise


def _weight(node: Node | None, place: str, name: str) -> float:
    """Return the weight that a scalar holds; nothing is 1."""
    if node is None or node.tag == _NULL:
        return 1.0
    try:
        weight = float(node.value)
    except ValueError:
        weight = -1.0
    if not 0 <= weight < float("inf"):
        raise UsageError(
            f"{place}: the weight of '{name}' must be a number of 0 or more, not {_short(node.value)};"
            " a sub-domain stands in a list, such as [astronomy]"
        )
    return weight


def _name(text: str, place: str) -> str:
    """Return a name in NFC with single spaces, when it is one that a prompt can show."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not any(c.isalnum() for c in name):
        raise UsageError(f"{place}: {_short(name)} is no name of a topic; it needs a letter or a digit")
    if len(name) > LONGEST:
        raise UsageError(f"{place}: {_short(name)} has {len(name)} characters; a topic has at most {LONGEST}")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise UsageError(f"{place}: {_short(name)} holds control characters; write the topic as plain text")
    return name


def _short(text: str) -> str:
    """Return a quoted text of a message, cut to what a line can hold."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _line(message: str) -> str:
    return " ".join(message.split())
