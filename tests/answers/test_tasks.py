"""A completion comes apart into tasks; every piece is an item with its text or an item with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.answers.tasks import Item, items

LONDON = Item("Name the capital of England.", "", "London")


def test_tasks_with_numbers_between_separators() -> None:
    text = """4. Instruction: Name the capital of England.
4. Input: <noinput>
4. Output: London
###
5. Instruction: Sort the words.
5. Input: pear, apple
5. Output: apple, pear
"""
    assert items(text, cut=False) == [LONDON, Item("Sort the words.", "pear, apple", "apple, pear")]


@pytest.mark.parametrize(
    "text",
    [
        "Instruction: Name the capital of England.\nInput:\nOutput: London",
        "instruction: Name the capital of England.\noutput: London",
        "**Instruction:** Name the capital of England.\n**Input:** <noinput>\n**Output:** London",
        "**4. Instruction**: Name the capital of England.\n**4. Output**: London",
        "4. **Instruction:** Name the capital of England.\n4. **Input:** N/A\n4. **Output:** London",
        "### Instruction:\nName the capital of England.\n\n### Input:\nNone\n\n### Output:\nLondon",
        "## 4. Instruction: Name the capital of England.\n## 4. Input: (no input)\n## 4. Output: London",
        "4、Instruction：Name the capital of England.\n4、Input：<noinput>\n4、Output：London",
        "4) Instruction: Name the capital of England.\n4) Input: < no input >\n4) Output:\nLondon\n###",
        "Here are the tasks you asked for:\n\n4. Instruction: Name the capital of England.\n4. Output: London",
    ],
)
def test_every_way_in_which_models_write_the_headings(text: str) -> None:
    assert items(text, cut=False) == [LONDON]


@pytest.mark.parametrize(
    "separator", ["###", "### 5.", "#####", "---", "***", "**Task 5:**", "### Task 5", "---\n\n### Task 5\n", "\n\n###\n"]
)
def test_a_separator_belongs_to_no_answer(separator: str) -> None:
    text = f"Instruction: Name the capital of England.\nOutput: London\n{separator}\nInstruction: Say hi.\nOutput: hi"
    assert items(text, cut=False) == [LONDON, Item("Say hi.", "", "hi")]


def test_headings_in_an_answer_destroy_nothing() -> None:
    """Alpaca splits at every ###: this completion gives it one row with an empty output, and it loses the other two."""
    text = """4. Instruction: Write a short article.
4. Input: <noinput>
4. Output: ### Title

### First part
Text.
###
5. Instruction: Name the capital of England.
5. Input: <noinput>
5. Output: London
###
6. Instruction: Show a comment in Python.
6. Input: <noinput>
6. Output: ### a comment
x = 1"""
    assert items(text, cut=False) == [
        Item("Write a short article.", "", "### Title\n\n### First part\nText."),
        LONDON,
        Item("Show a comment in Python.", "", "### a comment\nx = 1"),
    ]


def test_a_number_with_a_full_stop_in_an_answer_ends_nothing() -> None:
    """Alpaca's stop sequence "20." cuts this answer after "It happened in 20" and keeps the row."""
    text = """4. Instruction: When did it happen?
4. Output: It happened in 2020. Then more.
20. March was the day.
5. That is all.
###
5. Instruction: Name the capital of England.
5. Output: London"""
    assert items(text, cut=False) == [
        Item("When did it happen?", "", "It happened in 2020. Then more.\n20. March was the day.\n5. That is all."),
        LONDON,
    ]


def test_a_worked_example_inside_an_answer_stays_in_the_answer() -> None:
    text = """1. Instruction: Explain the task of doubling with an example.
1. Input: <noinput>
1. Output: Here is one.
Input: 4
Output: 8
2. Instruction: Name the capital of England.
2. Output: London"""
    assert items(text, cut=False) == [
        Item("Explain the task of doubling with an example.", "", "Here is one.\nInput: 4\nOutput: 8"),
        LONDON,
    ]


def test_a_worked_example_stays_in_the_answer_of_a_task_without_input() -> None:
    text = "Instruction: Explain doubling.\nOutput: Here is one.\nInput: 4\nOutput: 8"
    assert items(text, cut=False) == [Item("Explain doubling.", "", "Here is one.\nInput: 4\nOutput: 8")]


def test_only_the_last_task_of_a_cut_completion_is_cut_off() -> None:
    text = """4. Instruction: Name the capital of England.
4. Output: London
###
5. Instruction: Tell a story.
5. Output: Once upon a"""
    assert items(text, cut=True) == [LONDON, Item("Tell a story.", "", "Once upon a", "cut_off")]


