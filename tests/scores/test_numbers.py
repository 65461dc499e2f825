"""Numbers kept from one text to another, whatever digits they are in."""

from __future__ import annotations

import pytest

from datagen.scores.numbers import changed


@pytest.mark.parametrize(
    ("text", "other", "lost", "new"),
    [
        ("3 apples cost 1,200.50", "3 个苹果 1200.5 元", [], []),
        ("3 apples", "４ 个苹果", ["3"], ["4"]),
        ("12 คน", "๑๒ people", [], []),
        ("three apples", "3 个苹果", [], []),
        ("两个苹果", "2 apples", [], []),
        ("2 apples", "两个苹果", [], []),
        ("sell 48", "卖出 四十八", ["48"], []),
        ("no number", "加 7", [], ["7"]),
        ("7 and 7", "7", ["7"], []),
        ("a cat", "1 只猫", [], []),
    ],
)
def test_what_is_lost_and_what_is_new(text: str, other: str, lost: list[str], new: list[str]) -> None:
    assert changed(text, other) == (lost, new)
