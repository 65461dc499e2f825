"""Rows that are broken whatever they say, and rows that only look so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datagen import stage
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.errors import UsageError
from datagen.stage import Context
from datagen.text.wordlists import entries

CALL = '{"name": "weather", "arguments": {"city": "Bangkok"}}'


def fate(row: Row) -> tuple[str, str | None] | None:
    """The reason and the evidence of a row's drop, None where it stays."""
    rules = stage.make("rules", {})
    scores = stage.scored(rules, table_of([row]), Context())
    dropped = stage.apply(rules, scores, np.ones(1, bool), Context()).dropped.to_pylist()
    return (dropped[0]["reason"], dropped[0]["evidence"]) if dropped else None


@pytest.mark.parametrize(
    "answer",
    ["", " ", "\n\t \n", "\u3000", "\u200b\ufeff", "\u00ad", "\u3164", "\u2800", "\u115f\u034f", "<think>\nhm\n</think>\n"],
)
def test_an_answer_without_a_visible_character_is_dropped(answer: str) -> None:
    assert fate(new_row(instruction="Name a city.", output=answer)) == ("empty_answer", None)


@pytest.mark.parametrize(
    "answer", ["nan", "None", "null", "N/A", "<noinput>", "<nooutput>", "<no output>", "{output}", " nan\n"]
)
def test_an_answer_that_is_a_placeholder_is_none(answer: str) -> None:
    assert fate(new_row(instruction="Name a moon.", output=answer)) == ("empty_answer", None)


@pytest.mark.parametrize("task", ["", "   ", "\u200b", "\u3164", "\u2800\ufe0f"])
def test_an_answer_to_nothing_is_dropped(task: str) -> None:
    assert fate(new_row(instruction=task, input=task, output="An answer.")) == ("empty_task", None)
    turns = [turn("user", task), turn("assistant", "An answer.")]
    assert fate(new_row(instruction=task, system="Be kind.", messages=turns)) == ("empty_task", None)


def test_a_remnant_in_an_earlier_answer_is_one() -> None:
    turns = [turn("user", "Peru?"), turn("assistant", "Lima.</s>"), turn("user", "Chile?"), turn("assistant", "Santiago.")]
    assert fate(new_row(instruction="Chile?", messages=turns)) == ("template_remnant", "</s>")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [turn("user", "Hi")],
        [turn("user", "Hi"), turn("assistant", None)],
        [turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "And?"), turn("assistant", " ")],
        [turn("user", "Hi"), turn("assistant", " "), turn("user", "Still there?")],
    ],
)
def test_a_conversation_without_a_final_answer_is_dropped(messages: list[dict[str, object]]) -> None:
    assert fate(new_row(instruction="Hi", output="", messages=messages)) == ("empty_answer", None)


