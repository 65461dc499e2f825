"""What the report says of a generation: the funnel from requests to rows, what it used and cost, and its topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.report.diversity import panel

TOPIC_ROWS = 60  # of the table of topics


def told(stage: Mapping[str, Any], palette: Mapping[str, int]) -> dict[str, Any]:
    """Return a generator's step as the template shows it: every number of run.json, shares beside counts."""
    items = stage["rows_in"] or 1
    parts = [("kept", stage["rows_kept"], None), *((r, n, palette[r]) for r, n in stage["dropped"].items())]
    topics = stage.get("topics") or []
    shown = sorted(topics, key=lambda t: (-t["kept"], t["topic"]))[:TOPIC_ROWS]
    return {
        "name": stage["name"], "model": (stage["options"] or {}).get("model"), "rows_in": stage["rows_in"],
        "rows_kept": stage["rows_kept"], "rows_asked": stage.get("rows_asked"),
        "new_rows": stage.get("new_rows"), "each": stage.get("new_rows", stage["rows_kept"]),
        "operations": [(name, *counts) for name, counts in (stage.get("operations") or {}).items()],
        "requests": stage["requests"], "usage": stage.get("usage"), "cost": stage.get("cost"),
        "parts": [{"name": n, "rows": rows, "share": rows / items, "colour": c} for n, rows, c in parts],
        "topics": shown, "cut_off": (stage.get("cut_off") or [])[:20],
        "more_topics": len(topics) - len(shown), "stopped": (stage.get("stopped") or {}).get("message"),
        "diversity": panel(stage["diversity"]) if stage.get("diversity") else "",
    }  # fmt: skip
