"""Tasks in JSON, whole, with words around, flawed or cut off: each object is an item with its text or with a reason."""

from __future__ import annotations

import json

import pytest

from datagen.answers.tasks import Item, items

LONDON = Item("Name the capital of England.", "", "London")
HI = Item("Say hi.", "loud", "HI")
FIRST = '{"instruction": "Name the capital of England.", "input": "", "output": "London"}'
SECOND = '{"instruction": "Say hi.", "input": "loud", "output": "HI"}'


@pytest.mark.parametrize(
    "text",
    [
        f"[{FIRST}, {SECOND}]",
        json.dumps([json.loads(FIRST), json.loads(SECOND)], indent=2),
        f'{{"tasks": [{FIRST}, {SECOND}]}}',
        f'{{"count": 2, "data": {{"tasks": [{FIRST}, {SECOND}]}}, "tags": ["a", "b"]}}',
        f'{{"1": {FIRST}, "2": {SECOND}}}',
        f'[{{"task": {FIRST}}}, {{"task": {SECOND}}}]',
        f"{FIRST}\n{SECOND}",
        f"{FIRST},\n{SECOND},",
        f"```json\n[{FIRST}, {SECOND}]\n```",
        f"Sure! Here are [two] tasks:\n```json\n{FIRST}\n```\nand\n```json\n{SECOND}\n```\nI hope this helps!",
        f"Task 1:\n{FIRST}\n\nTask 2:\n{SECOND}\n\nLet me know if you need more tasks.",
        f"[{FIRST}, {SECOND}",
        f'{{"tasks": [{FIRST}, {SECOND}]',
        f"[{FIRST}, {SECOND},]",
        f"{FIRST[:-1]}, {SECOND[1:]}",
    ],
)
def test_every_way_in_which_models_write_json(text: str) -> None:
    assert items(text, cut=False) == [LONDON, HI]


@pytest.mark.parametrize(
    ("instruction", "given", "output"),
    [
        ("Instruction", "Input", "Output"), ("prompt", "context", "completion"), ("question", "input", "answer"),
        ("task", "input", "response"), ("指令", "输入", "输出"), ("问题", "输入", "答案"), ("คำสั่ง", "ข้อมูลนำเข้า", "คำตอบ"),
    ],
)  # fmt: skip
def test_the_usual_names_of_the_keys(instruction: str, given: str, output: str) -> None:
    text = json.dumps([{instruction: "Say hi.", given: "loud", output: "HI"}], ensure_ascii=False)
    assert items(text, cut=False) == [HI]


def test_a_question_beside_an_instruction_is_its_input() -> None:
    text = '{"instruction": "Answer briefly.", "question": "Who?", "answer": "Me."}'
    assert items(text, cut=False) == [Item("Answer briefly.", "Who?", "Me.")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("42", "42"),
        ("true", "true"),
        ("null", ""),
        ('["a", {"b": null}]', '["a", {"b": null}]'),
        ('"春"', "春"),
        ("1.50", "1.5"),
    ],
)
def test_values_that_are_no_texts_are_rendered_as_json(value: str, text: str) -> None:
    assert items(f'{{"instruction": "Go.", "output": {value}}}', cut=False) == [Item("Go.", "", text)]


@pytest.mark.parametrize("given", ["null", '""', '"<noinput>"', '"N/A"', '"无"', '"ไม่มี"'])
def test_no_input_in_json(given: str) -> None:
    assert items(f'{{"instruction": "Go.", "input": {given}, "output": "x"}}', cut=False) == [Item("Go.", "", "x")]


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(
    ("end", "last"),
    [
        ('{"instruction": "Tell a story.", "output": "Once up', Item("Tell a story.", "", "Once up", "cut_off")),
        ('{"instruction": "Tell a story.", "outp', Item("Tell a story.", reason="cut_off")),
        ('{"instruction": "Tell a story.", "output":', Item("Tell a story.", reason="cut_off")),
        (
            '{"instruction": "Tell a story.", "input": {"x": 1}, "output": ["a',
            Item("Tell a story.", '{"x": 1}', '["a"]', "cut_off"),
        ),
        ('{"instruction": "Tell a st', Item("Tell a st", reason="cut_off")),
        ('{"instr', Item('{"instr', reason="cut_off")),
        ("{", Item("{", reason="cut_off")),
    ],
)
def test_the_object_that_a_completion_ends_in_is_cut_off_and_the_whole_ones_are_kept(cut: bool, end: str, last: Item) -> None:
    """The structure says so, whatever the endpoint says of the reason why it ended."""
    assert items(f"[{FIRST}, {SECOND}, {end}", cut=cut) == [LONDON, HI, last]
    assert items(f"{FIRST}\n{SECOND}\n{end}", cut=cut)[:2] == [LONDON, HI]
    assert items(f'```json\n{{"tasks": [{FIRST}, {SECOND}, {end}', cut=cut) == [LONDON, HI, last]


