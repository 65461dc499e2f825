"""`translate`: the same task in other languages, numbers and code kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datagen.kinds.translate import Translate
from datagen.teaching.translate import _KEPT

ROW = {"instruction": "Tom has 3 apples and buys 12 more. How many are there?", "output": "He has 3+12 = 15 apples.\n#### 15"}
ZH = {"Tom has": "汤姆有 3 个苹果，又买了 12 个。一共有多少个苹果？", "He has": "他一共有 3+12 = 15 个苹果。\n⟦1⟧"}
TH = {"Tom has": "ทอมมีแอปเปิล 3 ผล แล้วซื้อเพิ่มอีก 12 ผล มีทั้งหมดกี่ผล", "He has": "เขามีแอปเปิลทั้งหมด 3+12 = 15 ผล\n⟦1⟧"}


def translator(prompt: str) -> str:
    """Translate the two texts of ROW."""
    words = ZH if "into Chinese" in prompt else TH
    return next(text for start, text in words.items() if f"<<<\n{start}" in prompt)


def test_a_row_in_each_language_stands_beside_every_row_aligned_by_its_parent(taught: Any, saying: Any) -> None:
    with saying(translator) as server:
        kept, dropped, result = taught("translate", [ROW], server, to="zh,th")
    assert [r["language"] for r in kept[1:]] == ["zh", "th"] and not dropped
    assert kept[1]["output"] == "他一共有 3+12 = 15 个苹果。\n#### 15" and kept[2]["output"].endswith("#### 15")
    assert [r["parents"] for r in kept[1:]] == [[kept[0]["id"]]] * 2
    assert result.summary["rows_in"] == 3


def test_mixed_rows_have_the_task_in_one_language_and_the_answer_in_the_other(taught: Any, saying: Any) -> None:
    with saying(translator) as server:
        kept, _, _ = taught("translate", [ROW], server, to="zh", mixed=True)
    assert [(r["instruction"][:3], r["output"][:2]) for r in kept] == [
        ("Tom", "He"),
        ("汤姆有", "他一"),
        ("汤姆有", "He"),
        ("Tom", "他一"),
    ]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("changed_numbers", "汤姆有 3 个苹果，又买了 13 个。一共有多少个苹果？"),
        ("changed_numbers", "汤姆有 3 个苹果，又买了一些。一共有多少个苹果？"),
        ("changed_numbers", "2024 年，汤姆有 3 个苹果，又买了 12 个。一共有多少个苹果？"),
        ("changed_code", "他一共有 3+12 = 15 个苹果。⟦1⟧⟦1⟧"),
        ("wrong_language", "Tom has 3 apples and he buys 12 more of them. How many are there in all?"),
        ("empty_answer", ""),
    ],
)
def test_a_translation_that_changes_something_is_asked_for_once_more_then_dropped(
    taught: Any, saying: Any, reason: str, said: str
) -> None:
    start = "He has" if reason == "changed_code" else "Tom has"
    with saying(lambda prompt: said if f"<<<\n{start}" in prompt else translator(prompt)) as server:
        kept, [lost], _ = taught("translate", [ROW], server, to="zh")
    assert len(kept) == 1 and lost["reason"] == reason and lost["parents"] == [kept[0]["id"]]
    assert len(server.bodies) == 3


def test_code_formulas_and_addresses_are_not_shown_to_the_model(taught: Any, saying: Any) -> None:
    record = {"instruction": "What does `len(x)` do? See https://docs.python.org", "output": "```\nlen([1, 2])\n```"}

    def says(prompt: str) -> str:
        assert "len" not in prompt.split("<<<")[1] and "docs.python" not in prompt
        return "⟦1⟧ 是做什么用的？请看 ⟦2⟧"

    with saying(says) as server:
        kept, _, _ = taught("translate", [record], server, to="zh")
    assert kept[1]["instruction"] == "`len(x)` 是做什么用的？请看 https://docs.python.org"
    assert kept[1]["output"] == record["output"] and len(server.bodies) == 1


def test_a_row_that_is_in_the_language_already_is_not_translated(taught: Any, saying: Any) -> None:
    with saying(translator) as server:
        kept, _, _ = taught("translate", [ROW], server, to="en")
    assert len(kept) == 1 and not server.bodies


def test_a_conversation_is_translated_turn_by_turn(taught: Any, saying: Any) -> None:
    record = {
        "messages": [{"role": "user", "content": ROW["instruction"]}, {"role": "assistant", "content": ROW["output"]}] * 2
    }
    with saying(translator) as server:
        kept, _, _ = taught("translate", [record], server, to="th")
    assert [t["role"] for t in kept[1]["messages"]] == ["user", "assistant"] * 2
    assert kept[1]["messages"][0]["content"] == TH["Tom has"] == kept[1]["instruction"]
    assert json.loads(kept[1]["extra"])["aligned"] == kept[0]["id"]


def test_languages_are_named_or_refused() -> None:
    with pytest.raises(ValueError, match="to names no language that is known: xx"):
        Translate(to=("xx",), model="m", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ValueError, match="knows English only; for language zh name another one"):
        Translate(to=("zh",))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("She earns $18 per hour so she makes 8*18 = $144 a day.", "She earns $18 per hour so she makes 8*18 = $144 a day."),
        ("Let $x_1 = 3$ and $\\frac{1}{2}$ be given.", "Let ⟦1⟧ and ⟦2⟧ be given."),
        ("See https://x.org/a，然后继续阅读。", "See ⟦1⟧，然后继续阅读。"),
        ("#### The heading", "#### The heading"),
        ("So 15.\n#### 15", "So 15.\n⟦1⟧"),
        ("It is 3+4=<<3+4=7>>7.", "It is 3+4=⟦1⟧7."),
    ],
)  # fmt: skip
def test_what_is_put_away_and_what_is_not(text: str, shown: str) -> None:
    count = iter(range(1, 100))
    assert _KEPT.sub(lambda hit: f"⟦{next(count)}⟧", text) == shown


def test_a_name_may_be_the_same_and_a_beginning_that_the_text_has_stays(taught: Any, saying: Any) -> None:
    record = {"instruction": "Question: What is the capital of Germany? Please tell me.", "output": "Berlin"}
    said = {"Question": "问题：德国的首都是哪里？请告诉我。", "Berlin": "Berlin"}
    with saying(lambda prompt: next(v for k, v in said.items() if f"<<<\n{k}" in prompt)) as server:
        kept, dropped, _ = taught("translate", [record], server, to="zh")
    assert not dropped and (kept[1]["instruction"], kept[1]["output"]) == ("问题：德国的首都是哪里？请告诉我。", "Berlin")


def test_a_failed_translation_has_an_id_of_its_own(taught: Any, saying: Any) -> None:
    with saying(lambda prompt: "") as server:
        [kept], dropped, _ = taught("translate", [ROW], server, to="zh,th")
    assert len({kept["id"], *(r["id"] for r in dropped)}) == 3 and all(len(r["id"]) == 32 for r in dropped)


def test_headings_prose_between_dollars_and_marks_of_the_text_itself(taught: Any, saying: Any) -> None:
    record = {
        "instruction": "Steps:\n#### 1. Mix the flour well\nthe pid is $$ here and again $$ there, mark ⟦2⟧.",
        "output": "x",
    }
    with saying(lambda prompt: prompt.split("<<<\n")[-1].split("\n>>>")[0]) as server:
        taught("translate", [record], server, to="th")
    asked = [body["messages"][-1]["content"] for body in server.bodies]  # task and answer, as they arrived
    shown = next(text for text in asked if "Steps:" in text)
    assert "#### 1. Mix the flour well" in shown and "here and again" in shown and "mark ⟦1⟧" in shown
