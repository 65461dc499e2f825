"""What stands under a text and is no part of what it says, and what looks like it and is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.similarity.signatures import _KINDS, _may_hold, without_data, without_signature

EN = "We are sorry that your parcel did not arrive. We have asked the carrier and will send a new one within five days.\n"
ZH = "很抱歉您的包裹没有送达。我们已经请承运商查找，五天之内会为您重新寄送一份，请您放心等待。\n"
TH = "ขออภัยที่พัสดุของคุณยังไม่มาถึง เราได้สอบถามบริษัทขนส่งแล้วและจะส่งชิ้นใหม่ให้ภายในห้าวัน\n"


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (EN, "\nBest regards,\nAnna Kim\nCustomer Care\nTel: +1 555 010 1234\nanna@shop.example"),
        (EN, "Phone 555-0101, order #48213"),
        (EN, "Kind regards\nTom\ntom.b@mail.example"),
        (EN, "Ticket no. AB-20391 | support@shop.example"),
        (ZH, "\n此致\n客服部 王明\n电话：13800138000\n订单号：48213"),
        (ZH, "邮箱：kefu@shop.example 工单编号：20391"),
        (TH, "\nขอแสดงความนับถือ\nฝ่ายบริการลูกค้า\nโทร. 02-555-1234\nหมายเลขคำสั่งซื้อ 48213"),
        (TH, "โทร ๐๒-๕๕๕-๑๒๓๔ อีเมล care@shop.example"),
    ],
)
def test_a_signature_goes_and_the_text_above_it_stays(body: str, signature: str) -> None:
    assert without_signature(body + signature).strip() == body.strip()


@pytest.mark.parametrize("name", ["Order", "ticket no.", "Ref:", "CASE ID #", "Booking number"])
def test_a_reference_alone_is_data(name: str) -> None:
    assert without_signature(f"{EN}{name} AB-20391") == EN


def test_of_a_last_sentence_only_the_data_go() -> None:
    said = without_signature(EN.strip() + " Call us on 555-123-4567 or write to a@b.example before 9 in the morning.")
    assert said.startswith(EN.strip()) and said.endswith("before 9 in the morning.")
    assert "4567" not in said and "@" not in said


@pytest.mark.parametrize(
    "text",
    [
        "Add 1200-300-4000 and 555. The sum of 24+48213+99412 and the rest is then 4521, as you can see above.",
        "The war began on 2024-05-17 and ended on 2026-01-02.\n\nIt had 48213 dead and cost 12 345 678 in all, so we stop.",
        "The answer to all of the steps above, taken one after another in their order, is\n#### 4521",
        "Call the function 5 times with the values 12 or 15 and print each of the sums that it gives you.\nprint(f(12))",
        "一个农民有十二头牛，卖掉了五头，又买来三头，然后把剩下的平均分给两个儿子。\n答案是 48213。",
    ],
)
def test_numbers_that_a_text_is_about_stay(text: str) -> None:
    assert without_signature(text) == text == without_data(text)


def test_under_a_task_one_number_alone_is_what_it_is_about() -> None:
    asked = "Decide whether the following telephone number is in the right form. Answer only with yes or no, nothing else.\n"
    assert without_signature(asked + "+1 555 010 9999", sure=True) == asked + "+1 555 010 9999"
    signed = EN + "Kind regards,\nTom\nPhone 555-0101"
    assert without_signature(signed, sure=True).strip() == EN.strip()
    assert without_signature("Tel: +1 555 010 1234\nanna@shop.example") == "Tel: +1 555 010 1234\nanna@shop.example"


PIECES = (
    *("ORDER", "Case", "caſe", "tıcKet", "no", "#", ":", "12", "345", "ſ", "\u212a", "ı", "İ", "-", "–", "+66", "(0", ")", "@"),
    *("＠", "a.b", "电话", "โทร", "๐", "单号", " ", "\n", ".", "Tel", "x"),
)


@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_kind_of_data_is_found_where_what_it_needs_is_not(text: str) -> None:
    assert all(_may_hold(text, number) or not kind.search(text) for number, kind in enumerate(_KINDS))