def test_a_first_object_that_is_cut_off() -> None:
    assert items('[{"instruction": "Tell a story.", "output": "Once up', cut=True) == [
        Item("Tell a story.", "", "Once up", "cut_off")
    ]
    assert items('{"tasks": [{"instruction": "Tell a st', cut=True)[0].reason == "cut_off"


@pytest.mark.parametrize(
    "broken",
    [
        '{"instruction": "Say "hi" now.", "output": "hi"}',
        '{"instruction": "Say hi, "output": "hi"}',
        '{"instruction": "Say hi" "output": "hi"}',
        '"instruction": "Say hi.", "output": "hi"}',
    ],
)
def test_a_broken_object_is_unparsed_and_its_neighbours_are_not(broken: str) -> None:
    for text in (f"[{FIRST},\n{broken},\n{SECOND}]", f"{FIRST}\n{broken}\n{SECOND}"):
        found = items(text, cut=False)
        assert [i for i in found if i.reason is None] == [LONDON, HI]
        assert [i.reason for i in found] == [None, "unparsed", None]
        assert "Say" in found[1].instruction


def test_flaws_that_many_models_make_are_mended() -> None:
    text = r"""[{"instruction": "It\'s 5 \% of a\_b", "output": "two
lines",}, {"instruction": "No end", "output": "x"]"""
    assert items(text, cut=False) == [Item(r"It's 5 \% of a\_b", "", "two\nlines"), Item("No end", "", "x")]


def test_elements_of_a_list_of_tasks_that_are_no_tasks_are_unparsed() -> None:
    assert items(f'[{FIRST}, "and", {{"note": 5}}, null]', cut=False) == [
        LONDON,
        Item("and", reason="unparsed"),
        Item('{"note": 5}', reason="unparsed"),
        Item("null", reason="unparsed"),
    ]


def test_an_object_without_an_output_is_unparsed() -> None:
    assert items('[{"instruction": "Say hi."}]', cut=False) == [Item("Say hi.", reason="unparsed")]


@pytest.mark.parametrize("text", ['[1, 2, "three"]', '{"name": "Ann"}', "{", "[[[]]]", '{"input": "a", "output": "b"}'])
def test_json_without_a_task_is_one_unparsed_item(text: str) -> None:
    assert items(text, cut=False) == [Item(text, reason="unparsed")]


def test_json_in_an_answer_is_an_answer() -> None:
    answer = '{"question": "Who?", "answer": "Me."}'
    assert items(f"1. Instruction: Make JSON.\n1. Output: {answer}", cut=False) == [Item("Make JSON.", "", answer)]


def test_headings_inside_the_strings_of_json_are_text() -> None:
    text = '[{"instruction": "Make a task.", "output": "Sure:\nInstruction: a\nOutput: b"}]'
    assert items(text, cut=False) == [Item("Make a task.", "", "Sure:\nInstruction: a\nOutput: b")]


def test_headed_tasks_after_json_are_read_too() -> None:
    text = f"{FIRST}\n\n###\n5. Instruction: Say hi.\n5. Input: loud\n5. Output: HI"
    assert items(text, cut=False) == [LONDON, HI]
    assert items(text, cut=True) == [LONDON, Item("Say hi.", "loud", "HI", "cut_off")]


def test_half_of_a_surrogate_pair_can_be_stored() -> None:
    found = items(r'{"instruction": "Half \ud83d.", "output": "whole \ud83d\ude00"}', cut=False)
    assert found == [Item("Half \ufffd.", "", "whole \U0001f600")]
