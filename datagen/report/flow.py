"""The flow of rows by stage, source and language, and how many a stage would keep at other thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.data.shards import read_shards

GROUPS = 15  # lines of a table; the rest is one line


def by_group(out: Path, stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a table each for source and language: the rows that came in, and those left after each stage that dropped some.

    A row counts under the source and language that it has in the end. There is no table where there is one name only.
    """
    steps = list(dict.fromkeys(s["name"] for s in stages if s["dropped"]))
    found: dict[str, Counter[tuple[str, str | None]]] = {"source": Counter(), "language": Counter()}
    for part, columns in (("kept", ["source", "language"]), ("dropped", ["source", "language", "stage"])):
        for shard in read_shards(out / part, columns):
            for title, counts in found.items():
                keys = [title, "stage"] if part == "dropped" else [title]
                for line in shard.group_by(keys).aggregate([([], "count_all")]).to_pylist():
                    counts[line[title] or "", line.get("stage")] += line["count_all"]
    return [table for title, counts in found.items() if (table := _table(title, counts, steps))]


def _table(title: str, counts: Counter[tuple[str, str | None]], steps: Sequence[str]) -> dict[str, Any] | None:
    names = Counter[str]()
    for (name, _), n in counts.items():
        names[name] += n
    if len(names) < 2 or not steps:
        return None
    ranked = sorted(names, key=lambda name: (-names[name], name))
    groups = [[name] for name in ranked[:GROUPS]] + ([ranked[GROUPS:]] if ranked[GROUPS:] else [])
    lines = []
    for group in groups:
        left = came = sum(names[name] for name in group)
        cells = []
        for step in steps:
            gone = sum(counts[name, step] for name in group)
            left -= gone
            cells.append({"left": left, "share": left / came, "gone": gone})
        label = group[0] if len(group) == 1 else None
        lines.append({"name": label, "names": len(group), "came": came, "cells": cells})
    return {"title": title, "steps": list(steps), "lines": lines}


def curve(stage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the retention curve of a stage's entry in run.json: a bar per value, the value in use marked."""
    told = stage.get("curve")
    if not told:
        return None
    rows = stage["rows_in"] or 1
    return {
        "option": told["option"],
        "lines": [
            {"value": value, "kept": kept, "share": kept / rows, "used": value == told["at"]} for value, kept in told["points"]
        ],
    }  # fmt: skip


def coverage(stage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the coverage curve of a subset: the tags that its first rows cover, beside those of a random subset."""
    told = (stage.get("notes") or {}).get("coverage")
    if not told or not told["rows"] or not told["tags"]:
        return None
    points = zip(told["rows"], told["covered"], told["random"], strict=True)
    lines = [{"rows": n, "covered": c, "random": r} for n, c, r in points]
    return {"tags": told["tags"], "lines": lines[:: max(1, len(lines) // 10)]}


def distribution(stage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how a judge's scores lie: rows per range of scores, and the rows that got none."""
    told = stage.get("notes") or {}
    bins, scored = told.get("distribution"), told.get("scored")
    if not bins or not scored:
        return None
    most = max(count for _, _, count in bins)
    lines = [{"low": a, "high": b, "rows": n, "share": n / scored, "width": n / (most or 1)} for a, b, n in bins]
    return {"mean": told["mean_score"], "lines": lines, "not_scored": told.get("rows_not_scored", 0)}


_SAID = {  # notes that a name says too briefly
    "items_without_text": "benchmark items that hold nothing to look for",
    "first_without_text": "the first of them",
    "spared_by_same_facts": "pairs at the threshold that were spared by same_facts",
    "spared_among": "first rows kept among which spared pairs were counted",
}


def notes(stage: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what a stage said of its decision, but for what is drawn."""
    told = (stage.get("notes") or {}).items()
    return [(_SAID.get(name, name), value) for name, value in told if name not in ("coverage", "distribution")]
