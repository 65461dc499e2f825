"""What judges write, in three languages, and the score in it; what has none is no low score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.answers.score import score_of

FOUR = [
    # English with a label
    "Score: 4", "score: 4", "SCORE: 4", "Score: 4.", "Score: 4/5", "Score: 4/5.", "Score:4", "Score - 4", "Score = 4",
    "Score is 4", "Score: **4**", "**Score: 4**", "**Score:** 4", "**Score**: 4", "### Score: 4", "Score: 4 out of 5",
    "Score: 4 points", "Final score: 4", "Overall score: 4", "My score: 4", "The score is 4.", "Final Rating: 4/5",
    "Rating: 4", "Rating: 4 / 5", "rating of 4", "I rate this 4", "I would rate it 4", "I'd rate the answer a 4",
    "I would rate this response as 4 out of 5.", "Score: four", "Score: Four out of five", "Grade: 4",
    "Quality score: 4", "Score: <4>", "Score: [4]", "Score: (4)", "Score: `4`", "Score: \"4\"", "Score: $\\boxed{4}$",
    "Score: \\boxed{4}", "Score: 4.0", "Score: ４", "Score：4", "score of 4", "a score of 4/5",
    "I give this a score of 4.", "I would give it a 4/5.", "I give it 4 points.", "It deserves 4 out of 5.",
    "Score: 4\n", "Score: 4\n\nThank you!", "Score:\n4", "Score:\n\n**4**", "- Score: 4", "> Score: 4",
    "| Score | 4 |", "Score → 4", "Score -> 4", "The answer is clear.\nScore: 4",
    "Score: 4\nThe answer is clear and names 3 examples.", "It has 2 errors and 7 good points. Score: 4",
    "On a scale of 1 to 5, I rate this 4.", "Score (1-5): 4", "Rating [1-5]: 4", "On a scale from 1 to 5: 4",
    "Score: 3\nOn reflection:\nScore: 4", "First score: 2. Final score: 4.",
    # of Prometheus, and neighbours
    "Feedback: It is clear. [RESULT] 4", "[RESULT] (4)", "[RESULT]: 4", "[result] **4**", "Rating: [[4]]", "[SCORE] 4",
    "[评分] 4",
    # English without one
    "4", "4.", "**4**", " 4 ", "4/5", "4 / 5", "**4/5**", "4 out of 5", "four out of five", "4 stars",
    "4 out of 5 stars", "# 4", "The text is fine.\n4", "The text is fine.\n\n**4**", "4\nThe text is fine.",
    "It is good, 4/5 I would say.", "[4]", "`4`", "★★★★☆", "⭐⭐⭐⭐", "8/10", "Score: 8/10", "Score: 80/100",
    "score: 16 out of 20", "Four", "\"4\"",
    # JSON
    '{"score": 4}', '{"reason": "clear", "score": 4}', '{"score": "4"}', '{"score": "4/5"}',
    '```json\n{"rating": 4}\n```', 'Here it is: {"score": 4, "reason": "no"}', '{"Score": 4.0}', '{"评分": 4}',
    '{"คะแนน": 4}', '{"final_score": 4}', "<think>maybe Score: 2</think>Score: 4",
    # Chinese
    "评分：4", "评分: 4", "评分：4分", "评分：4/5", "评分：四分", "评分：四", "评分为4", "评分是4分", "得分：4",
    "得分：4。", "分数：4", "打分：4分", "最终评分：4", "最终得分：4分", "综合评分：4", "总分：4", "总体评分：4/5",
    "**评分：4**", "**评分**：4", "【评分】4", "评分：【4】", "评分：**4**", "评分：４", "評分：4",
    "得分：4分（满分5分）", "4分", "４分", "四分", "4/5", "4分。", "4 分", "我给4分", "我给出4分。", "我打4分",
    "给予4分", "这个回答很好，我打 4 分。", "回答清楚，有3个例子。\n评分：4", "回答清楚，有三个例子。\n4分",
    "评分：4\n理由：有2处小错。", "评分（1-5）：4", "按1到5分，评分：4", "从1到5分打分：4", "评分：8/10",
    "得分为四分。", "总评分是：4", "分数：四", "评级：4", "4 分，满分 5 分", "得分: 4 (满分: 5)", "评分：“4”",
    "最后评分：4", "质量评分：4分",
    # Thai
    "คะแนน: 4", "คะแนน：4", "คะแนน 4", "คะแนน: 4/5", "คะแนน: **4**", "**คะแนน: 4**", "**คะแนน:** 4", "คะแนน: ๔",
    "คะแนน ๔", "คะแนน: สี่", "คะแนนคือ 4", "คะแนนเป็น 4", "คะแนนที่ได้: 4", "คะแนนรวม: 4", "คะแนนสุดท้าย: 4", "ให้ 4 คะแนน",
    "ให้คะแนน 4", "ให้คะแนน: 4", "ได้ 4 คะแนน", "ควรได้ 4 คะแนน", "4 คะแนน", "๔ คะแนน", "4 จาก 5", "4 จาก 5 คะแนน",
    "4 คะแนนจาก 5", "คะแนน: 4 จาก 5", "คะแนน 4 จากเต็ม 5", "คะแนน: 4 เต็ม 5", "คำตอบชัดเจน มีตัวอย่าง 3 ข้อ\nคะแนน: 4",
    "คะแนน: 4\nเหตุผล: มีข้อผิด 2 แห่ง", "คำตอบดี\n4", "ระดับคุณภาพ: 4", "ให้ ๔ คะแนน", "คะแนน (1-5): 4", "คะแนน: 8/10",
    "ผมให้คะแนน 4 ครับ", "ดิฉันให้ 4 คะแนนค่ะ", "เรตติ้ง: 4", "คะแนนเท่ากับ 4", "คะแนนอยู่ที่ 4",
]  # fmt: skip
OTHER = {
    "评分：三点五": 3.5, "评分：四点五分": 4.5, "Score: four and a half": 4.5,
    "Score: 1": 1.0, "Score: 5": 5.0, "Score: 4.5": 4.5, "评分：3.5": 3.5, "คะแนน: 2.5": 2.5, "Score: 3,5": 3.5,
    "5/5": 5.0, "评分：五分": 5.0, "คะแนน: ๑": 1.0, "ให้ 5 คะแนน": 5.0, "Score: 1/5": 1.0, "十分\n评分：2": 2.0,
    "★☆☆☆☆": 1.0, "Score: 10/10": 5.0, "two": 2.0, "The rating is 3.\nI liked 5 things.": 3.0,
    "Score: 2. It would be a 5 with sources": 2.0,
}  # fmt: skip
NONE = [
    "The answer gets 2 points wrong. Overall it is good.", "It gets 2 points across.",
    "The rubric says score 1: wrong. The answer is excellent.", "It does not deserve a score of 5. It is a 3.", "不应得 5 分。",
    "", " ", "\n", "I cannot rate this.", "The answer is good.", "It has 3 examples and 2 errors.", "Score:",
    "Score: N/A", "Score: unknown", "Score: 3-4", "Score: 3 or 4", "between 3 and 4", "Score: 3 to 4", "评分：3到4",
    "评分：3-4分", "คะแนน: 3-4", "คะแนน 3 ถึง 4", "Score: 7", "Score: 0", "Score: -4", "评分：9", "คะแนน: 0",
    "On a scale of 1 to 5, it is fine.", "Rate from 1 to 5.", "请按1到5分打分。", "ให้คะแนน 1-5",
    "In 2024 there were 5 planets.", "1. It is clear.\n2. It is short.", "无法评分。", "这个回答很好。",
    "ให้คะแนนไม่ได้", "คำตอบดีมาก", '{"reason": "good"}', '{"score": null}', '{"score": true}', '{"score": "high"}',
    "Score: 45", "2024", "Version 4.2.1 is out.", "Score: good", "评分：优秀", "คะแนน: ดี", "<think>Score: 4",
]  # fmt: skip


def test_there_are_two_hundred_of_them() -> None:
    assert len(FOUR) + len(OTHER) + len(NONE) >= 200


@pytest.mark.parametrize("said", FOUR)
def test_a_four_is_a_four_however_it_is_written(said: str) -> None:
    assert score_of(said) == 4


@pytest.mark.parametrize(("said", "score"), OTHER.items())
def test_other_scores(said: str, score: float) -> None:
    assert score_of(said) == score


@pytest.mark.parametrize("said", NONE)
def test_what_has_no_score_has_none_not_a_low_one(said: str) -> None:
    assert score_of(said) is None


@given(st.text(max_size=200))
def test_no_answer_breaks_it(said: str) -> None:
    score = score_of(said)
    assert score is None or 1 <= score <= 5


UNITS = [
    " ", "*", "* _", "score", "score: ", "score -", "(1-", "{", "final ", "4", "4/", "four", "给", "评分：", "<think>", "★",
    "a", "scale of 1", "it is a ", "\\boxed{", "คะแนน", "ให้ ", "1-", "4 of ", "\n",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_a_long_answer_is_read_in_linear_time(unit: str) -> None:
    long = unit * (100_000 // len(unit))
    for said in (long, f"score{long}", f"{long}x", f"Score: {long}", f"on a scale of {long}"):
        score = score_of(said)
        assert score is None or 1 <= score <= 5
