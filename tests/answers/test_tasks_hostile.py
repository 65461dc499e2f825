"""Whatever a model writes, the parsers return items with text or a reason, in time linear in the length of the completion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.answers.tasks import Item, instances, items, tasks, yes_or_no

SIZE = 250_000  # characters; growth itself is measured by benchmarks/linear_time.py
READERS: dict[str, Callable[..., list[Item]]] = {
    "items": items,
    "items after a prefix": partial(items, prefix="4. Instruction:"),
    "tasks": partial(tasks, first=9),
    "instances, input first": partial(instances, output_first=False),
    "instances, output first": partial(instances, output_first=True),
}
PIECES = st.sampled_from(
    [
        "Instruction:", "Input:", "Output:", "指令：", "输出：", "คำสั่ง:", "คำตอบ:", "Question:", "Answer:", "Task 5:",
        "Class label:", "Example 1", "ตัวอย่าง ๒", "类别：", "### ", "###\n", "---\n", "**", "```\n", "```json\n", "4. ",
        "5. ", "9. ", "10. ", "๙. ", "9、", "\n", "\n\n", "\r\n", " ", "    ", "> ", "- ", "{", "}", "[", "]",
        '{"instruction": "', '"output": "', '"', "\\", ",", ":", "<noinput>", "N/A", "<think>", "</think>", "2020.", "文",
        "ก", "\ud800", "\u200b", "\0", "ſ", "ı", "İ", "K",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=60).map("".join)


def check(found: list[Item]) -> None:
    """The promises about every result."""
    assert found
    assert all(i.instruction or i.input or i.output or i.reason for i in found)
    assert {i.reason for i in found} <= {None, "unparsed", "cut_off"}
    assert not any(i.reason == "cut_off" for i in found[:-1])
    for item in found:
        "\0".join((item.instruction, item.input, item.output)).encode()  # it can be stored


@pytest.mark.parametrize("name", READERS)
@given(text=TEXTS, cut=st.booleans())
def test_every_text_gives_items_and_every_item_has_text_or_a_reason(name: str, text: str, cut: bool) -> None:
    check(READERS[name](text, cut=cut))


@given(TEXTS)
def test_every_text_is_yes_no_or_neither(text: str) -> None:
    assert yes_or_no(text) in (True, False, None)


@given(TEXTS)
def test_only_a_completion_that_was_cut_or_open_json_has_a_cut_off_item(text: str) -> None:
    assert not any(i.reason == "cut_off" for i in tasks(text, cut=False, first=9))
    assert not any(i.reason == "cut_off" for i in instances(text, cut=False, output_first=False))
    if "{" not in text:
        assert not any(i.reason == "cut_off" for i in items(text, cut=False))


UNITS = [
    "{", "[", "}", "]", '"', "\\", '{"', '{"a":', '{"instruction":', '[{"instruction":"', '\n{"task":', '\n{"task":"a\n',
    ',{"task":', '{"task":{},', '{},', '{"question":[{"a":1},', '{"a":"\\"', '"\\', '{"instruction":"a","output":"b"},\n',
    "[{", "{[", "Instruction:\n", "Output:\n", "Instruction: a\nOutput: b\n", "1. Instruction: a\n", "4. Input:\n",
    "Question:\nInstruction:\n", "Task 1: a\nAnswer: b\n", "1. Instruction: a\n###\n", "2. Instruction:\n1. Instruction:\n",
    "Example 1\n", "Example\nInput: a\n", "Class label: a\nExample 2\n", "Input: a\nOutput: b\n", "###\n", "---\n",
    "***\n###\n", "* * *\n", "\n", "\r\n", " ", "\t\n", "> a\n", "- a\n", "1. a\n", "9. ", "**", "5", "```\n",
    "```\nInstruction: a\n", "<think>", "</think>", "Yes ", " '", "\ud800", "：", " Output:\n  ", "第1条", "Let me know\n\n",
]  # fmt: skip
WHOLE = {
    "deep": '{"task":' * 25_000 + "1" + "}" * 25_000,
    "deep and open": '{"task":' * 500 + '1,"a":' * 25_000,
    "deep and bad": '[{"task":1},' + '{"a":' * 500 + '"b":1,' * 25_000 + "bad" + "}" * 500 + "]",
    "a deep output": '{"task":"a","output":' + "[" * 100_000 + "]" * 100_000 + "}",
    "an output as deep as Python reads": '{"task":"a","output":' + "[" * 970 + "]" * 970 + "}",
    "a string that never ends": '{"task":"' + "[" * SIZE,
    "a long number": '{"task":' + "9" * SIZE + "}",
    "a long gap": "Instruction: a" + "\n" * SIZE + "Output: b",
    "a long indentation": "Instruction: a\n" + " " * SIZE + "Output: b",
    "a long rule": "Instruction: a\nOutput: b\n" + "-" * SIZE + "x",
    "a long word": "x" * SIZE,
}


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_a_long_text_of_one_piece_is_read_in_linear_time(unit: str) -> None:
    assert read_by_all(unit * (SIZE // len(unit))) == ALL


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", WHOLE.values(), ids=list(WHOLE))
def test_a_long_text_of_anything_is_read_in_linear_time(text: str) -> None:
    assert read_by_all(text) == ALL


ALL = READERS.keys() - {"items after a prefix"}


def read_by_all(text: str) -> set[str]:
    """Return the readers whose items hold; a quadratic step takes minutes, all readings of one together half a second."""
    assert yes_or_no(text) in (True, False, None)
    read = set()
    for name in ALL:
        check(READERS[name](text, cut=True))
        read.add(name)
    return read


def test_a_surrogate_half_raises_nothing_and_can_be_stored() -> None:
    found = items("Instruction: Half \ud83d.\nOutput: a \ud83d\ude00 b", cut=False)
    assert found == [Item("Half \ufffd.", "", "a \U0001f600 b")]
    for output_first in (False, True):  # thoughts without an end
        assert instances("<think>Half \ud83d.", cut=False, output_first=output_first) == [
            Item("", "", "<think>Half \ufffd.", "unparsed")
        ]
