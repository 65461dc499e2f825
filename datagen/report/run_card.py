"""The README.md of a run folder: what is in it, so that `load_dataset(FOLDER, "kept")` reads it, and how it came about.

It is a dataset card in the form that the Hugging Face hub reads, and names no path of this machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from datagen.data.rows import extra_of
from datagen.data.shards import count_rows, read_shards, write_text
from datagen.formats.card import LANGUAGE_CODE, plain, size_category
from datagen.json_text import dumps
from datagen.models.names import short_names

FILE = "README.md"
MARK = "<!-- written by datagen; delete this line to keep your edits -->"
PARTS = ("kept", "dropped")
SOURCES = 30  # lines of the table of sources
LICENCES = ("license", "licence", "licenses", "licences")


def write_run_card(out: Path, summary: Mapping[str, Any]) -> None:
    """Write README.md into a run folder, unless somebody's own stands there.

    Args:
        out: a run folder with kept/ and dropped/.
        summary: the content of run.json.
    """
    place = out / FILE
    if place.exists() and MARK not in place.read_text("utf-8", errors="replace"):
        return
    parts = [part for part in PARTS if count_rows(out / part)]
    write_text(place, run_card(out, summary, "Rows made with datagen", parts))


def run_card(out: Path, summary: Mapping[str, Any], title: str, parts: Sequence[str], licence: str = "") -> str:
    """Return the card of a run's rows, in Markdown with the front matter that the hub reads.

    Args:
        out: the run folder.
        summary: the content of run.json.
        title: of the card.
        parts: the folders of rows that go with it, each a config.
        licence: of the whole, as the hub names it; "" where none was said.
    """
    sources, kept = _sources(out / "kept"), summary["rows_kept"]
    lines = [
        _front_matter(out, summary, parts, licence), MARK, f"\n# {plain(title)}\n",
        f"{kept:,} of {summary['rows_in']:,} rows; {summary['rows_dropped']:,} were dropped, each with its reason.\n",
        *_loading(parts), *funnel(summary["stages"]), *_table_of_sources(sources, kept),
        *evaluation_tables(summary["stages"]), *_made(summary),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _front_matter(out: Path, summary: Mapping[str, Any], parts: Sequence[str], licence: str) -> str:
    import yaml

    languages: set[str] = set()
    for shard in read_shards(out / "kept", ["language"]):
        languages |= {code for code in pc.unique(shard.column("language")).to_pylist() if code and LANGUAGE_CODE.match(code)}
    matter: dict[str, Any] = {"language": sorted(languages)} if languages else {}
    matter |= {"license": licence} if licence else {}
    # Without the fingerprint `datasets` would give the rows of an earlier run of this folder out of its cache.
    what = f"rows of {summary['fingerprint'][:16]}"
    configs = [{"config_name": part, "data_files": f"{part}/*.parquet", "description": f"{part} {what}"} for part in parts]
    matter |= {
        "size_categories": [size_category(summary["rows_kept"])],
        "task_categories": ["text-generation"],
        "tags": ["datagen", "instruction-tuning"],
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---"


def _loading(parts: Sequence[str]) -> Iterator[str]:
    if parts:
        yield "```python\nfrom datasets import load_dataset"
        yield from (f'{part} = load_dataset("FOLDER_OR_NAME", "{part}", split="train")' for part in parts)
        yield "```\n"


def funnel(stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table of what each step did with the rows."""
    yield "## Steps\n\n| step | rows in | kept | dropped, by reason |\n|---|--:|--:|---|"
    for stage in stages:
        why = ", ".join(f"{plain(reason)} {n:,}" for reason, n in stage["dropped"].items() if n)
        yield f"| {plain(stage['name'])} | {stage['rows_in']:,} | {stage['rows_kept']:,} | {why} |"
    yield ""


def _sources(folder: Path) -> dict[str, tuple[int, Counter[str]]]:
    """Source -> its rows, and how many say which licence."""
    found: dict[str, tuple[int, Counter[str]]] = {}
    for shard in read_shards(folder, ["source", "extra"]):
        for source, extra in zip(shard.column("source").to_pylist(), shard.column("extra").to_pylist(), strict=True):
            count, licences = found.get(source or "", (0, Counter()))
            if extra and "licen" in extra:
                told = extra_of({"extra": extra})
                licences.update(str(told[name]) for name in LICENCES if told.get(name))
            found[source or ""] = count + 1, licences
    return found


def _table_of_sources(sources: Mapping[str, tuple[int, Counter[str]]], rows: int) -> Iterator[str]:
    yield "## Sources\n\n| source | rows | share | licence |\n|---|--:|--:|---|"
    ranked = sorted(sources.items(), key=lambda one: (-one[1][0], one[0]))
    for name, (count, licences) in ranked[:SOURCES]:
        told = ", ".join(f"{plain(licence)} ({n:,})" for licence, n in licences.most_common(3)) or "not given"
        yield f"| {plain(Path(name).name) or 'not given'} | {count:,} | {count / max(1, rows):.1%} | {told} |"
    if len(ranked) > SOURCES:
        yield f"| {len(ranked) - SOURCES:,} more | {sum(n for _, (n, _) in ranked[SOURCES:]):,} | | |"
    yield ""


def evaluation_tables(stages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table of what models were measured to be worth, each number with its 95 % interval."""
    for stage in stages:
        told = stage.get("evaluation")
        if not told or not told["numbers"]:
            continue
        names = short_names(told["models"])
        yield "## Evaluation\n\n| task | measure | model | value | 95 % interval | items |\n|---|---|---|--:|---|--:|"
        for one in told["numbers"]:
            if not one["part"]:
                interval = f"{one['low']:.4g} to {one['high']:.4g}"
                cells = (plain(one["task"]), one["measure"], plain(names[one["model"]]), f"{one['value']:.4g}", interval)
                yield f"| {' | '.join(cells)} | {one['items']:,} |"
        yield ""


def _made(summary: Mapping[str, Any]) -> Iterator[str]:
    """How it was made: the options that say something, and no path."""
    yield "## How it was made\n"
    told = [(stage["name"], stage.get("options")) for stage in summary["stages"]]
    for name, options in told:
        named = {k: v for k, v in options.items() if _tells(v)} if isinstance(options, Mapping) else {}
        said = ", ".join(f"{plain(k)}={plain(_short(v))}" for k, v in named.items())
        yield f"- `{plain(name)}`{f': {said}' if said else ''}"
    yield f"\nMade with datagen {plain(str(summary['datagen']))}."


def _tells(value: Any) -> bool:
    return value is not None and value not in ("", [], {}) and value is not False


def _short(value: Any) -> str:
    """A value without the folders of its paths."""
    if isinstance(value, str):
        return Path(value).name if "/" in value and "://" not in value else value
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value))
    return dumps(value) if isinstance(value, Mapping | bool) else str(value)
