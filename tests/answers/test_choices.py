"""The choices of a question are read from the lines that show them, in every script, and an answer names one or none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.answers.choices import ALPHABETS, Choices, choices_of, chosen

BRACKETS = {
    "A. ": ("", "."), "A) ": ("", ")"), "(A) ": ("(", ")"), "[A] ": ("[", "]"), "（A）": ("（", "）"), "A、": ("", "、"),
}  # fmt: skip
WORDS = st.lists(st.text("abcdxyz中文กา", min_size=2, max_size=8), min_size=2, max_size=8, unique=True)


@pytest.mark.parametrize(
    ("task", "answer", "expected"),
    [
        (
            "Which is a fruit?\nA. stone\nB. pear\nC. cloud", "B",
            Choices("Which is a fruit?", ("A", "B", "C"), ("stone", "pear", "cloud"), 1),
        ),
        ("Which?\nOptions:\n(A) one\n(B) two", "(A)", Choices("Which?", ("(A)", "(B)"), ("one", "two"), 0)),
        ("ข้อใดเป็นผลไม้\nก. หิน\nข. ส้ม", "ข. ส้ม", Choices("ข้อใดเป็นผลไม้", ("ก", "ข"), ("หิน", "ส้ม"), 1)),
        ("哪一个是水果？\n选项：\nA、石头\nB、梨", "梨", Choices("哪一个是水果？", ("A", "B"), ("石头", "梨"), 1)),
        ("Did it?\nOptions:\n- Yes\n- No", "no", Choices("Did it?", ("Yes", "No"), ("Yes", "No"), 1)),
        ("Which?\n1. one\n2. two", "2. two", Choices("Which?", ("1", "2"), ("one", "two"), 1)),
        ("Steps:\n1. a\n2. b\nWhich?\nA. x\ny\nB. z", "A", Choices("Steps:\n1. a\n2. b\nWhich?", ("A", "B"), ("x\ny", "z"), 0)),
        ("Which?\nA. x\nC. odd\nB. y\nC. z", "C", Choices("Which?", ("A", "B", "C"), ("x\nC. odd", "y", "z"), 2)),
        ("How many?\n1. one\n2. two", "2", None),  # it may be the number of anything
        ("Which?\nA. x\nB. y", "D", None),
        ("Which?\nA. same\nB. same", "same", None),
        ("Which?\nA. x\nB. y", "A. y", None),
        ("Which?\nA. x\nB. y", " ", None),
        ("Sort these:\nA. x", "A", None),
        ("Tell me of cats.", "A", None),
    ],
)  # fmt: skip
def test_the_choices_that_the_end_of_a_task_shows(task: str, answer: str, expected: Choices | None) -> None:
    assert choices_of(task, answer) == expected


@given(st.sampled_from(sorted(BRACKETS)), st.sampled_from(ALPHABETS), WORDS, st.data())
def test_what_is_written_as_choices_is_read_as_them(form: str, alphabet: str, texts: list[str], data: st.DataObject) -> None:
    opened, closed = BRACKETS[form]
    lines = [form.replace("A", letter) + text for letter, text in zip(alphabet, texts, strict=False)]
    right = data.draw(st.integers(0, len(lines) - 1))
    label = f"{opened}{alphabet[right]}{closed if opened else ''}"
    for answer in (label, lines[right]):
        found = choices_of("\n".join(["Which is it?", *lines]), answer)
        assert found is not None
        assert (found.stem, found.texts, found.right) == ("Which is it?", tuple(texts[: len(lines)]), right)
        assert found.labels[right] == label


FRUIT = Choices("Which?", ("A", "B", "C"), ("stone", "pear", "happy pear"), 1)
THAI = Choices("ข้อใด", ("ก", "ข"), ("หิน", "ส้ม"), 1)


@pytest.mark.parametrize(
    ("said", "choices", "at"),
    [
        ("B", FRUIT, 1), ("b.", FRUIT, 1), ("(B) pear", FRUIT, 1), ("**B**", FRUIT, 1), ("The answer is C.", FRUIT, 2),
        ("A is wrong. The answer is (B).", FRUIT, 1), ("It must be the stone.", FRUIT, 0), ("a happy pear", FRUIT, 2),
        ("stone or pear", FRUIT, None), ("stones", FRUIT, None), ("", FRUIT, None), ("A pear tree stands there", FRUIT, 1),
        ("คำตอบคือ ข", THAI, 1), ("ตอบข้อ ก", THAI, 0), ("ก. หิน", THAI, 0), ("เป็นส้มครับ", THAI, 1),
        ("答案是 B。", FRUIT, 1), ("选项B", FRUIT, 1),
        ("Yes, it did.", Choices("Did it?", ("Yes", "No"), ("Yes", "No"), 0), 0),
        ("Nobody knows", Choices("Did it?", ("Yes", "No"), ("Yes", "No"), 0), None),
    ],
)  # fmt: skip
def test_which_choice_an_answer_names(said: str, choices: Choices, at: int | None) -> None:
    assert chosen(said, choices) == at


def test_a_long_list_takes_time_in_the_measure_of_its_length() -> None:
    task = "".join(f"{label}. x\n" for _ in range(30_000) for label in "AC")
    began = time.process_time()
    assert choices_of(task, "A") is None
    assert time.process_time() - began < 5
