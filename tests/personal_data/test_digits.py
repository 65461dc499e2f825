"""Numbers in the digits of every script."""

from __future__ import annotations

import pytest

from datagen.data.rows import new_row, table_of
from datagen.personal_data.counts import of_table
from datagen.personal_data.mask import masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("โทร ๐๘๑-๒๓๔-๕๖๗๘ ครับ", "โทร [PHONE] ครับ"),
        ("โทร ๐๘๑๒๓๔๕๖๗๘", "โทร [PHONE]"),
        ("電話：０３－１２３４－５６７８です", "電話：[PHONE]です"),
        ("هاتف: ٠٥٠١٢٣٤٥٦٧", "هاتف: [PHONE]"),
        ("บัตร ๔๑๑๑ ๑๑๑๑ ๑๑๑๑ ๑๑๑๑", "บัตร [CARD]"),
        ("ราคา ๑,๒๐๐,๐๐๐ บาท", "ราคา ๑,๒๐๐,๐๐๐ บาท"),
        ("ปี ๒๕๖๗-๒๕๖๘ ๑๒ เดือน", "ปี ๒๕๖๗-๒๕๖๘ ๑๒ เดือน"),
        ("years 2023-2024 12 months, 2023-2024 10 items", "years 2023-2024 12 months, 2023-2024 10 items"),
        ("เริ่ม 2567-01-05 10 โมง, 2567-2568 12 เดือน", "เริ่ม 2567-01-05 10 โมง, 2567-2568 12 เดือน"),
        ("２０２４－０１－０５", "２０２４－０１－０５"),
    ],
)
def test_a_number_is_one_in_the_digits_of_every_script(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_they_are_counted_as_they_are_masked() -> None:
    texts = ("電話：０３－１２３４－５６７８です", "โทร ๐๘๑-๒๓๔-๕๖๗๘ ครับ")
    assert of_table(table_of(new_row(instruction="a", output=text) for text in texts)) == ({"phone": 2}, 2)
