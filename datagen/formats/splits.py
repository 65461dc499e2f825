"""Parts of a dataset: train, validation and test by the names of files and folders, as the Hub and `datasets` write them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType

from datagen.errors import DataError, nearest
from datagen.visible import in_a_line

ALL, ONE = "all", "one"  # every part is read; only a set that has no parts is
FAMILIES = {
    "train": ("train", "training", "训练集", "训练", "訓練集", "訓練", "ชุดฝึก"),
    "validation": ("validation", "valid", "val", "dev", "development", "验证集", "验证", "驗證集", "开发集", "ชุดตรวจสอบ"),
    "test": (
        *(
            "test",
            "testing",
            "eval",
            "evaluation",
            "benchmark",
            "holdout",
            "heldout",
            "hold_out",
            "held_out",
            "hold-out",
            "held-out",
        ),
        *("测试集", "测试", "測試集", "測試", "留出集", "ชุดทดสอบ"),
    ),
}
_FAMILY = {word: family for family, words in FAMILIES.items() for word in words}
_SUFFIXES = re.compile(r"\.(?:jsonl?|ndjson|csv|tsv|parquet|arrow)(?:\.(?:gz|zst|bz2|xz))?$")
_SHARD = re.compile(r"(?:[-_.]|(?<!\d))\d++(?:[-_]of[-_]\d++)?$")
_UNSPACED = "|".join(w for w in _FAMILY if w.endswith("集") or w.startswith("ชุด"))  # their scripts put no blank between words
_WORD = re.compile(rf"(?:^|[-_. ])({'|'.join(_FAMILY)})(?=$|[-_. 0-9])|({_UNSPACED})")
MOST_SHOWN = 6  # parts
_told: set[tuple[str, str]] = set()


class NoPartsError(DataError):
    """The names of the files of a set say no part; their rows may."""


def part_of(name: str) -> tuple[str, str]:
    """Return the family of the part that a file belongs to, and the part's own name: ("train", "train_sft"); "" for none.

    A name that speaks of several, such as `test_results_of_train`, does not say which it is: its family is `test or train`,
    which nothing is trained on unless it is named.

    Args:
        name: the file's path below the folder or set.
    """
    *folders, file = PurePath(name.lower()).parts
    stem = _SHARD.sub("", _SUFFIXES.sub("", file))
    if stem in _FAMILY:
        return _FAMILY[stem], stem
    for folder in reversed(folders):
        if folder in _FAMILY:
            return _FAMILY[folder], folder
    if family := family_of(stem):
        return family, stem
    return "", ""


def bare_family(word: str) -> bool:
    """Whether a word is the name of a family itself, as `dev` is of validation."""
    return word in _FAMILY


def family_of(name: str) -> str:
    """Return the family of a part by its name in small letters; "" for none, `test or train` where it speaks of both."""
    return " or ".join(dict.fromkeys(_FAMILY[found[1] or found[2]] for found in _WORD.finditer(name)))


def check_file(place: str, name: str, split: str) -> None:
    """Check that a file that the user names itself is of the part that he asks for, as far as its name says one.

    Raises:
        DataError: it is of another part.
    """
    family, part = part_of(name)
    if not family:
        tell(place, f"{place}: it names no part of a set: --split {split} changes nothing, it is read whole")
    elif split.lower() not in (part, family) and family_of(split.lower()) != family:
        raise DataError(f"{place} is of the part {part}, not of {split}: leave --split away to read it, or name another file")


def chosen(place: str, names: Sequence[str], split: str | None, own: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return those of the files of a folder or set that are read: of one with parts the train part, and what is in none.

    Args:
        place: what the user named.
        names: paths below it.
        split: the part that is wanted instead; `all` for each, `one` where there may be no parts.
        own: names of the parts of some of the files, where the set itself says them.

    Raises:
        NoPartsError: a part is named, and it has none.
        DataError: it has no such part, or only parts to validate and test with, and none is named.
    """
    parts = {name: _own_part(own[name]) if name in own else part_of(name) for name in names}
    families = {family for family, _ in parts.values()}
    held = families - {"", "train"}
    if split == ALL or (split in (None, ONE) and not held):
        if split is None:
            _tell_parts(place, parts)
        return list(names)
    shown = _shown(parts)
    if split in (None, ONE) and len(families) == 1:
        if split is None:
            tell(place, f"{place}: it has {shown} alone, which is read")
        return list(names)
    if split == ONE:
        raise DataError(f"{place} has the parts {shown}; name the files of one of them")
    if split is None and families == held:
        raise DataError(f"{place} has no part to train on, only {shown}; --split NAME reads one of them, --split all each")
    wanted = split or "train"
    family = _FAMILY.get(wanted.lower(), "")
    found = [n for n, (_, part) in parts.items() if part and part.lower() == wanted.lower()]
    found = found or [n for n, (f, _) in parts.items() if f and f == family]
    if not found and split:
        if families == {""}:
            raise NoPartsError(f"{place} has no part '{wanted}': no name of a file and no column of the rows says one")
        known = sorted({word for f, part in parts.values() for word in (f, part) if word})
        raise DataError(f"{place} has no part '{wanted}'{nearest(wanted, known)}; it has: {shown}")
    if split is None:
        found = [n for n, (f, _) in parts.items() if f not in held]
        others = _shown({n: part for n, part in parts.items() if n not in found})
        mine = "only train is read" if "train" in families else f"only the rest is read ({_files(len(found))})"
        tell(place, f"{place}: {mine}, not {others}; --split NAME reads another part, --split all each")
        _tell_parts(place, {n: parts[n] for n in found})
    return found


def _own_part(name: str) -> tuple[str, str]:
    """Return the family of a part that a set names itself, and its name."""
    return part_of(name)[0], name


def _tell_parts(place: str, parts: Mapping[str, tuple[str, str]]) -> None:
    """Say which parts are read together, where they have several names: they may overlap, or be for different trainings."""
    if len({part for _, part in parts.values() if part}) > 1:
        tell(place, f"{place}: read together are {_shown(parts, own=True)}; --split NAME reads one of them")


def _shown(parts: Mapping[str, tuple[str, str]], *, own: bool = False) -> str:
    """The parts with their number of files, what is in none last; under their own names where asked."""
    counts: dict[str, int] = {}
    for family, part in parts.values():
        name = part if own or family in part else f"{family} '{part}'"
        counts[name] = counts.get(name, 0) + 1
    rest = counts.pop("", 0)
    named = [f"{name} ({_files(n)})" for name, n in counts.items()]
    more = [f"{len(named) - MOST_SHOWN} more"] if len(named) > MOST_SHOWN else []
    return ", ".join(named[:MOST_SHOWN] + more + ([f"{_files(rest)} in no part"] if rest and named else []))


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def tell(place: str, words: str) -> None:
    """Say a line on stderr, once in a process."""
    if (place, words) not in _told:
        _told.add((place, words))
        print(f"datagen: {in_a_line(words)}", file=sys.stderr)
