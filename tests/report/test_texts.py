"""Texts of the report: what differs is marked, and nothing is cut through a letter."""

from __future__ import annotations

import pytest

from datagen.report import texts


@pytest.mark.parametrize(
    ("a", "b", "left", "right"),
    [
        ("the red house", "the blue house", ["red"], ["blue"]),
        ("3 + 5 = 8", "3 - 5 = 8", ["+"], ["-"]),
        ("法国的首都是哪里", "德国的首都是哪里", ["法"], ["德"]),
        ("อยู่ที่นี้ครับ", "อยู่ที่นี่ครับ", ["นี้"], ["นี่"]),
        ("one two three four five", "one x y four five", ["two three"], ["x y"]),
        ("one  two", "one two", ["  "], [" "]),
        ("one  two three", "one two four", ["three"], ["four"]),
        ("alpha beta", "gamma delta", [], []),  # nothing in common: marks would say nothing
    ],
)
def test_what_differs(a: str, b: str, left: list[str], right: list[str]) -> None:
    ours, theirs = texts.compare(a, b)
    assert ours is not None
    assert theirs is not None
    assert [t for t, marked in ours if marked] == left
    assert [t for t, marked in theirs if marked] == right
    assert "".join(t for t, _ in ours) == a
    assert "".join(t for t, _ in theirs) == b


def test_a_difference_far_into_long_texts_is_shown() -> None:
    ours, _ = texts.compare("same " * 1000 + "here", "same " * 1000 + "there")
    assert ours is not None
    assert ("here", True) in ours
    assert ours[0][0].startswith("…")
    assert sum(len(t) for t, _ in ours) <= texts.LIMIT + 2


def test_a_cut_never_parts_a_mark_from_its_letter() -> None:
    assert texts.cut("กี่" * 10, limit=8) == "กี่กี่…"
    assert texts.cut("กี่กี่", start=4) == "…กี่"
    assert texts.cut("short") == "short"
