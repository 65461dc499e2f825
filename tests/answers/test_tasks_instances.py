"""Instances of a task, input first or output first, and the answer to whether it is a classification, in three languages."""

from __future__ import annotations

import pytest

from datagen.answers.tasks import Item, instances, yes_or_no

TWO = [Item("", "red and\nblue", "purple"), Item("", "red", "red")]


@pytest.mark.parametrize(
    "text",
    [
        "Example 1\nInput: red and\nblue\nOutput: purple\n\nExample 2\nInput: red\nOutput: red",
        "Example 1:\nInput:\nred and\nblue\nOutput:\npurple\n\nExample 2:\nInput: red\nOutput: red",
        "Input: red and\nblue\nOutput: purple\n\nInput: red\nOutput: red",
        "**Example 1**\n**Input:** red and\nblue\n**Output:** purple\n\n**Example 2**\n**Input:** red\n**Output:** red",
        "### Example 1\n- Input: red and\nblue\n- Output: purple\n\n### Example 2\n- Input: red\n- Output: red",
        "Example\nInput: red and\nblue\nOutput: purple\n\nExample\nInput: red\nOutput: red",
        "Example 1\nred and\nblue\nOutput: purple\n\nExample 2\nred\nOutput: red",
        "Here are the examples:\n\nExample 1\nInput: red and\nblue\nAnswer: purple\n---\nExample 2\nInput: red\nAnswer: red",
        "```\nExample 1\nInput: red and\nblue\nOutput: purple\n\nExample 2\nInput: red\nOutput: red\n```",
        "Example 1:\n```\nInput: red and\nblue\nOutput: purple\n```\nExample 2:\n```\nInput: red\nOutput: red\n```",
        "示例 1\n输入：red and\nblue\n输出：purple\n示例 2\n输入：red\n输出：red",
        "例1：\n输入：red and\nblue\n回答：purple\n例2：\n输入：red\n回答：red",
        "ตัวอย่างที่ 1\nอินพุต: red and\nblue\nเอาต์พุต: purple\nตัวอย่างที่ 2\nอินพุต: red\nเอาต์พุต: red",
        "ตัวอย่าง ๑\nข้อมูลนำเข้า: red and\nblue\nผลลัพธ์: purple\nตัวอย่าง ๒\nข้อมูลนำเข้า: red\nผลลัพธ์: red",
    ],
)
def test_instances_with_the_input_first(text: str) -> None:
    assert instances(text, cut=False, output_first=False) == TWO


@pytest.mark.parametrize(
    "text",
    [
        "Class label: purple\nInput: red and\nblue\nClass label: red\nInput: red",
        "Class label: purple\nInput:\nred and\nblue\n\nClass label: red\nInput:\nred",
        "**Class label:** purple\n**Input:** red and\nblue\n\n**Class label:** red\n**Input:** red",
        "Class label 1: purple\nInput 1: red and\nblue\nClass label 2: red\nInput 2: red",
        "Class label:\npurple\nInput: red and\nblue\nClass label:\nred\nInput: red",
        "Class label: purple\nred and\nblue\nClass label: red\nred",
        "Example 1\nClass label: purple\nInput: red and\nblue\n\nExample 2\nClass label: red\nInput: red",
        "Label: purple\nInput: red and\nblue\n---\nLabel: red\nInput: red",
        "Output: purple\nInput: red and\nblue\n\nOutput: red\nInput: red",
        "```\nClass label: purple\nInput: red and\nblue\nClass label: red\nInput: red\n```",
        "Input: red and\nblue\nClass label: purple\nInput: red\nClass label: red",  # the other order after all
        "类别：purple\n输入：red and\nblue\n类别：red\n输入：red",
        "标签：purple\n输入：red and\nblue\n标签：red\n输入：red",
        "ป้ายกำกับ: purple\nข้อมูลนำเข้า: red and\nblue\nป้ายกำกับ: red\nข้อมูลนำเข้า: red",
        "ประเภท: purple\nอินพุต: red and\nblue\nประเภท: red\nอินพุต: red",
    ],
)
def test_instances_with_the_output_first(text: str) -> None:
    assert instances(text, cut=False, output_first=True) == TWO


def test_the_last_instance_is_cut_off_where_the_completion_was_cut() -> None:
    text = "Example 1\nInput: a\nOutput: b\n\nExample 2\nInput: c"
    assert instances(text, cut=True, output_first=False) == [Item("", "a", "b"), Item("", "c", "", "cut_off")]
    assert instances(text, cut=False, output_first=False) == [Item("", "a", "b"), Item("", "c", "", "unparsed")]
    labels = "Class label: a\nInput: b\nClass label: c\nInput: d"
    assert instances(labels, cut=True, output_first=True) == [Item("", "b", "a"), Item("", "d", "c", "cut_off")]


