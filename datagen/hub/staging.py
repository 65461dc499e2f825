"""What of a folder is handed on: the files under their names in the repository, and the card that says what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from datagen.data.shards import count_rows, read_json, shard_paths
from datagen.errors import DataError, UsageError
from datagen.models.origin import FILE as ORIGIN
from datagen.models.origin import read_origin
from datagen.report import run_card

CARD = "README.md"
What = Literal["dataset", "adapter", "model"]
WHATS: tuple[What, ...] = ("dataset", "adapter", "model")
_FRONT = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
_OF_MODELS = (".json", ".safetensors", ".model", ".txt", ".jinja", ".py", ".bin")  # of a folder that transformers loads
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Staged:
    """What is to be handed on.

    Attributes:
        what: a dataset, an adapter or a model.
        files: name in the repository -> file here; the card is not among them.
        card: the text of its README.md.
        replaces: folders of the repository that hold nothing but these files afterwards.
        warnings: what a person should know before it is public, one line each.
        personal: rows with personal data among those that go.
    """

    what: What
    files: dict[str, Path]
    card: str
    replaces: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    personal: int = 0

    @property
    def size(self) -> int:
        """Bytes of all files and the card."""
        return sum(path.stat().st_size for path in self.files.values()) + len(self.card.encode())


def staged(
    folder: Path, repo: str, what: What | None = None, *, dropped: bool = False, licence: str = "", dataset: str = "",
    measured: Path | None = None,
) -> Staged:  # fmt: skip
    """Return what of a run folder, or of the folder of an adapter or a model, goes to a repository.

    Args:
        folder: the folder.
        repo: owner/name.
        what: which of them; None = what the folder has, its adapter or model before its rows.
        dropped: of a dataset, whether the dropped rows go too.
        licence: as the hub names it, such as cc-by-4.0.
        dataset: of an adapter or a model, owner/name of what it was trained on, to be linked.
        measured: of an adapter or a model, a run of `datagen eval`, whose table goes into the card.

    Raises:
        UsageError: a name that is none, or nothing of that kind in the folder.
        DataError: the run has not ended, or a file names a path of this machine.
    """
    for name in (repo, *([dataset] if dataset else [])):
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' is no name of a repository: give owner/name, such as me/clean-rows")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; push takes a run folder, or the folder of an adapter or a model")
    kind, place = _found(folder, what)
    if kind == "dataset":
        return _dataset(folder, repo, dropped=dropped, licence=licence)
    if dropped:
        raise UsageError("--dropped is of a dataset: leave it out, or give --what dataset")
    return _model(kind, place, repo, licence, dataset, measured)


def _found(folder: Path, what: What | None) -> tuple[What, Path]:
    """What is pushed of a folder, and where it lies."""
    places: dict[What, Path | None] = {
        "adapter": next((p for p in (folder, folder / "adapter") if (p / "adapter_config.json").is_file()), None),
        "model": next((p for p in (folder, folder / "model") if (p / "config.json").is_file()), None),
        "dataset": folder if (folder / "kept").is_dir() else None,
    }
    for name in [what] if what else list(places):
        if (place := places[name]) is not None:
            return name, place
    raise UsageError(f"{folder} holds no {what or 'adapter, no model and no kept rows'}; push takes a run folder or a model's")


def _dataset(folder: Path, repo: str, *, dropped: bool, licence: str) -> Staged:
    summary = read_json(folder / "run.json")
    if summary is None:
        raise DataError(f"{folder} is no run that has ended: run its command again, it goes on where it was")
    parts = [part for part in ("kept", *(["dropped"] if dropped else [])) if count_rows(folder / part)]
    if "kept" not in parts:
        raise UsageError(f"{folder} kept no row: there is nothing to hand on")
    card = run_card.run_card(folder, summary, repo.partition("/")[2], parts, licence).replace("FOLDER_OR_NAME", repo)
    files = {f"{part}/{path.name}": path for part in parts for path in shard_paths(folder / part)}
    warnings = [] if licence else ["no licence is said, so that nobody may use it: give --licence, such as cc-by-4.0"]
    return Staged("dataset", files, card, ("kept", "dropped"), warnings, int(summary.get("personal_data", {}).get("rows", 0)))


def _model(what: What, place: Path, repo: str, licence: str, dataset: str, measured: Path | None) -> Staged:
    files = {p.name: p for p in sorted(place.iterdir()) if p.is_file() and p.suffix in _OF_MODELS and p.name != CARD}
    for name in ("adapter_config.json", "config.json", ORIGIN, "tokenizer_config.json"):
        if name in files:
            _check_no_path(files[name])
    base = read_origin(place)
    warnings = [] if licence else ["no licence is said, so that nobody may use it: give --licence, such as apache-2.0"]
    if base and "/" not in base.base:
        warnings.append(f"its base is the folder '{base.base}' of this machine: nobody else can load what needs it")
    return Staged(what, files, _card_of_model(place, repo, licence, dataset, measured), (), warnings)


def _check_no_path(file: Path) -> None:
    """Raise DataError where a value in a file of JSON is a path of this machine: it would tell how that is laid out."""
    try:
        texts = _texts(json.loads(file.read_text("utf-8")))
    except ValueError:
        raise DataError(f"{file} is no JSON: write the folder again") from None
    if told := next((text for text in texts if text.startswith(("/", "~")) and Path(text).expanduser().exists()), None):
        raise DataError(f"{file} names the path {told} of this machine: write the base's public id there instead")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _card_of_model(place: Path, repo: str, licence: str, dataset: str, measured: Path | None) -> str:
    """The card that lies in the folder, with the licence, what became of the rows it was trained on, and what it is worth."""
    own = (place / CARD).read_text("utf-8") if (place / CARD).is_file() else f"# {repo.partition('/')[2]}\n"
    front = _FRONT.match(own)
    matter: dict[str, Any] = (yaml.safe_load(front[1]) or {}) if front else {}
    matter |= {"license": licence} if licence else {}
    matter |= {"datasets": [dataset]} if dataset else {}
    body = (own[front.end() :] if front else own).strip("\n")
    lines = [f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---\n" if matter else "", body, ""]
    summary = read_json(place.parent / "run.json")
    if summary:
        link = f" The rows: [{dataset}](https://huggingface.co/datasets/{dataset})." if dataset else ""
        lines += [f"## Data\n\n{summary['rows_in']:,} rows came in.{link}\n", *_deeper(run_card.funnel(summary["stages"]))]
    tables = list(run_card.evaluation_tables((summary or {}).get("stages", ())))
    if measured is not None:
        told = read_json(measured / "run.json")
        found = list(run_card.evaluation_tables((told or {}).get("stages", ())))
        if not found:
            raise UsageError(f"{measured} is no run of datagen eval that has ended")
        tables += found
    return "\n".join([*lines, *tables]).rstrip("\n") + "\n"


def _deeper(lines: Iterator[str]) -> Iterator[str]:
    """The lines of a section one level down."""
    return (line.replace("## ", "### ", 1) if line.startswith("## ") else line for line in lines)
