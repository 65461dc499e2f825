"""Near copies that differ in a signature only go, look-alikes about something else stay; rows in three languages and more."""

from __future__ import annotations

import re
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import stage
from datagen.cli.notes import notes_of
from datagen.data.rows import Row, new_row, table_of
from datagen.report import flow
from datagen.similarity import same_answer
from datagen.similarity.tokenised import tokenised
from datagen.stage import Context
from datagen.text.tokens import Units, tokenizer

TEXTS = st.lists(st.one_of(st.text(alphabet="ab'_ 1.,@＠๑٣é’中ก", max_size=12), st.text(max_size=12)), max_size=8)
ANSWERS = {
    "en": (
        "Answer the customer whose parcel did not arrive last week.",
        "Thank you for writing to us about the parcel that did not arrive last week. We have asked the carrier to look for it"
        " and will send a new one at no cost if it is not found within five working days. Please keep this message.",
        "\n\nBest regards,\nCustomer Care\nTel: +1 555 010 {0}\ncare{0}@shop.example | Order #48{0}",
    ),
    "zh": (
        "请回复一位说上周订的包裹没有送达的顾客。",
        "感谢您来信告知上周未送达的包裹。我们已请承运商查找，如果五个工作日内仍未找到，将免费为您重新寄送一份。请保留此邮件，以便同事找到记录。",
        "\n\n此致\n客服部\n电话：1380013{0}\n邮箱：kefu{0}@shop.example 订单号：48{0}",
    ),
    "th": (
        "ตอบลูกค้าที่บอกว่าพัสดุที่สั่งเมื่อสัปดาห์ก่อนยังไม่มาถึง",
        "ขอบคุณที่แจ้งเรื่องพัสดุที่ไม่มาถึงเมื่อสัปดาห์ก่อน เราได้ขอให้บริษัทขนส่งค้นหาแล้ว และจะส่งชิ้นใหม่ให้โดยไม่คิดค่าใช้จ่ายหากไม่พบภายในห้าวันทำการ",
        "\n\nขอแสดงความนับถือ\nฝ่ายบริการลูกค้า\nโทร. 02-555-{0}\nอีเมล care{0}@shop.example หมายเลขคำสั่งซื้อ 48{0}",
    ),
}


def judged(rows: list[Row], name: str, **options: Any) -> tuple[list[int], dict[str, Any]]:
    made = stage.make(name, options)
    done = stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(len(rows), bool), Context())
    return [d["row"] for d in done.dropped.to_pylist()], dict(done.notes)


@pytest.mark.parametrize("name", ["minhash", "rouge"])
@pytest.mark.parametrize("language", list(ANSWERS))
def test_copies_with_another_telephone_address_and_order_number_in_their_signature_are_copies(language: str, name: str) -> None:
    task, answer, signature = ANSWERS[language]
    rows = [new_row(instruction=task, output=answer + signature.format(1000 + 37 * n)) for n in range(6)]
    rows.append(new_row(instruction=task, output=answer))
    assert judged(rows, name) == ([1, 2, 3, 4, 5, 6], {})


@pytest.mark.parametrize(
    "line",
    [
        "Case {0} — call 1-800-555-01{1}.",
        "Last updated: 2024-05-{1}",
        "Generated on {1} May 2024 at 10:{1}",
        "© 20{1} Example Corp. All rights reserved.",
        "更新时间：2024-05-{1}",
        "อัปเดตล่าสุด: {1} พฤษภาคม 2567",
        "Page {1} of 30",
    ],
)
@pytest.mark.parametrize("name", ["minhash", "rouge"])
def test_copies_with_another_line_at_the_foot_of_the_page_are_copies(line: str, name: str) -> None:
    task, answer, _ = ANSWERS["en"]
    rows = [new_row(instruction=task, output=f"{answer}\n\n{line.format(48200 + n, 11 + n)}") for n in range(3)]
    assert judged(rows, name) == ([1, 2], {})


@pytest.mark.parametrize(
    "line",
    [
        "#### {0}",
        "So the total cost was {0} dollars.",
        "Updated: {0}",
        "The page was last updated on 2024-05-{0}.",
        "return {0}",
    ],
)
def test_a_line_that_many_rows_share_but_for_its_number_is_an_answer(line: str) -> None:
    task, answer, _ = ANSWERS["en"]
    rows = [new_row(instruction=task, output=f"{answer}\n\n{line.format(11 + n)}") for n in range(12)]
    assert judged(rows, "rouge")[0] == []


def test_a_signature_under_the_task_does_not_make_another_task() -> None:
    letter = (
        "I ordered a lamp last month and it came with a broken foot. I would like to send it back and get the money for it."
    )
    rows = [
        new_row(instruction="What does he want?", input=f"{letter}\n\nKind regards,\nTom\nPhone 555-01{n}", output="A refund.")
        for n in range(10, 13)
    ]
    assert judged(rows, "rouge")[0] == [1, 2]
    assert judged([{**row, "output": row["input"][-8:]} for row in rows], "rouge")[0] == []  # asked for the number itself


