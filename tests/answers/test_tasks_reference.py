"""What the parsers of Stanford Alpaca and Self-Instruct lose or damage comes out whole here; each defect is one test."""

from __future__ import annotations

from datagen.answers.tasks import Item, instances, items, tasks, yes_or_no

LONDON = Item("Name the capital of England.", "", "London")


def test_alpaca_a_markdown_title_in_an_answer_costs_nothing() -> None:
    """The reference splits at every ###: one row left, its output empty, and the numbers of all later tasks are off by one."""
    text = """ Write a short article.
4. Input: <noinput>
4. Output: ### Title
Text.
###
5. Instruction: Name the capital of England.
5. Input: <noinput>
5. Output: London
###
6. Instruction: Say hi.
6. Input: <noinput>
6. Output: hi"""
    assert items(text, cut=False, prefix="4. Instruction:") == [
        Item("Write a short article.", "", "### Title\nText."),
        LONDON,
        Item("Say hi.", "", "hi"),
    ]


def test_alpaca_a_year_before_a_full_stop_cuts_no_answer() -> None:
    """The reference's stop sequence "20." leaves "It happened in 20", with the reason "stop", and keeps the row."""
    answer = "It happened in 2020. Then more.\n20. was the number."
    text = f"4. Instruction: When?\n4. Output: {answer}\n###\n5. Instruction: Say hi.\n5. Output: hi"
    assert items(text, cut=False) == [Item("When?", "", answer), Item("Say hi.", "", "hi")]


def test_alpaca_a_missing_separator_costs_no_task() -> None:
    """Rows of the released data end with the next task: "…\\n11. Instruction: Write a poem about joy." """
    text = """10. Instruction: Describe the biggest galaxy.
10. Input: <noinput>
10. Output: IC 1101 is the largest.

11. Instruction: Write a poem about joy.
11. Input:
<noinput>
11. Output:

Joy is in the small things."""
    assert items(text, cut=False) == [
        Item("Describe the biggest galaxy.", "", "IC 1101 is the largest."),
        Item("Write a poem about joy.", "", "Joy is in the small things."),
    ]


def test_alpaca_a_doubled_number_costs_no_task() -> None:
    """The numbers of the reference are positions: after a task that it cannot read, none of the next ones matches."""
    text = "2. Instruction: A\n2. Output: a\n###\n2. Instruction: Name the capital of England.\n2. Output: London"
    assert items(text, cut=False) == [Item("A", "", "a"), LONDON]


def test_alpaca_a_task_that_cannot_be_read_is_an_item_with_its_reason() -> None:
    """The reference drops it without a trace, as it drops the last task of a cut completion."""
    text = "4. Instruction: A\n###\n5. Instruction: Name the capital of England.\n5. Output: London\n###\n6. Instruction: Say"
    assert items(text, cut=True) == [Item("A", reason="unparsed"), LONDON, Item("Say", reason="cut_off")]


def test_alpaca_words_for_no_input_are_not_the_input() -> None:
    """The reference knows "<noinput>" only; of its 52,002 released rows 648 have "No input", "N/A" and the like."""
    text = "4. Instruction: Name the capital of England.\n4. Input: No input required.\n4. Output: London"
    assert items(text, cut=False) == [LONDON]


def test_alpaca_other_scripts_are_read_like_english() -> None:
    """The reference drops a task whose first character is not ASCII."""
    text = "4. Instruction: Écris un poème.\n4. Output: Le vent.\n###\n5. Instruction: ¿Qué hora es?\n5. Output: Tarde."
    assert items(text, cut=False) == [Item("Écris un poème.", "", "Le vent."), Item("¿Qué hora es?", "", "Tarde.")]


def test_self_instruct_the_case_of_letters_stays() -> None:
    """`.capitalize()` makes "Write a sql query for nasa data in python"."""
    text = "9. Write a SQL query for NASA data in Python\n10. écris à NASA"
    assert [i.instruction for i in tasks(text, cut=False, first=9)] == [
        "Write a SQL query for NASA data in Python",
        "écris à NASA",
    ]


def test_self_instruct_a_number_before_a_full_stop_ends_and_splits_nothing() -> None:
    """Its stop sequence "16." fires inside a sentence; its pattern splits at any number at the beginning of a line."""
    text = "9. Say why Mozart left Salzburg at 16. Use one sentence.\n1781. was the year.\n10. Go."
    assert [i.instruction for i in tasks(text, cut=False, first=9)] == [
        "Say why Mozart left Salzburg at 16. Use one sentence.\n1781. was the year.",
        "Go.",
    ]


def test_self_instruct_a_cut_list_keeps_its_whole_tasks() -> None:
    """The reference drops the whole completion when it ends at its length limit."""
    assert tasks(" Go.\n10. Stop.\n11. Tu", cut=True, first=9) == [Item("Go."), Item("Stop."), Item("Tu", reason="cut_off")]


def test_self_instruct_the_word_example_in_an_answer_splits_nothing() -> None:
    """The reference splits an answer at every "Example" with or without a number."""
    text = "Example 1\nInput: a\nOutput: For Example 2 of these, see below.\nExamples abound."
    assert instances(text, cut=False, output_first=False) == [
        Item("", "a", "For Example 2 of these, see below.\nExamples abound.")
    ]


def test_self_instruct_a_completion_without_label_is_a_reason_and_not_nothing() -> None:
    assert instances("It is positive.", cut=False, output_first=True) == [Item("", "", "It is positive.", "unparsed")]


def test_self_instruct_a_missing_answer_is_not_no() -> None:
    """A failed request has the answer "" there, and "" is not in {Yes, yes, YES}: the task is no classification."""
    assert yes_or_no("") is None
    assert yes_or_no("Yes.") is True
