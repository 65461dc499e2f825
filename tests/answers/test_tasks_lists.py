"""A list of tasks comes apart at the numbers that go on with its count, and at nothing else."""

from __future__ import annotations

import pytest

from datagen.answers.tasks import Item, tasks


def read(text: str, *, first: int = 9, cut: bool = False) -> list[str]:
    """The instructions of a list; every one must be whole."""
    found = tasks(text, cut=cut, first=first)
    assert [i.reason for i in found] == [None] * len(found)
    assert all((i.input, i.output) == ("", "") for i in found)
    return [i.instruction for i in found]


@pytest.mark.parametrize(
    "text",
    [
        "9. Write a poem.\n10. Sort the words.",
        " Write a poem.\n10. Sort the words.",  # the prompt wrote "9."
        "9) Write a poem.\n10) Sort the words.",
        "(9) Write a poem.\n\n(10) Sort the words.",
        "9: Write a poem.\n10: Sort the words.",
        "9 . Write a poem.\n10 . Sort the words.",
        "**9.** Write a poem.\n**10.** Sort the words.",
        "9. **Write a poem.**\n10. **Sort the words.**",
        "### 9. Write a poem.\n### 10. Sort the words.",
        "- 9. Write a poem.\n- 10. Sort the words.",
        "Task 9: Write a poem.\nTask 10: Sort the words.",
        "**Task 9:** Write a poem.\n\n**Task 10:** Sort the words.",
        "Task 9\nWrite a poem.\n\nTask 10\nSort the words.",
        "9. Instruction: Write a poem.\n10. Instruction: Sort the words.",
        "9. Write a poem.\n###\n10. Sort the words.\n###",
        "Sure! Here are the next tasks:\n\n9. Write a poem.\n\n10. Sort the words.\n\nI hope these help!",
        "```\n9. Write a poem.\n10. Sort the words.\n```",
        "1. Write a poem.\n2. Sort the words.",
        "Here are two tasks:\n1. Write a poem.\n2. Sort the words.",
        "1. Write a poem.\n1. Sort the words.",
        "9. Write a poem.\n11. Sort the words.",
        "9. Write a poem.\n9. Sort the words.",
        "- Write a poem.\n- Sort the words.",
        "Here are two tasks:\n* Write a poem.\n* Sort the words.",
        "９．Write a poem.\n１０．Sort the words.",
        "<think>9. draft</think>9. Write a poem.\n10. Sort the words.",
    ],
)
def test_every_way_in_which_models_write_a_list(text: str) -> None:
    assert read(text) == ["Write a poem.", "Sort the words."]


@pytest.mark.parametrize(
    "text",
    ["9、写一首诗。\n10、翻译2020年的新闻。", "9. 写一首诗。\n10. 翻译2020年的新闻。",
     "第9条：写一首诗。\n第10条：翻译2020年的新闻。", "任务9：写一首诗。\n任务10：翻译2020年的新闻。",
     "写一首诗。\n10．翻译2020年的新闻。"],
)  # fmt: skip
def test_lists_in_chinese(text: str) -> None:
    assert read(text) == ["写一首诗。", "翻译2020年的新闻。"]


@pytest.mark.parametrize(
    "text",
    ["9. แต่งกลอน\n10. แปลข่าว", "๙. แต่งกลอน\n๑๐. แปลข่าว", "ข้อ 9. แต่งกลอน\nข้อ 10. แปลข่าว", "ข้อที่ ๙ แต่งกลอน\nข้อที่ ๑๐ แปลข่าว",
     "งานที่ 9: แต่งกลอน\nงานที่ 10: แปลข่าว", "แน่นอน ต่อไปนี้คืองาน:\n๙) แต่งกลอน\n๑๐) แปลข่าว"],
)  # fmt: skip
def test_lists_in_thai(text: str) -> None:
    assert read(text) == ["แต่งกลอน", "แปลข่าว"]


def test_no_letter_changes_its_case() -> None:
    """`.capitalize()` of the reference lower-cases all but the first letter: "Write a sql query for nasa data in python"."""
    assert read("9. write a SQL query for NASA data in Python") == ["write a SQL query for NASA data in Python"]


def test_a_number_in_a_sentence_splits_nothing() -> None:
    """The reference's stop "16." ends a completion there, and its `\\n\\d+\\s?\\. ` splits at any number before a full stop."""
    task = "Say what was new in 2020. 10. was a guess.\n2020. was the year.\n16. of May was the day.\n3.5 m is long."
    assert read(f"9. {task}\n10. Go.") == [task, "Go."]


def test_a_list_inside_a_task_stays_in_it() -> None:
    assert read("9. Rank these:\n1. tea\n2. milk\n10. Go.") == ["Rank these:\n1. tea\n2. milk", "Go."]
    assert read("9. Rank these:\n   10. tea\n   11. milk\n10. Go.") == ["Rank these:\n   10. tea\n   11. milk", "Go."]
    assert read(" Rank these:\n1. tea\n2. milk\n10. Go.") == ["Rank these:\n1. tea\n2. milk", "Go."]
    assert read(" Rank these:\n1. tea\n2. milk") == ["Rank these:\n1. tea\n2. milk"]
    assert read("9. Rank these:\n- tea\n- milk\n10. Go.") == ["Rank these:\n- tea\n- milk", "Go."]
    assert read("- Rank these:\n  - tea\n  - milk\n- Go.") == ["Rank these:\n  - tea\n  - milk", "Go."]


def test_a_list_inside_a_task_that_reaches_the_next_number_stays_in_it() -> None:
    letters = "\n".join(f"{n}. {chr(96 + n)}" for n in range(1, 11))
    assert read(f"9. Rank these:\n{letters}\n10. Go.\n11. Stop.") == [f"Rank these:\n{letters}", "Go.", "Stop."]


def test_tasks_have_as_many_lines_as_they_need() -> None:
    assert read("9. Fix the code:\n\ndef f():\n    pass\n\n10. Go.") == ["Fix the code:\n\ndef f():\n    pass", "Go."]


def test_the_last_task_is_cut_off_where_the_completion_was_cut() -> None:
    assert tasks("9. Go.\n10. Sort the wo", cut=True, first=9) == [Item("Go."), Item("Sort the wo", reason="cut_off")]
    assert tasks("9. Sort the wo", cut=True, first=9) == [Item("Sort the wo", reason="cut_off")]


def test_a_number_without_a_task_is_unparsed() -> None:
    assert tasks("9. Go.\n10.\n11. Stop.\n12.", cut=False, first=9) == [
        Item("Go."),
        Item("10.", reason="unparsed"),
        Item("Stop."),
        Item("12.", reason="unparsed"),
    ]


@pytest.mark.parametrize("text", ["", " \n", "Sure! Here are the tasks:", "好的！以下是任务："])
def test_a_completion_without_a_task_is_unparsed(text: str) -> None:
    assert tasks(text, cut=False, first=9) == [Item(text.strip(), reason="unparsed")]
    assert tasks("", cut=True, first=9) == [Item("", reason="cut_off")]


def test_a_bold_title_stays_in_its_task() -> None:
    assert read("9. **Poem:** Write one.\n10. **A** or **B**?") == ["**Poem:** Write one.", "**A** or **B**?"]