def test_a_number_that_is_the_subject_is_another_fact() -> None:
    ask = "Is this a telephone number that could be in use somewhere in the United States of America?"
    rows = [new_row(instruction=ask, input=f"+1 555 010 {n}", output="Yes") for n in (1234, 1235, 1236)]
    assert judged(rows, "rouge") == ([], {"spared_by_same_facts": 2})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Explain in two short sentences why the sky is blue.",
            "Ｅｘｐｌａｉｎ　ｉｎ　ｔｗｏ　ｓｈｏｒｔ　ｓｅｎｔｅｎｃｅｓ　ｗｈｙ　ｔｈｅ　ｓｋｙ　ｉｓ　ｂｌｕｅ．",
        ),
        ("لماذا تبدو السماء زرقاء خلال النهار", "لِمَاذَا تَبْدُو السَّمَاءُ زَرْقَاءَ خِلَالَ النَّهَارِ"),
        ("لماذا تبدو السماء زرقاء خلال النهار", "لمــاذا تبدو السماء زرقــاء خلال النهار"),
        ("למה השמים כחולים ביום", "לָמָה הַשָּׁמַיִם כְּחוּלִּים בַּיּוֹם"),
    ],
)
@pytest.mark.parametrize("name", ["minhash", "rouge"])
def test_other_spellings_of_one_text_are_copies(one: str, other: str, name: str) -> None:
    assert judged([new_row(instruction=q, output="It scatters.") for q in (one, other)], name)[0] == [1]


def test_vowel_marks_on_a_single_word_tell_it_from_another() -> None:
    rows = [new_row(instruction=f"ما معنى كلمة {w} في اللغة العربية", output="فعل") for w in ("كَتَبَ", "كُتِبَ")]
    assert judged(rows, "minhash")[0] == []
    assert judged([{**row, "output": f"فعل {n}"} for n, row in enumerate(rows)], "rouge")[0] == []


def test_how_many_pairs_the_facts_spared_is_said_on_the_terminal_and_in_the_report() -> None:
    tips = "Eat fresh vegetables every day, drink enough water, sleep well, walk to work, and see a doctor once in {} years."
    rows = [new_row(instruction="How do I stay healthy and fit?", output=tips.format(n)) for n in (1, 2, 2, 3)]
    gone, notes = judged(rows, "rouge")
    assert (gone, notes["spared_by_same_facts"]) == ([2], 2)
    assert "2 pairs at the threshold were spared by same_facts" in notes_of({"notes": notes})
    assert ("pairs at the threshold that were spared by same_facts", 2) in flow.notes({"notes": notes})
    assert "spared_by_same_facts" not in judged(rows, "rouge", same_facts=False)[1]


def test_in_a_large_set_the_spared_pairs_are_counted_among_the_first_rows_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_answer, "SPARED_ROWS", 3)
    tips = "Eat fresh vegetables every day, drink enough water, sleep well, walk to work, and see a doctor once in {} years."
    rows = [new_row(instruction="How do I stay healthy and fit?", output=tips.format(n)) for n in (1, 2, 2, 3, 4, 5)]
    for name in ("rouge", "minhash"):
        gone, notes = judged(rows, name)
        assert (gone, notes["spared_by_same_facts"], notes["spared_among"]) == ([2], 2, 3)
        assert "2 pairs at the threshold were spared by same_facts among the first 3 rows kept" in notes_of({"notes": notes})


@given(texts=TEXTS, others=TEXTS)
def test_texts_in_the_place_of_others_have_their_own_tokens(texts: list[str], others: list[str]) -> None:
    places = list(range(0, len(texts), 2))[: len(others)]
    found = same_answer.replaced(tokenised(texts), places, tokenised(others[: len(places)]))
    wanted = dict(zip(places, others, strict=False))
    assert [found.of(i) for i in range(len(texts))] == [tokenizer("graphemes")(wanted.get(i, t)) for i, t in enumerate(texts)]
    assert len(set(found.vocabulary)) == len(found.vocabulary)


@pytest.mark.slow
@pytest.mark.parametrize("units", get_args(Units))
@given(texts=TEXTS)
def test_a_text_that_may_hold_no_data_loses_nothing_with_its_signature(units: Units, texts: list[str]) -> None:
    may = same_answer.may_hold_data(tokenised(texts, units), units)
    assert all(yes or not re.search("[@＠]|\\d", text) for yes, text in zip(may.tolist(), texts, strict=True))


@pytest.mark.parametrize("name", ["minhash", "rouge"])
def test_thai_that_looks_the_same_is_a_copy(name: str) -> None:
    task, answer = "แม่ใส่น้ำตาลกับน้ำผึ้งและน้ำเชื่อมในแก้วต่างกันอย่างไร", "น้ำตาลทำจากอ้อย น้ำผึ้งทำโดยผึ้ง แม่และแกะ"
    changes = [("\u0e49\u0e33", "\u0e4d\u0e49\u0e32"), ("\u0e33", "\u0e4d\u0e32"), ("\u0e41", "\u0e40\u0e40")]
    rows = [new_row(instruction=task, output=answer)]
    rows += [new_row(instruction=task.replace(*c), output=answer.replace(*c)) for c in changes]
    assert judged(rows, name)[0] == [1, 2, 3]