def test_a_task_without_input_has_outputs_only() -> None:
    assert instances("Output: Paris", cut=False, output_first=False) == [Item("", "", "Paris")]
    two = "Example 1\nOutput: 1. Tea.\n2. Milk.\nExample 2\nOutput: Water."
    assert instances(two, cut=False, output_first=False) == [Item("", "", "1. Tea.\n2. Milk."), Item("", "", "Water.")]
    assert instances("Input: N/A\nOutput: Paris", cut=False, output_first=False) == [Item("", "", "Paris")]


def test_a_bare_answer_is_an_output_and_no_label() -> None:
    """Models often just answer."""
    code = "```python\nx = 1\n```"
    assert instances(code, cut=False, output_first=False) == [Item("", "", code)]
    assert instances("Paris", cut=True, output_first=False) == [Item("", "", "Paris", "cut_off")]
    assert instances("Paris", cut=False, output_first=True) == [Item("", "", "Paris", "unparsed")]
    assert instances("Example 1\nParis\nExample 2\nRome", cut=False, output_first=False) == [
        Item("", "", "Paris"),
        Item("", "", "Rome"),
    ]


@pytest.mark.parametrize("output_first", [True, False])
def test_nothing_is_unparsed(output_first: bool) -> None:
    assert instances(" \n", cut=False, output_first=output_first) == [Item("", "", "", "unparsed")]
    assert instances("", cut=True, output_first=output_first) == [Item("", "", "", "cut_off")]


def test_an_example_inside_an_answer_that_does_not_go_on_with_the_count_stays_there() -> None:
    """The reference splits at every "Example" followed by a number, wherever it stands."""
    text = "Example 1\nInput: a\nOutput: As in Example 2 of the book.\nExample 7\nfoo\nExample 2\nInput: c\nOutput: d"
    assert instances(text, cut=False, output_first=False) == [
        Item("", "a", "As in Example 2 of the book.\nExample 7\nfoo"),
        Item("", "c", "d"),
    ]


def test_named_parts_of_an_input_stay_in_it() -> None:
    text = "Example 1\nList: [2, 1]\nOutput: [1, 2]"
    assert instances(text, cut=False, output_first=False) == [Item("", "List: [2, 1]", "[1, 2]")]
    text = "Class label: same\nInput: Sentence 1: A\nSentence 2: B\nClass label: other\nInput: Sentence 1: C\nCategory: D"
    assert instances(text, cut=False, output_first=True) == [
        Item("", "Sentence 1: A\nSentence 2: B", "same"),
        Item("", "Sentence 1: C\nCategory: D", "other"),
    ]


def test_instances_of_the_next_task_are_not_those_of_this_one() -> None:
    text = "Input: a\nOutput: b\n\nTask: Say hi.\nInput: c\nOutput: d"
    assert instances(text, cut=False, output_first=False) == [
        Item("", "a", "b"),
        Item("", "", "Task: Say hi.\nInput: c\nOutput: d", "unparsed"),
    ]


def test_an_instance_without_text_is_unparsed() -> None:
    assert instances("Output:", cut=False, output_first=False) == [Item("", "", "", "unparsed")]
    assert instances("Class label:\nClass label: a", cut=False, output_first=True) == [
        Item("", "", "", "unparsed"),
        Item("", "", "a"),
    ]


YES = [
    "Yes", "yes.", "YES", "**Yes**", "Yes, because the labels are known.", '"Yes"', "- Yes", "Answer: Yes",
    "The answer is yes.", "Is it classification? Yes", "Classification: Yes", "It has three labels.\n\nAnswer: Yes",
    "<think>No?</think>\nYes", "是", "是。", "是的，标签是固定的。", "“是”", "答案：是", "是分类任务吗：是", "是分类任务",
    "对", "ใช่", "ใช่ค่ะ", "ใช่ เพราะมีป้ายกำกับ", "**ใช่**", "คำตอบ: ใช่", "จำแนกประเภท: ใช่",
]  # fmt: skip
NO = [
    "No", "no.", "**No**", "No, it is open.", "Answer: No", "Is it classification? No", "False", "It is open.\nNo.", "否",
    "不是", "不是，因为答案是开放的。", "不", "答案：否", "ไม่ใช่", "ไม่ใช่ครับ", "**ไม่ใช่**", "ไม่", "คำตอบ: ไม่ใช่",
]  # fmt: skip
NEITHER = [
    "", "maybe", "Yes/No", "Yes or no?", "Not sure", "No idea", "N/A", "Nothing", "Yesterday", "Norway", "Class",
    "I cannot say.", "是否", "是不是", "不确定", "否则", "是生成任务", "ใช่หรือไม่", "ใช่ไหม", "ไม่แน่ใจ", "<think>Yes",
    "Yes.\nAnswer: No",
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer"), [(t, True) for t in YES] + [(t, False) for t in NO] + [(t, None) for t in NEITHER])
def test_yes_no_or_neither(text: str, answer: bool | None) -> None:
    """In the reference a failed request has an empty answer, which silently makes a task no classification."""
    assert yes_or_no(text) is answer
