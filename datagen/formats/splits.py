"""Parts of a dataset: train, validation and test by the names of files and folders, as the Hub and `datasets` write them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import PurePath

from datagen.errors import DataError, did_you_mean
from datagen.visible import in_a_line

ALL, ONE = "all", "one"  # every part is read; only a set that has no parts is
FAMILIES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_FAMILY = {word: family for family, words in FAMILIES.items() for word in words}
_SHARD = re.compile(r"(?:[-_.]|(?<!\d))\d++(?:[-_]of[-_]\d++)?$")
_WORD = re.compile(rf"(?:^|[-_. ])({'|'.join(_FAMILY)})(?=$|[-_. 0-9])")
_told: set[tuple[str, str]] = set()


def part_of(name: str) -> tuple[str, str]:
    """Return the family of the part that a file belongs to, and the part's own name: ("train", "train_sft"); "" for none.

    Args:
        name: the file's path below the folder or set.
    """
    *folders, file = PurePath(name.lower()).parts
    stem = _SHARD.sub("", file.partition(".")[0])
    if stem in _FAMILY:
        return _FAMILY[stem], stem
    for folder in reversed(folders):
        if folder in _FAMILY:
            return _FAMILY[folder], folder
    found = _WORD.search(stem)
    return (_FAMILY[found[1]], stem) if found else ("", "")


def chosen(place: str, names: Sequence[str], split: str | None) -> list[str]:
    """Return those of the files of a folder or set that are read: of one with parts the train part, and what is in none.

    Args:
        place: what the user named.
        names: paths below it.
        split: the part that is wanted instead; `all` for each, `one` where there may be no parts.

    Raises:
        DataError: it has no such part.
    """
    parts = {name: part_of(name) for name in names}
    families = {family for family, _ in parts.values()} - {""}
    if split == ALL or (split in (None, ONE) and not ("train" in families and len(families) > 1)):
        return list(names)
    shown = _shown(parts)
    if split == ONE:
        raise DataError(f"{place} has the parts {shown}; name the files of one of them")
    wanted = split or "train"
    family = _FAMILY.get(wanted.lower(), "")
    own = wanted.lower()
    found = [n for n, (f, part) in parts.items() if own == part] or [n for n, (f, _) in parts.items() if f and f == family]
    if not found:
        known = sorted({word for f, part in parts.values() if f for word in (f, part)})
        raise DataError(f"{place} has no part '{wanted}'{did_you_mean(wanted, known)}; it has: {shown or 'no parts'}")
    if split is None:
        found = [n for n, (f, _) in parts.items() if f in ("train", "")]
        others = _shown({n: part for n, part in parts.items() if n not in found})
        tell(place, f"{place}: only train is read, not {others}; --split NAME reads another part, --split all each")
    return found


def _shown(parts: dict[str, tuple[str, str]]) -> str:
    """The parts with their number of files."""
    counts: dict[str, int] = {}
    for family, part in parts.values():
        if family:
            name = part if family in part else family
            counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} ({n} file{'s' * (n != 1)})" for name, n in counts.items())


def tell(place: str, words: str) -> None:
    """Say a line on stderr, once in a process."""
    if (place, words) not in _told:
        _told.add((place, words))
        print(f"datagen: {in_a_line(words)}", file=sys.stderr)
