"""Run folders with the rows of a test, and the report as a browser sees it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import LEDGER, ROW, Row
from datagen.data.shards import ShardWriter
from datagen.report.page import write_report

VOID = {"meta", "line", "polyline", "br"}


class Page(HTMLParser):
    """What a browser sees: every tag and attribute, the text outside <style>, and that all tags close."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.articles: list[str] = []
        self.marks: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "article":
            self.articles.append("")
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "article" in self._open:
            self.articles[-1] += data
        if "mark" in self._open:
            self.marks[-1] += data


def _folder(out: Path, kept: list[Row], dropped: list[Row]) -> dict[str, Any]:
    """Write a run folder and return its run.json."""
    out.mkdir(parents=True, exist_ok=True)
    for name, schema, rows in (("kept", ROW, kept), ("dropped", LEDGER, dropped)):
        with ShardWriter(out / name, schema) as writer:
            for row in rows:
                writer.add(row)
    stages: list[dict[str, Any]] = []
    alive = rows_in = len(kept) + len(dropped)
    for name in dict.fromkeys(["input", *(row["stage"] for row in dropped)]):
        reasons = [row["reason"] for row in dropped if row["stage"] == name]
        counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
        stage = {"name": name, "options": {"threshold": 0.7}, "rows_in": alive, "dropped": counts, "seconds": 0.5}
        alive -= len(reasons)
        stages.append({**stage, "rows_kept": alive})
    counts = {"rows_in": rows_in, "rows_kept": len(kept), "rows_dropped": len(dropped)}
    return {"datagen": "0.1.0", **counts, "seconds": 3.25, "stages": stages}


@pytest.fixture
def folder() -> Callable[..., dict[str, Any]]:
    return _folder


@pytest.fixture
def page_of() -> type[Page]:
    return Page


@pytest.fixture
def report() -> Callable[[Path, list[Row], list[Row]], Page]:
    return lambda out, kept, dropped: Page(write_report(out, _folder(out, kept, dropped)))
