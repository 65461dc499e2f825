"""Shared by the tests of evaluations: the command over records, and what run.json says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.shards import read_json


@pytest.fixture
def evaluated(datagen: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run `datagen eval`; return what run.json says of it, which must not have failed."""

    def run(*words: Any, out: str = "out", code: int = 0) -> dict[str, Any]:
        done = datagen("eval", *words, "-o", out)
        assert done.returncode == code, done.stderr
        found: dict[str, Any] = read_json(tmp_path / out / "run.json")["stages"][-1]
        return found

    return run


@pytest.fixture
def value() -> Callable[..., Any]:
    """Give one number of an evaluation."""

    def of(stage: dict[str, Any], measure: str, task: str = "rows", part: str = "", model: str | None = None) -> Any:
        numbers = stage["evaluation"]["numbers"]
        named = [n for n in numbers if (n["task"], n["part"], n["measure"]) == (task, part, measure)]
        (one,) = [n for n in named if model in (None, n["model"])]
        return one

    return of