def test_a_conversation_that_ends_with_a_question_is_judged_by_its_last_answer() -> None:
    waiting = [turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "Still there?")]
    assert fate(new_row(instruction="Still there?", output="", messages=waiting)) is None
    waiting[1]["content"] = "Hello.<|im_end|>"
    assert fate(new_row(instruction="Still there?", output="", messages=waiting)) == ("template_remnant", "<|im_end|>")


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
        ("Paris.</s>", "</s>"),
        ("Paris.<end_of_turn>\n", "<end_of_turn>"),
        ("Paris.<|end|>", "<|end|>"),
        ("Paris.<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        ("Paris.</s> ", "</s>"),
        ("<s>[INST] q [/INST] Paris.</s>", "<s>"),
        ("<|assistant|>\nParis.", "<|assistant|>"),
        ("<start_of_turn>model\nParis.", "<start_of_turn>"),
        ("Paris.<|im_end|>\n<|im_start|>user\nAnd Spain?", "<|im_end|>\n<|i"),
        ("Paris.\nUser: and Spain?\nAssistant: Madrid", "User:"),
        ("Paris.\n\nHuman: thanks", "Human:"),
        ("Paris. Human: thanks", "Human:"),
        ("Assistant: Paris.", "Assistant:"),
        ("巴黎。\n用户：西班牙呢？\n助手：马德里", "用户："),
        ("ปารีส\nผู้ใช้: แล้วสเปนล่ะ\nผู้ช่วย: มาดริด", "ผู้ใช้:"),
        ("hm, France\n</think>\n\nParis.", "</think>"),
        ("<think>\nhm, France", "<think>"),
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
        "{{ input }}",
        "{response}",
        "<NA>",
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
        new_row(instruction="Is there a limit? If not, say N/A.", output="N/A"),
        new_row(instruction="Which of 4, 6 and 8 are prime?", output="None"),
        new_row(instruction="What does print(print()) show in Python?", output="None"),
        new_row(instruction="What does 0/0 give in JavaScript?", output="NaN"),
        new_row(instruction="Who came?", output="Nobody."),
        new_row(instruction="Name a moon.", input="<noinput>", output="Titan."),
        new_row(instruction="Name a moon.", input="nan", output="Titan."),
        new_row(instruction="How does ChatML close a turn?", output="It writes <|im_end|> after the text of each turn."),
        new_row(instruction="Which token ends a turn in ChatML?", output="<|im_end|>"),
        new_row(instruction="Which token ends a sequence in Llama?", output="It is </s>"),
        new_row(instruction="Show a turn of ChatML.", output="```\n<|im_start|>user\nHi<|im_end|>\n```"),
        new_row(instruction="Strike a word out in HTML.", output="Write this: a <s>wrong</s>"),
        new_row(instruction="Where does DeepSeek answer?", output="After its thought, closed by </think>, comes the answer."),
        new_row(instruction="Capital of Peru?", output="<think>\nhm\n</think>\n\nLima."),
        new_row(instruction="Write a dialogue of a user and an assistant.", output="Here:\nUser: Hi\nAssistant: Hello."),
        new_row(instruction="Write a scene.", output="A room.\nUser: Hi\nAssistant: Hello."),
        new_row(instruction="Classify by species.", output="Cat: Felis catus\nHuman: Homo sapiens"),
        new_row(instruction="Compare two kinds of thinking.", output="There are two. Human: slow. Machine: fast."),
        new_row(instruction="", messages=[turn("assistant", "Welcome! What can I do for you?")]),
        new_row(instruction="", input="Only material.", output="Fine."),
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


@pytest.mark.parametrize(
    "answer",
    [
        "mill " * 20, "The mill is old. " * 5, "Well, it is. " + "the mill " * 10, "The sky is blue.\n" * 4,
        "First.\n" + "I do not know that.\n\n" * 4 + "Last.", "风车" * 20, "好" * 20, "我真的不知道。" * 4, "我不知道\n" * 4,
        "กังหัน" * 20, "ฉันไม่รู้เรื่องนี้ " * 4, "мельница " * 20,
    ],
)  # fmt: skip
def test_a_word_twenty_times_and_a_line_four_times_repeat_themselves(answer: str) -> None:
    assert reasons([new_row(instruction="Go on.", output=answer)], use="repetition") == ["repetition"]


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("Write mill 20 times.", "mill " * 20), ("Write a song about a mill.", "Turn, mill, turn!\n" * 4),
        ("把“风车”写二十遍。", "风车" * 20), ("แต่งเพลง", "หมุนไปหมุนมา\n" * 4),
        ("Laugh.", "ha " * 30), ("笑。", "哈" * 30), ("หัวเราะ", "5" * 30), ("Zeros?", "0 " * 40),
        ("Ones?", "[1, 1, 1, 1, 1]\n" * 5),
        ("Make a table.", "| a | b |\n" * 5), ("Write code.", "```\nstep(left)\nstep(left)\nstep(left)\nstep(left)\n```"),
        ("Write code.", "    x = next(it)\n" * 4), ("A form.", "Name: ____\n" * 4), ("Cheer.", "go go go go go"),
        ("A rule?", "Twice a day. Twice a day. Twice a day."),
    ],
)  # fmt: skip
def test_what_may_come_again_and_again_stays(task: str, answer: str) -> None:
    assert reasons([new_row(instruction=task, output=answer)], use="repetition") == [None]


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
    (tmp_path / "mine.txt").write_text("asshole\n", encoding="utf-8")  # changed since: it is read again
    assert reasons(rows, use="toxic", toxic=str(tmp_path / "mine.txt")) == [None, "toxic"]


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
