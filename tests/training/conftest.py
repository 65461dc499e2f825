"""Rows to train on in a test, and the tiny model loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import Row, new_row
from datagen.models.causal_lm import load


@pytest.fixture
def tiny(tiny_dir: Path) -> tuple[Any, Any]:
    return load(str(tiny_dir), "cpu", "float32")


@pytest.fixture
def sums() -> list[Row]:
    """Twelve rows with answers of 1 to 12 words, of two sources."""
    return [
        new_row(
            instruction=f"What is {i} plus {i}?",
            output=" ".join(["It is", str(2 * i), *["or so"] * i]),
            source="odd" if i % 2 else "even",
        )
        for i in range(12)
    ]
