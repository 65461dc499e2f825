"""Shared by the tests of teachers: a run of one over rows at a model that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from capable_endpoint import ModelServer

from datagen import recipe
from datagen.data.rows import Row
from datagen.data.shards import read_all
from datagen.runner import Result, execute

Says = Callable[[str], str]


@pytest.fixture
def taught(write_jsonl: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[list[Row], list[Row], Result]]:
    """Run a step over records at a server; return kept rows, dropped rows, and the result."""

    def run(kind: str, records: list[dict[str, Any]], server: ModelServer, out: str = "out", **options: Any) -> Any:
        path = write_jsonl("rows.jsonl", *records)
        given = {"model": "tiny-chat", "base_url": server.base_url, **options}
        result = execute(recipe.make([{kind: given}], input=(str(path),)), tmp_path / out)
        return read_all(result.folder / "kept").to_pylist(), read_all(result.folder / "dropped").to_pylist(), result

    return run


@pytest.fixture
def saying() -> Callable[[Says], Any]:
    """Give a server whose model answers a prompt as a function does."""

    @contextmanager
    def served(says: Says) -> Iterator[ModelServer]:
        with ModelServer(says=says) as server:
            yield server

    return served
