"""The user's cache: what is found out or made once for all runs on this machine."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from datagen.json_text import dumps


def folder() -> Path:
    """Return the folder of the cache, whether it is there or not."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("datagen"))


def recall(name: str) -> dict[str, Any] | None:
    """Return the map that was kept under a name; None where there is none, or it cannot be read."""
    try:
        kept = json.loads((folder() / name).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return kept if isinstance(kept, dict) else None


def keep(name: str, value: dict[str, Any]) -> None:
    """Keep a map under a name; a cache that cannot be written costs finding it out again, and no run."""
    path = folder() / name
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(dumps(value, ensure_ascii=True), "utf-8")
        fresh.replace(path)
