"""The subsets (configs) that the card of a set on the Hub names (GSM8K: `main`, `socratic`): one of them is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from datagen.errors import DataError
from datagen.formats.card import MARK
from datagen.formats.splits import tell

CARD = "README.md"
_OURS = MARK.partition("{")[0]
_FRONT = re.compile(r"---\r?\n(.*?)\r?\n---", re.DOTALL)


def chosen(place: str, names: Sequence[str], card: str) -> list[str]:
    """Return the files of a set without those of other subsets than the default one; all where its card names none or one.

    Args:
        place: what the user named.
        names: paths of files below it.
        card: the text of its README.md, "" where it has none.

    Raises:
        DataError: it has several subsets and none of them is the default.
    """
    try:
        configs = _configs(card)
    except ValueError as error:
        tell(
            place, f"{place}: the top of its {CARD} cannot be read ({error}): whether it names subsets is unknown, all is read"
        )
        return list(names)
    found = dict(_subsets(configs))
    held = {subset: {n for n in names if any(_matches(n, pattern) for pattern in found[subset])} for subset in found}
    held = {subset: files for subset, files in held.items() if files}
    if len(held) < 2:
        return list(names)
    default = next((subset for subset in held if subset in (_default(configs), "default")), None)
    shown = ", ".join(f"{subset} ({len(files)} file{'s' * (len(files) != 1)})" for subset, files in held.items())
    if default is None:
        first = next(iter(sorted(next(iter(held.values())))))
        raise DataError(f"{place} has several subsets: {shown}; name the files of one, such as {place}/{first}")
    others = set().union(*held.values()) - held[default]
    if others:
        tell(place, f"{place}: of its subsets {shown} only {default} is read; name the files of another one to read them")
    return [name for name in names if name not in others]


def _configs(card: str) -> list[dict[str, Any]]:
    """Return the configs that stand at the top of a card, [] where it is none, or one that an export of ours wrote.

    Raises:
        ValueError: it speaks of configs, but is no YAML.
    """
    import yaml

    found = _FRONT.match(card.lstrip("\ufeff"))
    if not found or _OURS in card:
        return []
    try:
        matter = yaml.safe_load(found[1])
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if "configs:" not in found[1]:
            return []
        raise ValueError(" ".join(str(error).split())[:120]) from None
    configs = matter.get("configs") if isinstance(matter, dict) else None
    return [one for one in configs if isinstance(one, dict)] if isinstance(configs, list) else []


def _default(configs: list[dict[str, Any]]) -> str | None:
    return next((str(one.get("config_name")) for one in configs if one.get("default") is True), None)


def _subsets(configs: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each subset with the patterns of its files."""
    for one in configs:
        files = one.get("data_files")
        values = files.values() if isinstance(files, dict) else files if isinstance(files, list) else [files]
        paths = [value.get("path") if isinstance(value, dict) else value for value in values]
        flat = [p for path in paths for p in (path if isinstance(path, list) else [path]) if isinstance(p, str)]
        folder = f"{one['data_dir'].strip('/')}/" if isinstance(one.get("data_dir"), str) else ""
        patterns = [f"{folder}{pattern.removeprefix('./')}" for pattern in flat] or ([f"{folder}**"] if folder else [])
        yield str(one.get("config_name")), patterns


def _matches(name: str, pattern: str) -> bool:
    """Whether a path fits a pattern of the Hub: `*` stays in a folder, `**` does not; a folder stands for all in it."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.rstrip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(words.get(part, re.escape(part)) for part in parts) + "(?:/.*)?", name) is not None


def named_parts(names: Sequence[str], card: str) -> dict[str, str]:
    """Return the part (`train`, `test`, …) of each file whose part the card of a set says, whatever the file is called."""
    try:
        configs = _configs(card)
    except ValueError:  # `chosen` has said it
        return {}
    found: dict[str, str] = {}
    for one in configs:
        files = one.get("data_files")
        for entry in files if isinstance(files, list) else []:
            if not isinstance(entry, dict) or not isinstance(part := entry.get("split"), str):
                continue
            paths = entry.get("path")
            patterns = [p.removeprefix("./") for p in (paths if isinstance(paths, list) else [paths]) if isinstance(p, str)]
            folder = f"{one['data_dir'].strip('/')}/" if isinstance(one.get("data_dir"), str) else ""
            found |= {n: part for n in names if n not in found and any(_matches(n, f"{folder}{p}") for p in patterns)}
    return found
