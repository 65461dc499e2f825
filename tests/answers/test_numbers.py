"""Numbers kept from one text to another, whatever digits they are in."""

from __future__ import annotations

import pytest

from datagen.answers.numbers import changed


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
        ("1 cat and 2 dogs", "a cat and the second dog", ["1", "2"], []),
        ("5 คน", "ห้ามเข้า", ["5"], []),
        ("1 time", "一起去吧", ["1"], []),
        ("it is -5", "เป็น ลบ 5 องศา", [], []),
        ("it is -5", "it is 5", ["-5"], ["5"]),
        ("from 5-10", "从5到10", [], []),
        ("1,200.5 km", "1.200,5 km", ["1200.5"], ["1.2", "5"]),
    ],
)
def test_what_is_lost_and_what_is_new(text: str, other: str, lost: list[str], new: list[str]) -> None:
    assert changed(text, other) == (lost, new)


@pytest.mark.parametrize("other", ["1.200,5 km, 3,5 kg", "1 200,5 km, 3,5 kg", "1200.5 km, 3.5 kg"])
def test_a_decimal_comma_is_read_where_the_language_has_one(other: str) -> None:
    assert changed("1,200.5 km, 3.5 kg", other, decimal_comma=True) == ([], [])
