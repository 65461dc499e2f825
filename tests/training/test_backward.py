"""Rows turned round: what a backward model is tuned on, and what cannot be."""

from __future__ import annotations

from datagen.chat.prompt import Prompt
from datagen.data.rows import new_row, turn
from datagen.training.prepare import all_turned_round


def test_the_task_is_the_prompt_of_backtranslate_and_the_answer_is_the_old_task() -> None:
    row = new_row(instruction="Name a river", input="in Asia", output="The Mekong.", system="Be kind.", language="en")
    [new], left_out = all_turned_round([row])
    assert not left_out
    assert new["instruction"] == Prompt("backtranslate", "en").text(text="The Mekong.", title="", language="English")
    assert (new["output"], new["input"], new["system"], new["id"]) == ("Name a river\n\nin Asia", "", "", row["id"])


def test_the_prompt_is_in_the_language_of_the_row() -> None:
    rows = [
        new_row(instruction="说出一条河流的名字。", output="长江是中国最长的河流。"),
        new_row(instruction="บอกชื่อแม่น้ำหนึ่งสาย", output="แม่น้ำโขงไหลผ่านหลายประเทศ"),
        new_row(instruction="Nomme un fleuve.", output="La Seine.", language="fr"),
    ]
    found, _ = all_turned_round(rows)
    starts = [Prompt("backtranslate", name).text(text="x", title="", language="x")[:12] for name in ("zh", "th", "en")]
    assert [r["instruction"][:12] for r in found] == starts


def test_what_has_no_single_task_and_answer_is_left_out_with_the_reason() -> None:
    turns = [turn("user", "Hi"), turn("assistant", "Hello"), turn("user", "Bye"), turn("assistant", "See you")]
    rows = [
        new_row(instruction="Bye", output="See you", messages=turns), new_row(instruction="x", output=" "),
        new_row(instruction=" ", output="y"), new_row(instruction="Hi", output="Hello", messages=turns[:2]),
    ]  # fmt: skip
    found, left_out = all_turned_round(rows)
    assert [r["id"] for r in found] == [rows[3]["id"]]
    assert [reason for _, reason in left_out] == ["multi_turn", "no_labels", "no_labels"]
