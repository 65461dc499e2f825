"""Rows of the shared data that are short enough for a small model on a processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared_data import records


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write records as JSON lines; return the path."""
    path.write_text("".join(f"{json.dumps(r, ensure_ascii=False)}\n" for r in rows), "utf-8")
    return path


def dolly(folder: Path, most: int, skip: int = 0) -> Path:
    """Write rows by people without material, whose answers have 150 to 900 characters."""
    rows = [r for r in records("rows/dolly_en_3k.jsonl.gz") if not r.get("input") and 150 <= len(r["output"]) <= 900]
    return written(folder / f"dolly-{skip}-{most}.jsonl", rows[skip : skip + most])
