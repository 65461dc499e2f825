"""What models were measured to be worth, as the report shows it: a table for each task, and answers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from datagen.data.shards import iterate_rows
from datagen.folders import ITEMS
from datagen.models.names import short_names
from datagen.report import texts

SAMPLES = 8  # items whose answers are shown side by side
PARTS = 40  # lines of the parts of a task; run.json has all


def shown(stage: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return a step `eval` as the template shows it."""
    told = stage["evaluation"]
    beside = {(one["model"], one["task"], one["part"], one["measure"]): one for one in told["differences"]}
    tasks: dict[str, list[dict[str, Any]]] = {}
    for one in told["numbers"]:
        key = (one["model"], one["task"], one["part"], one["measure"])
        tasks.setdefault(one["task"], []).append({**one, "beside": _difference(beside.get(key))})
    return {
        "models": told["models"],
        "names": short_names(told["models"]),
        "tasks": [_task(name, ones) for name, ones in tasks.items()],
        "about": list(told.get("about", {}).items()),
        "not_measured": told["not_measured"],
        "head_to_head": told["head_to_head"],
        "not_judged": sum(told["not_judged"].values()),
        "samples": list(_samples(out, told["models"])),
    }


def verdict(difference: Mapping[str, Any]) -> str:
    """Return in words whether a difference of two models is one; of some measures more is neither good nor bad."""
    if difference["better"] is None:
        return "different" if difference["low"] > 0 or difference["high"] < 0 else "not told apart"
    return "better" if difference["better"] else "worse"


def _task(name: str, ones: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A task as a whole, a line for each measure and model, and its parts."""
    order = list(dict.fromkeys(one["measure"] for one in ones))
    lines = sorted(ones, key=lambda one: (one["part"], order.index(one["measure"])))
    parts = [one for one in lines if one["part"]]
    return {
        "name": name, "items": max(one["items"] for one in ones), "lines": [one for one in lines if not one["part"]],
        "parts": parts[:PARTS], "more": max(0, len(parts) - PARTS),
    }  # fmt: skip


def _difference(one: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {**one, "verdict": verdict(one)}


def _samples(out: Path, models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the first items that all models were asked about, with what each answered."""
    if not (out / ITEMS).is_file():
        return
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["model", "id", "said", "expected"]
    table = pq.read_table(out / ITEMS, columns=[*columns, "measure"], filters=pc.field("measure") == "ended")
    said: dict[str, dict[str, Any]] = {}
    for one in table.to_pylist():
        said.setdefault(one["id"], {})[one["model"]] = one
    chosen = {row_id: said[row_id] for row_id in islice((i for i, by in said.items() if len(by) == len(models)), SAMPLES)}
    rows = {row["id"]: row for row in iterate_rows(out / "kept") if row["id"] in chosen}
    for row_id, by in chosen.items():
        if row_id in rows:
            yield {
                "asked": [(label, texts.cut(text)) for label, text in texts.blocks(_asked(rows[row_id])) if text],
                "expected": texts.cut(by[models[0]]["expected"] or ""),
                "answers": [(model, texts.cut(by[model]["said"] or "")) for model in models],
            }


def _asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its last answer, and without other candidates for it."""
    turns = row["messages"]
    if turns is not None and turns[-1]["role"] == "assistant":
        turns = turns[:-1]
    return {**row, "output": "", "messages": turns, "candidates": None}
