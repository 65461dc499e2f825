"""The numbers of the tasks, their style and the separators say where a task ends; a list inside an answer ends nothing."""

from __future__ import annotations

import pytest

from datagen.answers.tasks import Item, items

LONDON = Item("Name the capital of England.", "", "London")


def test_the_numbers_tell_a_heading_inside_an_answer_from_the_next_task() -> None:
    text = """4. Instruction: Show how a list of tasks looks.
4. Input: <noinput>
4. Output: For example:
1. Instruction: Add two numbers.
2. Instruction: Greet a guest.
9. Instruction: Close the shop.
5. Instruction: Name the capital of England.
5. Output: London"""
    shown = "For example:\n1. Instruction: Add two numbers.\n2. Instruction: Greet a guest.\n9. Instruction: Close the shop."
    assert items(text, cut=False) == [Item("Show how a list of tasks looks.", "", shown), LONDON]


def test_a_list_inside_an_answer_that_reaches_the_next_number_does_not_begin_it() -> None:
    text = """3. Instruction: List tasks.
3. Output:
1. Instruction: Add.
2. Instruction: Greet.
3. Instruction: Sort.
4. Instruction: Close.
4. Instruction: Name the capital of England.
4. Output: London"""
    shown = "1. Instruction: Add.\n2. Instruction: Greet.\n3. Instruction: Sort.\n4. Instruction: Close."
    assert items(text, cut=False) == [Item("List tasks.", "", shown), LONDON]


def test_an_unnumbered_heading_in_a_numbered_completion_belongs_to_the_answer() -> None:
    text = """1. Instruction: Write a prompt.
1. Output: Instruction: Sum it up.
Instruction: Keep it short.
2. Instruction: Name the capital of England.
2. Output: London"""
    assert items(text, cut=False) == [
        Item("Write a prompt.", "", "Instruction: Sum it up.\nInstruction: Keep it short."),
        LONDON,
    ]


def test_a_worked_example_in_an_instruction_is_not_its_answer() -> None:
    numbered = "4. Instruction: Double it, as here.\nInput: 4\nOutput: 8\n4. Input: 5\n4. Output: 10"
    markdown = "### Instruction:\nDouble it, as here.\nInput: 4\nOutput: 8\n### Input:\n5\n### Output:\n10"
    for text in (numbered, markdown):
        assert items(text, cut=False) == [Item("Double it, as here.\nInput: 4\nOutput: 8", "5", "10")]


@pytest.mark.parametrize(("second", "third"), [("5", "6"), ("6", "7"), ("4", "4")])
def test_a_model_may_skip_or_repeat_numbers(second: str, third: str) -> None:
    tasks = zip(["4", second, third], ["a", "b", "c"], strict=True)
    text = "\n".join(f"{n}. Instruction: {name.upper()}\n{n}. Output: {name}" for n, name in tasks)
    assert items(text, cut=False) == [Item("A", "", "a"), Item("B", "", "b"), Item("C", "", "c")]


def test_each_field_may_have_a_number_of_its_own() -> None:
    text = "1. Instruction: A\n2. Input: i\n3. Output: a\n4. Instruction: B\n5. Input: j\n6. Output: b"
    assert items(text, cut=False) == [Item("A", "i", "a"), Item("B", "j", "b")]


def test_a_task_whose_instruction_is_missing_is_not_poured_into_the_answer_before_it() -> None:
    text = "4. Instruction: A\n4. Output: a\n5. Input: x\n5. Output: y\n6. Instruction: C\n6. Output: c"
    assert items(text, cut=False) == [
        Item("A", "", "a"),
        Item("5. Input: x\n5. Output: y", reason="unparsed"),
        Item("C", "", "c"),
    ]
