"""Rows that are broken whatever they say, and rows that only look so."""

from __future__ import annotations

import numpy as np
import pytest

from datagen import stage
from datagen.rows import Row, new_row, table_of, turn
from datagen.stage import Context

CALL = '{"name": "weather", "arguments": {"city": "Bangkok"}}'


def fate(row: Row) -> tuple[str, str | None] | None:
    """The reason and the evidence of a row's drop, None where it stays."""
    rules = stage.make("rules", {})
    scores = stage.scored(rules, table_of([row]), Context())
    dropped = stage.apply(rules, scores, np.ones(1, bool), Context()).dropped.to_pylist()
    return (dropped[0]["reason"], dropped[0]["evidence"]) if dropped else None


@pytest.mark.parametrize("answer", ["", " ", "\n\t \n", "\u3000"])
def test_an_answer_without_a_visible_character_is_dropped(answer: str) -> None:
    assert fate(new_row(instruction="Name a city.", output=answer)) == ("empty_answer", None)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [turn("user", "Hi")],
        [turn("user", "Hi"), turn("assistant", None)],
        [turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "Still there?")],
        [turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "And?"), turn("assistant", " ")],
    ],
)
def test_a_conversation_without_a_final_answer_is_dropped(messages: list[dict[str, object]]) -> None:
    assert fate(new_row(instruction="Hi", output="", messages=messages)) == ("empty_answer", None)


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        ("Paris.<|im_end|>", "<|im_end|>"),
        ("<|im_start|>assistant\nParis.", "<|im_start|>"),
        ("Paris.<|endoftext|>", "<|endoftext|>"),
        ("Paris.<|eot_id|>", "<|eot_id|>"),
        ("[INST] What? [/INST] Paris.", "[INST]"),
        ("<<SYS>>Be kind.<</SYS>> Paris.", "<<SYS>>"),
        ("### Response:\nParis.", "### Response:"),
        ("Paris.\n\n### Instruction:\nNext task", "### Instruction:"),
        ("## Input :  \nParis.", "## Input :"),
    ],
)
def test_an_answer_with_a_remnant_of_a_template_is_dropped(answer: str, evidence: str) -> None:
    assert fate(new_row(instruction="What is the capital of France?", output=answer)) == ("template_remnant", evidence)


@pytest.mark.parametrize(
    "task",
    [
        "{instruction}",
        "{input}",
        " {output} ",
        "<noinput>",
        "<No Input>",
        "<nooutput>.",
        "N/A",
        "n/a.",
        "None",
        "null",
        "NaN",
        "...",
        ".",
    ],
)
def test_a_task_that_is_a_placeholder_is_dropped(task: str) -> None:
    assert fate(new_row(instruction=task, output="Paris.")) == ("template_remnant", task.strip())


def test_a_control_token_in_the_task_or_its_material_is_dropped() -> None:
    assert fate(new_row(instruction="What?<|im_end|>", output="Paris.")) == ("template_remnant", "<|im_end|>")
    assert fate(new_row(instruction="Shorten.", input="[INST]long", output="Short.")) == ("template_remnant", "[INST]")


@pytest.mark.parametrize(
    "row",
    [
        new_row(instruction="What does this print?", output="Output: 3"),
        new_row(instruction="Explain the program.", output="The program reads a number.\nInput: 3\nOutput: 9"),
        new_row(instruction="Write a report.", output="# Report\n\n## Inputs and outputs\n\nInput is cheap."),
        new_row(instruction="Write a function.", output="def f(x):\n    return {'input': x, 'output': {}}"),
        new_row(instruction="Format a string.", output='f"{instruction} and {input}" gives both.'),
        new_row(instruction="Write {input} as code.", output="{output}"),
        new_row(instruction="What is a chat template?", output="It puts special tokens such as im_start around each turn."),
        new_row(instruction="How do I mark the instruction?", output="Write a heading ### Instruction: and then the task."),
        new_row(instruction="Which is it, none or null?", output="none"),
        new_row(instruction="Translate: N/A", output="ไม่มีข้อมูล"),
        new_row(instruction="Is 3 < 4 | 5?", output="N/A"),
        new_row(instruction="", input="Only material.", output="Fine."),
        new_row(instruction="", output="A text to learn from."),
        new_row(instruction="?", output="!"),
        new_row(instruction="北京", output="。"),
        new_row(instruction="ตอบสั้น ๆ", output="ๆ"),
        new_row(instruction="Rain?", messages=[turn("user", "Rain?"), turn("assistant", None, tool_calls=CALL)]),
        new_row(instruction="Rain?", output="", messages=[turn("user", "Rain?"), turn("assistant", "", tool_calls=CALL)]),
    ],
)
def test_what_only_looks_broken_stays(row: Row) -> None:
    assert fate(row) is None


def test_an_empty_answer_is_named_before_a_remnant_in_the_task() -> None:
    assert fate(new_row(instruction="{instruction}", output="")) == ("empty_answer", None)
