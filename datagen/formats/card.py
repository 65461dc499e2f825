"""The dataset card beside an export: what is in it, in the form that the Hugging Face hub reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.data.rows import Row
from datagen.formats.conversation import is_pair, is_preference
from datagen.formats.streams import stem, whole_file

MARK = "<!-- written by datagen for {name}; edit freely and delete this line to keep your edits -->"
_MARKED = re.compile(r"<!-- written by datagen for ([^;\n]{1,300});")
LANGUAGE_CODE = re.compile(r"[a-z]{2,3}$")  # the codes that the hub accepts as a language
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


@dataclass
class Counts:
    """What went through an export."""

    rows: int = 0  # rows of the dataset
    unreadable: int = 0  # ledger rows of `read`, which are no rows and are left out
    records: int = 0  # records written: a row with repeat 3 counts 3
    sources: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)  # of rows: preference, multi_turn, tools, system, …

    def through(self, rows: Iterable[Row], *, repeated: bool) -> Iterator[Row]:
        """Yield every row, `repeat` times where asked, and count it; what `read` could not read is only counted."""
        for row in rows:
            if "reason" in row:
                self.unreadable += 1
                continue
            times = row["repeat"] if repeated else 1
            self._add(row, times)
            for _ in range(times):
                yield row

    def _add(self, row: Mapping[str, Any], times: int) -> None:
        self.rows += 1
        self.records += times
        self.sources[row["source"]] += times
        self.languages[row["language"]] += times
        if row["generation"] and row["generation"]["model"]:
            self.models[row["generation"]["model"]] += times
        kinds = self.kinds
        kinds["preference" if is_preference(row) else "single"] += 1
        kinds["long_sides"] += is_preference(row) and not is_pair(row)
        kinds["system"] += bool(row["system"])
        kinds["tools"] += bool(row["tools"])
        turns = row["messages"]
        if turns is not None:
            kinds["multi_turn"] += sum(t["role"] == "user" for t in turns) > 1
            kinds["training"] += any(t["train"] is not None or t["weight"] is not None for t in turns)
            kinds["fractional"] += any(t["weight"] not in (None, 0, 1) for t in turns)
            kinds["reasoning"] += any(t["reasoning"] is not None for t in turns)
            kinds["unanswered"] += not turns or turns[-1]["role"] != "assistant"


def write(counts: Counts, form: str, files: list[Path], *, fields: list[str], made: str, config: str) -> Path:
    """Write the card beside the first file, without touching a README that someone else wrote.

    Args:
        counts: what was exported.
        form: name of the format.
        files: the files of the export.
        fields: names of the fields of its records.
        made: how the rows were made, in Markdown; "" when not known.
        config: lines to paste into a trainer's config; "" for none.

    Returns:
        The path of the card: README.md, or `<stem>.card.md` where README.md belongs to someone else or another file.
    """
    place = _place(files[0])
    text = "\n".join([_front_matter(counts, files), *_body(counts, form, files, fields, made, config)])
    with whole_file(place) as stream:
        stream.write(text.encode())
    return place


def _place(file: Path) -> Path:
    readme = file.with_name("README.md")
    if not readme.exists():
        return readme
    marked = _MARKED.search(readme.read_text("utf-8", errors="replace"))
    if marked and (marked[1] == file.name or not file.with_name(marked[1]).exists()):
        return readme
    return file.with_name(f"{stem(file)}.card.md")


def _front_matter(counts: Counts, files: list[Path]) -> str:
    import yaml

    languages = sorted(code for code in counts.languages if LANGUAGE_CODE.match(code))
    tags = ["datagen", "instruction-tuning"]
    tags += [tag for kind, tag in (("preference", "preference"), ("tools", "tool-use")) if counts.kinds[kind]]
    matter: dict[str, Any] = {"language": languages} if languages else {}
    matter |= {"size_categories": [size_category(counts.records)], "task_categories": ["text-generation"], "tags": tags}
    matter["configs"] = [
        {"config_name": name, "data_files": [{"split": "train", "path": file.name}]}
        for name, file in zip(["default", *(stem(f) for f in files[1:])], files, strict=True)
    ]
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---"


def _body(counts: Counts, form: str, files: list[Path], fields: list[str], made: str, config: str) -> Iterator[str]:
    name = files[0].name
    yield MARK.format(name=name)
    yield f"\n# {plain(stem(files[0]))}\n"
    repeats = "" if counts.records == counts.rows else f", written as {counts.records:,} records (upsampling)"
    yield f"{counts.rows:,} rows{repeats}, in the format `{form}`.\n"
    kinds = [
        f"{n:,} {kind.replace('_', ' ')}" for kind, n in counts.kinds.items() if n and kind not in ("single", "fractional")
    ]
    if kinds:
        yield f"Of these: {', '.join(kinds)}.\n"
    for title, counter in (("Source", counts.sources), ("Language", counts.languages)):
        if any(counter):
            yield f"| {title} | Records |\n|---|--:|"
            yield from (f"| {plain(key) or '(not given)'} | {n:,} |" for key, n in counter.most_common())
            yield ""
    if fields:
        yield f"## Fields\n\n{', '.join(f'`{plain(f)}`' for f in fields)}\n"
    yield "## How it was made\n"
    if counts.models:
        models = ", ".join(f"{plain(model)} ({n:,})" for model, n in counts.models.most_common())
        yield f"Answers generated by: {models}.\n"
    yield (made or "Exported with datagen; the run folder holds each step, its options and every dropped row with its reason.")
    if config:
        yield f"\n## Config\n\n```\n{config.rstrip()}\n```"
    yield ""


def size_category(rows: int) -> str:
    """Return the hub's name for so many rows."""
    return next((name for limit, name in SIZES if rows < limit), "n>10M")


def plain(text: str) -> str:
    """Return a name from a row as plain text of a Markdown table: rows are hostile."""
    return " ".join(re.sub(r"[|<>`\[\]\\]", " ", text).split())[:120]