def test_a_completion_cut_before_its_first_answer_is_cut_off() -> None:
    assert items("4. Instruction: Name the cap", cut=True) == [Item("Name the cap", reason="cut_off")]
    assert items("Sure! Here", cut=True) == [Item("Sure! Here", reason="cut_off")]


def test_a_completion_without_headings_is_one_unparsed_item() -> None:
    assert items("I cannot help with that.", cut=False) == [Item("I cannot help with that.", reason="unparsed")]


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_completion_is_one_unparsed_item(text: str) -> None:
    assert items(text, cut=False) == [Item("", reason="unparsed")]


def test_a_task_without_an_output_is_unparsed_and_its_neighbours_are_not() -> None:
    text = "Instruction: Sort.\nInput: b a\nInstruction: Name the capital of England.\nOutput: London\nInstruction: Sum up."
    assert items(text, cut=False) == [
        Item("Sort.", "b a", "", "unparsed"),
        LONDON,
        Item("Sum up.", "", "", "unparsed"),
    ]


def test_an_empty_output_is_left_to_the_generator() -> None:
    assert items("Instruction: Sort.\nOutput:", cut=False) == [Item("Sort.", "", "", None)]


def test_the_end_of_a_task_before_the_first_instruction_is_unparsed() -> None:
    text = "Output: 42\nInstruction: Name the capital of England.\nOutput: London"
    assert items(text, cut=False) == [Item("Output: 42", reason="unparsed"), LONDON]


def test_what_the_prompt_wrote_already_is_the_beginning() -> None:
    assert items(" Name the capital of England.\nOutput: London", cut=False, prefix="Instruction:") == [LONDON]


def test_a_last_task_without_output_is_unparsed_and_cut_off_where_the_completion_was_cut() -> None:
    text = "4. Instruction: Name the capital of England.\n4. Output: London\n###\n5. Instruction: Tell a sto"
    assert items(text, cut=False)[1:] == [Item("Tell a sto", reason="unparsed")]
    assert items(text, cut=True) == [LONDON, Item("Tell a sto", reason="cut_off")]


def test_words_before_the_first_task_are_no_item_unless_they_are_long() -> None:
    tasks = "Instruction: Name the capital of England.\nOutput: London"
    assert items(f"Sure! Here are the tasks you asked for:\n\n{tasks}", cut=False) == [LONDON]
    story = "Once upon a time. " * 30
    assert items(f"{story}\n\n{tasks}", cut=False) == [Item(story.strip(), reason="unparsed"), LONDON]


def test_a_closing_remark_goes_only_when_a_separator_tells_it_from_the_answer() -> None:
    task = "Instruction: Name the capital of England.\nOutput: London"
    assert items(f"{task}\n\n---\n\nI hope this helps!", cut=False) == [LONDON]
    assert items(f"{task}\n\nI hope this helps!", cut=False) == [Item(LONDON.instruction, "", "London\n\nI hope this helps!")]
    assert items(f"{task}\n---\nThe capital since 1066.", cut=False)[0].output.endswith("1066.")


def test_thoughts_before_the_answer_hold_drafts_and_no_tasks() -> None:
    task = "Instruction: Name the capital of England.\nOutput: London"
    assert items(f"<think>\n1. Instruction: a draft\nOutput: none\n</think>\n\n{task}", cut=False) == [LONDON]
    assert items("<think>\nInstruction: a draft", cut=True) == [Item("<think>\nInstruction: a draft", reason="cut_off")]


def test_a_fence_around_the_whole_completion_or_around_each_task_goes() -> None:
    one = "```\n4. Instruction: Name the capital of England.\n4. Output: London\n```"
    two = "```\n5. Instruction: Say hi.\n5. Output: hi\n```"
    hi = Item("Say hi.", "", "hi")
    assert items(f"Sure:\n{one}\nI hope this helps!", cut=False) == [LONDON]
    assert items(f"{one}\n\n{two}", cut=False) == [LONDON, hi]
    code = "```\nInstruction: Print x.\nOutput:\n```python\nprint(x)\n```\n```"
    assert items(code, cut=False) == [Item("Print x.", "", "```python\nprint(x)\n```")]


