"""From what a user names (a file, a folder, `-`, `hf://datasets/owner/name`) to the files to read, in a fixed order."""

from __future__ import annotations

import difflib
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from datagen.errors import DataError, writing
from datagen.formats import splits
from datagen.formats.card import MARK
from datagen.formats.splits import tell
from datagen.formats.streams import PACKED

PLAIN = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow")
SUFFIXES = tuple(name + packed for name in PLAIN for packed in ("", *PACKED))
EXPECTED = f"expected {', '.join(PLAIN)}, each also {', '.join(PACKED)}"
HUB = "hf://datasets/"
_CACHED = re.compile(r"cache-[0-9a-f]+(?:_\d+_of_\d+)?\.arrow")  # what `datasets` keeps of a map or filter
# What explains the data and holds none.
_BESIDE = re.compile(
    r"(?:(?:readme|licen[sc]e|notice|copying|changelog|citation|authors)(?:[-_.].*)?|.*\.md|checksums?.*|.*\.(?:sha256|md5|lock))",
    re.IGNORECASE,
)
# Descriptions of datasets that lie beside the data and hold no rows.
NOT_DATA = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})


def files(path: str, stdin_copy: Path | None = None, split: str | None = None) -> list[Path]:
    """Return the files of a source in a fixed order.

    Args:
        path: a file; a folder (a datagen result folder gives its kept rows); `-` for standard input;
            `hf://datasets/owner/name[/file]`.
        stdin_copy: where standard input, or a pipe, is copied to, so that it can be read more than once.
        split: the part of a folder or set that is read; see `splits.chosen`.

    Raises:
        DataError: nothing is there, it has no such part, or the hub cannot be reached.
    """
    if path == "-":
        if stdin_copy is None:
            raise DataError("-: standard input cannot be read here; save it to a file and name that file")
        with writing(stdin_copy), stdin_copy.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        return [stdin_copy]
    if path.startswith("hf://"):
        return _hub_files(path, split)
    place = Path(path)
    if place.is_dir():
        return _folder_files(place, split)
    if not place.exists():
        if place.is_symlink():
            raise DataError(f"{path} is a link to {place.readlink()}, which is not there; mend it, or name another file")
        raise DataError(f"no such file or directory: {path}{_near(place)}")
    if is_pipe(path):
        if stdin_copy is None:
            raise DataError(f"{path}: a pipe can be read once only, which is too little here; save it to a file and name that")
        with writing(stdin_copy), place.open("rb") as pipe, stdin_copy.open("wb") as copy:
            shutil.copyfileobj(pipe, copy)
        return [stdin_copy]
    if not place.is_file():
        raise DataError(f"{path} is a device or a socket, no file; save what it holds to a file and name that")
    return [place]


def is_one_file(path: str) -> bool:
    """Whether a path names one file itself, and no folder or set."""
    return path.lower().endswith(SUFFIXES) if path.startswith("hf://") else not Path(path).is_dir()


def is_pipe(path: str) -> bool:
    """Whether a path is a pipe, such as a shell's <(…) gives, or a FIFO: it can be read once."""
    return not path.startswith("hf://") and Path(path).is_fifo()


def _folder_files(folder: Path, split: str | None) -> list[Path]:
    if (folder / "kept").is_dir() and ((folder / "run.json").is_file() or (folder / "judgements.jsonl").is_file()):
        if split not in (None, splits.ALL, splits.ONE):
            splits.tell(str(folder), f"{folder}: the rows of a run are of no parts: --split {split} changes nothing")
        return sorted((folder / "kept").glob("*.parquet"))
    if (folder / ".datagen").exists():
        raise DataError(f"{folder} is an unfinished run; run its command again to complete it, then read it")
    entries = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*"))}
    # A folder is no data, but a link to one may be meant so: what it leads to is not looked at.
    there = [entries[name] for name in _of_data(entries) if not entries[name].is_dir() or entries[name].is_symlink()]
    found = [file for file in there if file.name.lower().endswith(SUFFIXES) and file.is_file()]
    others = [_named(file, folder) for file in there if not file.name.lower().endswith(SUFFIXES) or not file.is_file()]
    found = _saved(found)
    if not found:
        raise DataError(f"{folder}: no data file in this folder{_holds(others)}; {EXPECTED}")
    _tell_others(str(folder), others)
    by_name = {file.relative_to(folder).as_posix(): file for file in found}
    card = folder / CARD
    text = card.read_text("utf-8", "replace") if card.is_file() else ""
    wanted = chosen(str(folder), list(by_name), text)
    own = _saved_parts(folder, wanted) or named_parts(wanted, text)
    try:
        return [by_name[name] for name in splits.chosen(str(folder), wanted, split, own)]
    except splits.NoPartsError:
        if not _rows_name_parts(files := [by_name[name] for name in wanted], split):
            raise
        return files


def _rows_name_parts(found: list[Path], split: str | None) -> bool:
    """Whether the rows of one of some files name their parts."""
    from datagen.formats.one_file import File
    from datagen.formats.split_column import Parts

    one = (File(file, file.name, {}, "", {}, "any", parts=Parts(str(file), split)) for file in found)
    return any(file.of_parts for file in one)


