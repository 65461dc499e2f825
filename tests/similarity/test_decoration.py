"""Bullets, emoji and Markdown around a text hide no copy; operators, units, drawings and pictures that are meant stay facts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import stage
from datagen.data.rows import Row, new_row, table_of
from datagen.similarity.decoration import may_be_decorated, without_decoration, without_marks
from datagen.similarity.tokenised import tokenised
from datagen.stage import Context
from datagen.text.tokens import facts, tokens

TEXTS = {
    "en": (
        "Explain the water cycle to a student please",
        "The water cycle describes how water moves between the oceans, the atmosphere and the land, powered by the sun, which"
        " heats the surface and lets vapour rise until it cools, condenses and falls again as rain or snow.",
    ),
    "zh": (
        "请向学生解释水循环是什么",
        "水循环描述了水如何在海洋大气和陆地之间不断移动，太阳加热地表使水蒸气上升，直到冷却凝结，再以雨或雪的形式落回山脉田野。",
    ),
    "th": (
        "ช่วยอธิบายวัฏจักรของน้ำให้นักเรียนฟัง",
        "วัฏจักรของน้ำอธิบายว่าน้ำเคลื่อนที่ระหว่างมหาสมุทรและแผ่นดินโดยมีดวงอาทิตย์ทำให้ไอน้ำลอยขึ้นจนเย็นตัวควบแน่นและตกลงมาเป็นฝน",
    ),
    "ar": (
        "اشرح دورة الماء في الطبيعة لطالب من فضلك",
        "تصف دورة الماء كيف ينتقل الماء بين المحيطات والغلاف الجوي واليابسة بقوة الشمس التي تسخن السطح فيتصاعد البخار حتى يبرد"
        " ويتكاثف ويسقط من جديد مطرا أو ثلجا فوق الجبال",
    ),
}
DECORATIONS = [
    "{}😀", "{} 🎉", "{}\n\n👍🏽", "❤️ {} ❤️", "🇹🇭 {}", "★ {}", "→ {}", "{} →", "{}™", "✅ {}", "{}~", "~ {}", "| {} |", "① {}",
    "1️⃣ {}", "**{}**", "*{}*", "~~{}~~", "# {}", "### {} ###", "> {}", "* {}", "`{}`", "```\n{}\n```", "^ {}", "@ {}", "€ {}",
]  # fmt: skip


def dropped(rows: list[Row], name: str, **options: Any) -> list[int]:
    made = stage.make(name, options)
    done = stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(len(rows), bool), Context())
    return [d["row"] for d in done.dropped.to_pylist()]


@pytest.mark.parametrize("language", list(TEXTS))
@pytest.mark.parametrize("name", ["minhash", "rouge"])
def test_copies_that_are_decorated_otherwise_are_copies(language: str, name: str) -> None:
    task, answer = TEXTS[language]
    rows = [new_row(instruction=d.format(task), output=d.format(answer)) for d in ["{}", *DECORATIONS]]
    # A short task in words of which four marks are a third is less like the plain one: the threshold is what keeps it then.
    assert dropped(rows, name, threshold=0.6) == list(range(1, len(rows)))


@pytest.mark.parametrize("language", list(TEXTS))
def test_sixty_copies_under_another_emoji_each_are_one_row(language: str) -> None:
    task, answer = TEXTS[language]
    rows = [new_row(instruction=task + chr(0x1F600 + n), output=answer + chr(0x1F600 + n)) for n in range(60)]
    assert dropped(rows, "minhash") == list(range(1, 60))


@pytest.mark.parametrize("mark", ["**{}**", "`{}`", "*{}*"])
@pytest.mark.parametrize("said", ["Paris", "巴黎", "ปารีส"])
def test_a_short_answer_in_bold_is_the_answer(said: str, mark: str) -> None:
    rows = [new_row(instruction="Which city is the capital of France today?", output=o) for o in (said, mark.format(said))]
    assert dropped(rows, "rouge") == [1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Does this face smile?\n{}", "😀 😢"),
        ("Is the sign {} an operator of this language?", "&& ||"),
        ("Is {} older than most other languages in use?", "C C++"),
        ("Is {} older than most other languages in use?", "C C#"),
        ("Does the emoji {} show a face of someone?", "😀 😢"),
        ("Is it more than 50 {} of all of it now?", "% €"),
        ("Is water frozen at this temperature, 20 {}?", "℃ ℉"),
        ("Is x {} y true for these two numbers?", "+ ="),
        ("Is 2{}3{}4 more than ten, or is it less?", "* +"),
    ],
)
def test_what_is_asked_about_is_no_decoration(one: str, other: str) -> None:
    rows = [new_row(instruction=one.replace("{}", sign), output="Yes") for sign in other.split()]
    assert dropped(rows, "rouge") == []


@pytest.mark.parametrize(
    ("one", "other"), [("Rating: ★★★★★", "Rating: ★★☆☆☆"), ("So it is ①", "So it is ②"), ("*\n**\n***", "*\n**\n***\n****")]
)
def test_what_an_answer_says_in_signs_is_no_decoration(one: str, other: str) -> None:
    task, answer = TEXTS["en"]
    assert dropped([new_row(instruction=task, output=f"{answer}\n{end}") for end in (one, other)], "rouge") == []


@pytest.mark.parametrize(
    "text",
    [
        *("x+y", "a < b", "2**3**4 + x**2", "(*p)*(*q)", "f(*args, **kwargs)", "def __init__(self)", "C++", "What is C#", "A*"),
        *("50 %", "20 ℃", "-5", "$5 each", "№ 5", "> 5 years", "~5", "π → 0", "x =\n  + b", "答案是①", "😀", "a 😀 b", "B♭"),
    ],
)
def test_signs_that_mean_something_stay(text: str) -> None:
    assert facts(tokens(without_decoration(text))) == facts(tokens(text))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("请**解释**水循环", "请解释水循环"),
        ("**a *b* c**", "a b c"),
        ("__so too__ but __init__", "so too but __init__"),
        ("one * two * three", "one * two * three"),
        ("*open\nclosed*", "*open\nclosed*"),
        ("```", "```"),
    ],
)
def test_marks_by_hand(text: str, plain: str) -> None:
    assert without_marks(text) == plain


@given(texts=st.lists(st.text(alphabet="ab1 \n*_~`#|>+-=%☆😀\ufe0f→①.。:中ก", max_size=20), max_size=6))
def test_a_text_without_signs_has_no_decoration(texts: list[str]) -> None:
    may = may_be_decorated(tokenised(texts))
    for text, yes in zip(texts, may.tolist(), strict=True):
        plain = without_decoration(text)
        assert yes or facts(tokens(plain)) == facts(tokens(text))
