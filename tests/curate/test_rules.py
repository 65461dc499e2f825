"""Rows that are broken whatever they say, and rows that only look so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datagen import stage
from datagen.errors import UsageError
from datagen.rows import Row, new_row, table_of, turn
from datagen.stage import Context
from datagen.wordlists import entries

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


LONG = "The mill stands by the river, and every morning it makes bread for all the houses of the village on the hill"
BROKEN: dict[str, tuple[Row, Row]] = {  # rule -> a row that breaks it, and one like it that is right
    "echo": (new_row(instruction=LONG, output=LONG.upper()), new_row(instruction=LONG, output=f"{LONG}. It is old.")),
    "refusal": (
        new_row(instruction="Tell me.", output="I'm sorry, but I can't help with that."),
        new_row(instruction="Tell me.", output="She said that she was sorry for the noise."),
    ),
    "repetition": (
        new_row(instruction="Go on.", output="and then the fox went to the old mill again " * 12),
        new_row(instruction="Count.", output=" ".join(f"{n} sheep," for n in range(60))),
    ),
    "cut_ending": (new_row(instruction="Go on.", output=f"{LONG} and the"), new_row(instruction="Go on.", output=f"{LONG}.")),
    "boilerplate": (
        new_row(instruction="Who are you?", output="As an AI language model, I have no name."),
        new_row(instruction="What is AI?", output="A language model predicts the next word."),
    ),
    "toxic": (
        new_row(instruction="Say it.", output="You asshole."), new_row(instruction="Say it.", output="Assholm is a town."),
    ),
    "length": (new_row(instruction="Say it.", output="one two three"), new_row(instruction="Say it.", output="one two")),
    "language": (
        new_row(instruction="Dis-le.", output="Le moulin se trouve près de la rivière et fait du pain tous les matins."),
        new_row(instruction="Say it.", output=LONG),
    ),
}  # fmt: skip
OPTIONS = {"length": {"max_answer": 2}, "language": {"languages": "en,zh,th"}}
REASONS = {"length": "too_long", "language": "wrong_language"}


def reasons(rows: list[Row], **options: object) -> list[str | None]:
    """Return why each row goes."""
    made, alive = stage.make("rules", options), np.ones(len(rows), bool)
    told = stage.apply(made, stage.scored(made, table_of(rows), Context()), alive, Context()).dropped.to_pylist()
    found = {d["row"]: d["reason"] for d in told}
    return [found.get(i) for i in range(len(rows))]


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_by_name_takes_what_breaks_it_and_leaves_what_is_like_it(name: str) -> None:
    rows = list(BROKEN[name])
    assert reasons(rows, use=name, **OPTIONS.get(name, {})) == [REASONS.get(name, name), None]
    assert reasons(rows) == [None, None]  # none of them is on by default


def test_flagging_drops_nothing_and_names_every_rule_that_is_broken() -> None:
    rows = [BROKEN["refusal"][0], BROKEN["refusal"][1], new_row(instruction="{instruction}", output="")]
    made, alive = stage.make("rules", {"use": "all", "mode": "flag"}), np.ones(3, bool)
    scores = stage.scored(made, table_of(rows), Context())
    told = stage.apply(made, scores, alive, Context())
    assert alive.all()
    assert scores.column("rules").to_pylist() == [["refusal"], [], ["empty_answer", "template_remnant"]]
    assert told.notes == {"flagged": {"refusal": 1, "empty_answer": 1, "template_remnant": 1}}


def test_a_word_list_of_ones_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mill\n", encoding="utf-8")
    rows = [new_row(instruction="x", output=LONG), new_row(instruction="x", output="You are an asshole.")]
    assert reasons(rows, use="toxic", toxic=str(tmp_path / "mine.txt")) == ["toxic", None]


def test_biased_wording_is_told_by_any_line_of_its_list() -> None:
    phrase = next(iter(entries("biased")))
    assert reasons([new_row(instruction="x", output=f"They say {phrase} here.")], use="biased") == ["biased"]


def test_a_long_run_of_blanks_costs_no_more_than_its_length() -> None:
    rows = [new_row(instruction=" " * 400_000 + "Say it", output="x"), new_row(instruction="." * 400_000, output="x")]
    assert reasons(rows) == [None, "template_remnant"]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"languages": "english"}, "'english' is no code of a language"), ({"max_task": -5}, "max_task must be 1 or more")],
)
def test_options_that_would_drop_every_row_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        stage.make("rules", options)


@pytest.mark.parametrize(
    ("answer", "language"), [("我非常爱你，我亲爱的朋友。", "zh"), ("กรุงเทพมหานคร", "th"), ("Paris", "en")]
)
def test_the_language_is_that_of_a_short_answer_too(answer: str, language: str) -> None:
    task = "Translate this for the traveller, please, and say it as people there would say it: I love you, my dear friend."
    scores = stage.scored(
        stage.make("rules", {"use": "language"}), table_of([new_row(instruction=task, output=answer)]), Context()
    )
    assert scores.column("language").to_pylist() == [language]


def test_a_rule_of_lengths_without_a_length_is_refused() -> None:
    with pytest.raises(UsageError, match="use=length needs a limit"):
        stage.make("rules", {"use": "length"})
    assert "length" in stage.make("rules", {"use": "length", "min_answer": "5"}).names