def _of_data(names: Iterable[str]) -> list[str]:
    """Return the entries of a set that may be meant as data: no hidden one, no description, none of a run that is unfinished.

    Args:
        names: relative to the folder, or the place on the Hub, that the user named; with `/` between their parts.
    """
    paths = [PurePosixPath(name) for name in names]
    runs = {PurePosixPath(*path.parts[: path.parts.index(".datagen")]) for path in paths if ".datagen" in path.parts}
    return [
        str(path)
        for path in paths
        if not (path.name in NOT_DATA or _CACHED.fullmatch(path.name) or _BESIDE.fullmatch(path.name))
        and not any(part.startswith(".") for part in path.parts)
        and runs.isdisjoint(path.parents)
    ]


def _named(file: Path, folder: Path) -> str:
    """Return the name of an entry that is not read, and why where the name alone does not say it."""
    name = file.relative_to(folder).as_posix()
    if file.is_dir():
        return f"{name} (a link to a folder)"
    return name if file.exists() else f"{name} (a link to nothing)"


def _holds(others: list[str]) -> str:
    return f" (it holds {', '.join(others[:3])}{', …' * (len(others) > 3)})" if others else ""


def _tell_others(place: str, others: list[str]) -> None:
    """Say which files beside the data are not read."""
    if others:
        names = f"{', '.join(others[:3])}{', …' * (len(others) > 3)}"
        splits.tell(place, f"{place}: {len(others):,} file{'s' * (len(others) != 1)} in it not read, by their names: {names}")


def _saved_parts(folder: Path, names: list[str]) -> dict[str, str]:
    """Return the part of each file of a DatasetDict that `datasets` saved."""
    try:
        parts = json.loads((folder / "dataset_dict.json").read_bytes())["splits"]
        return {name: first for name in names if (first := name.partition("/")[0]) in parts}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _saved(found: list[Path]) -> list[Path]:
    """Return files with those of each folder that `datasets` saved as its state.json names them, in its order.

    Raises:
        DataError: one that it names is not there.
    """
    states = {file.parent: file.parent / "state.json" for file in found if file.suffix == ".arrow"}
    for folder, state in states.items():
        try:
            named = [folder / entry["filename"] for entry in json.loads(state.read_bytes())["_data_files"]]
        except (OSError, ValueError, LookupError, TypeError):
            continue  # no folder of `datasets`: its files are read as they are
        if missing := next((file for file in named if file not in found), None):
            raise DataError(f"{folder}: state.json names {missing.name}, which is not there; copy the whole folder again")
        at = min(found.index(file) for file in named) if named else 0
        rest = [file for file in found if not (file.parent == folder and file.suffix == ".arrow")]
        at = min(at, len(rest))
        found = [*rest[:at], *named, *rest[at:]]
    return found


def _near(place: Path) -> str:
    """Return a hint at a neighbour with nearly the same name."""
    try:
        names = [entry.name for entry in place.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(place.name, names, n=1, cutoff=0.6)
    return f"; did you mean '{place.parent / close[0]}'?" if close else ""


def _hub_files(path: str, split: str | None) -> list[Path]:
    """Download the data files of a dataset on the Hugging Face hub, or the one named."""
    owner, name, file = [*path.removeprefix(HUB).split("/", 2), "", "", ""][:3]
    if not path.startswith(HUB) or not owner or not name:
        raise DataError(f"{path}: expected hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME/FILE")
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise DataError(f"{path}: reading from the hub needs huggingface_hub: pip install huggingface_hub") from error
    dataset = f"{owner}/{name}"
    try:
        whole = not file or not file.lower().endswith(SUFFIXES)  # the set, or a folder of it
        listed = sorted(hub.HfApi().list_repo_files(dataset, repo_type="dataset")) if whole else [file]
        below = f"{file.rstrip('/')}/" if file else ""
        there = [below + f for f in _of_data(f.removeprefix(below) for f in listed if whole and f.startswith(below))]
        wanted = [f for f in there if f.lower().endswith(SUFFIXES)] or [file]
        others = [f for f in there if f not in wanted]
        own: dict[str, str] = {}
        unsaid: DataError | None = None
        if whole and file not in wanted:
            if not file and CARD in listed:
                card = Path(hub.hf_hub_download(dataset, CARD, repo_type="dataset"))
                wanted = chosen(path, wanted, card.read_text("utf-8", "replace"))
                own = named_parts(wanted, card.read_text("utf-8", "replace"))
            try:
                wanted = splits.chosen(path, wanted, split, own)
            except splits.NoPartsError as error:
                unsaid = error
        if wanted == [""]:
            raise DataError(f"{path} holds no data file{_holds(others)}; {EXPECTED}")
        _tell_others(path, others)
        found = [Path(hub.hf_hub_download(dataset, f, repo_type="dataset")) for f in wanted]
        if unsaid and not _rows_name_parts(found, split):
            raise unsaid
        return found
    except DataError:
        raise
    except Exception as error:  # the client raises its own, requests', httpx's and OS errors
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{path}: the hub did not give this dataset ({reason[0][:120]}); check the name and the network, "
            "set HF_TOKEN for a gated dataset, or download it and name the folder"
        ) from error


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