def test_a_code_block_in_an_answer_keeps_its_fences_and_its_headings() -> None:
    text = "Instruction: A\nOutput:\n```\nInstruction: x\nOutput: y\n```\ndone\n\nInstruction: Say hi.\nOutput: hi"
    shown = "```\nInstruction: x\nOutput: y\n```\ndone"
    assert items(text, cut=False) == [Item("A", "", shown), Item("Say hi.", "", "hi")]


def test_a_code_block_that_never_ends_swallows_no_task() -> None:
    text = "1. Instruction: A\n1. Output:\n```python\nx = 1\n2. Instruction: Say hi.\n2. Output:\n```js\nhi()\n```"
    assert items(text, cut=False) == [Item("A", "", "```python\nx = 1"), Item("Say hi.", "", "```js\nhi()\n```")]


def test_a_block_quote_loses_its_marks() -> None:
    london = "> 1. Instruction: Name the capital of England.\n> 1. Output: London"
    text = f"Here:\n{london}\n>\n> 2. Instruction: Say hi.\n> 2. Output: hi"
    assert items(text, cut=False) == [LONDON, Item("Say hi.", "", "hi")]
    mail = "Instruction: Answer the mail.\nOutput:\n> Are you there?\nYes."
    assert items(mail, cut=False) == [Item("Answer the mail.", "", "> Are you there?\nYes.")]
    poem = "Instruction: Quote it.\nOutput:\n> To be\n> or not"
    assert items(poem, cut=False) == [Item("Quote it.", "", "> To be\n> or not")]


@pytest.mark.parametrize(
    "text",
    [
        "- Instruction: Name the capital of England.\n- Input: N/A\n- Output: London",
        "* **Instruction:** Name the capital of England.\n* **Output:** London",
        "1. **Instruction:** Name the capital of England.\n   - **Input:** none\n   - **Output:** London",
        "**Instruction: Name the capital of England.**\n**Output: London**",
        "**Instruction**\nName the capital of England.\n\n**Output**\nLondon",
        "### Instruction\nName the capital of England.\n### Input\n\n### Output\nLondon",
        "## Task 4: Capitals\n**Instruction:** Name the capital of England.\n**Output:** London\n\n## Task 5: Greetings",
        "Instruction 4: Name the capital of England.\nInput 4: (none)\nOutput 4: London",
        "Task 4 - Instruction: Name the capital of England.\nTask 4 - Output: London",
        "[Instruction]: Name the capital of England.\n[Output]: London",
        "(4) Instruction: Name the capital of England.\n(4) Output: London",
        "Instruction: Name the capital of England.\r\nInput: <noinput>\r\nOutput: London\r\n###\r\n",
        "\ufeffInstruction: Name the capital of England.\n\u200bOutput: London",
    ],
)
def test_more_ways_in_which_models_write_the_headings(text: str) -> None:
    after = "Instruction: Say hi.\nOutput: hi" if text.endswith("Greetings") else ""
    assert items(f"{text}\n{after}", cut=False)[0] == LONDON


def test_text_below_a_heading_loses_the_indentation_of_the_list_and_keeps_its_own() -> None:
    text = """1. **Instruction:** Double x.
   - **Output:**
     def f(x):
         return 2 * x
2. **Instruction:** Say hi.
   - **Output:** hi
     there"""
    assert items(text, cut=False) == [
        Item("Double x.", "", "def f(x):\n    return 2 * x"),
        Item("Say hi.", "", "hi\nthere"),
    ]
    bare = "- Instruction: Double x.\n- Output: def f(x):\n    return 2 * x"
    assert items(bare, cut=False) == [Item("Double x.", "", "def f(x):\n    return 2 * x")]


def test_an_answer_may_end_with_a_drawing() -> None:
    chart = "7 |\n\n----------"
    text = f"4. Instruction: Draw.\n4. Output: {chart}\n###\n5. Instruction: Sign.\n5. Output: Yours,\n\n_____"
    assert items(text, cut=False) == [Item("Draw.", "", chart), Item("Sign.", "", "Yours,\n\n_____")]


PIECES = st.sampled_from(
    ["Instruction:", "Input:", "Output:", "4. ", "\n", "###", "**", " ", "2020.", "<noinput>", "文", "：", "Task 5", "---"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join), st.booleans())
def test_every_text_gives_items_and_every_item_has_text_or_a_reason(text: str, cut: bool) -> None:
    found = items(text, cut=cut)
    assert found
    assert all(item.instruction or item.reason for item in found)
    assert {item.reason for item in found} <= {None, "unparsed", "cut_off"}
    assert not any(item.reason == "cut_off" for item in found[:-1])
