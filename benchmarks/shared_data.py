"""The real data that is no part of the project: where it is, and its records. DATA in the environment names another place."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("DATA", Path(__file__).resolve().parents[2] / "shared" / "data")).resolve()
ALPACA = DATA / "rows" / "alpaca_en_52k.jsonl.gz"


def needed(path: Path) -> None:
    """End with the name of what is not here."""
    if not path.exists():
        sys.exit(f"skipped: {path} is not here; set DATA")


def records(name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a packed file of JSON lines."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as f:
        yield from (json.loads(line) for line in f if line.strip())
