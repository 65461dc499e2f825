"""Which of two answers a judge prefers, as judges write it."""

from __future__ import annotations

import pytest

from datagen.answers.better import better_of


@pytest.mark.parametrize(
    ("text", "wins"),
    [
        ("Better: A", 1.0),
        ("A is right.\nBetter: B", 0.0),
        ("Better: tie", 0.5),
        ("**Better: A**", 1.0),
        ("Better: **B**.", 0.0),
        ("[[A]]", 1.0),
        ("I prefer the second.\n[[B]]", 0.0),
        ("[[C]]", 0.5),
        ("Winner: Answer A", 1.0),
        ("Verdict: B", 0.0),
        ("Response B is clearly better.", 0.0),
        ("A", 1.0),
        ("B.", 0.0),
        ("更好：A", 1.0),
        ("理由。\n更好：B", 0.0),
        ("更好：平局", 0.5),
        ("回答A更好", 1.0),
        ("ดีกว่า: A", 1.0),
        ("เหตุผล\nดีกว่า: B", 0.0),
        ("ดีกว่า: เสมอ", 0.5),
        ("Better: A\nBetter: B", 0.0),
        ("<think>Better: A</think>\nBetter: B", 0.0),
        ("Better: Answer B", 0.0),
        ("A ดีกว่า B", 1.0),
        ("คำตอบ B ดีกว่าคำตอบ A", 0.0),
        ("回答A比回答B更好", 1.0),
        ("B比A更好", 0.0),
        ("Better: A or B", None),
        ("Better: A/B", None),
        ("Better: a tie", 0.5),
        ("Better: A and B are equal", 0.5),
        ("Neither A nor B is good.", 0.5),
        ("In the end both are equal.", 0.5),
        ("A is better than B.", 1.0),
        ("Both have merits.", None),
        ("", None),
        ("A good answer is short.", None),
        ("Apples", None),
    ],
)
def test_the_verdict_is_read_and_never_guessed(text: str, wins: float | None) -> None:
    assert better_of(text) == wins
