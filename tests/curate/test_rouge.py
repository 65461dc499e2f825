"""Repetitions by ROUGE-L: the task and its answer said again, and what is another task or another answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_reference import rouge_l_of

from datagen import stage
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.errors import UsageError
from datagen.stage import Context

SEA = (
    "The sea is calm tonight, the tide is full, the moon lies fair upon the straits,"
    " and on the coast the light gleams and is gone."
)
ZH = "今夜大海平静，潮水已满，月光明亮地照在海峡上，远处海岸的灯光闪烁了一下便熄灭了。"
TH = "คืนนี้ทะเลสงบ น้ำขึ้นเต็มฝั่ง แสงจันทร์ส่องสว่างเหนือช่องแคบ และแสงไฟบนชายฝั่งก็ดับลง"
CODE = """def total_price(items):
    result = start
    for item in items:
        result = result + item.price * item.count
    return result
"""


def drops(rows: list[Row], **options: Any) -> list[tuple[int, int | None, float]]:
    """The dropped rows: position, position of the witness, score."""
    rouge = stage.make("rouge", options)
    scores = stage.scored(rouge, table_of(rows), Context())
    dropped = stage.apply(rouge, scores, np.ones(len(rows), bool), Context()).dropped.to_pylist()
    assert {(d["reason"], d["threshold"]) for d in dropped} <= {("too_similar", rouge.threshold)}
    return [(d["row"], d["witness"], round(d["score"], 3)) for d in dropped]


def pair(one: tuple[str, str], other: tuple[str, str]) -> list[Row]:
    return [new_row(instruction=task, output=answer) for task, answer in (one, other)]


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        (("Write a short poem about the sea.", SEA), ("Write a poem about the sea.", SEA), 12 / 13),
        (("Write a poem about the sea.", SEA), ("write a poem about the sea", SEA.replace("calm", "quiet")), 1.0),
        (("写一首关于大海的诗", ZH), ("请写一首关于大海的诗", ZH), 18 / 19),
        (("写一首关于大海的诗", ZH), ("写一首描述大海的诗", ZH.replace("明亮地", "")), 14 / 18),
        (("แต่งกลอนเกี่ยวกับทะเล", TH), ("ช่วยแต่งกลอนเกี่ยวกับทะเล", TH), 34 / 37),
        (("แต่งกลอนเกี่ยวกับทะเลหน่อย", TH), ("แต่งกลอนเรื่องทะเลหน่อย", TH.replace("ก็ดับลง", "ดับลง")), 0.8),
    ],
)
def test_a_task_said_again_with_its_answer_is_dropped(one: tuple[str, str], other: tuple[str, str], score: float) -> None:
    assert drops(pair(one, other)) == [(1, 0, round(score, 3))]


@pytest.mark.parametrize(
    ("why", "one", "other"),
    [
        ("same task, other answer", ("Write a poem about the sea.", SEA), ("Write a poem about the sea.", "Waves, and waves.")),
        (
            "same task, other answer, zh",
            ("写一首关于大海的诗", ZH),
            ("写一首关于大海的诗", "海浪一层一层地涌来，拍打着沙滩，孩子们在岸边奔跑。"),
        ),
        ("other entity, en", ("What is the capital of France?", "Paris"), ("What is the capital of Spain?", "Madrid")),
        (
            "other entity in a sentence",
            ("What is the capital of Chad?", "It is Lima."),
            ("What is the capital of Peru?", "It is Quito."),
        ),
        ("other entity, zh", ("法国的首都是哪里？", "法国的首都是巴黎。"), ("德国的首都是哪里？", "德国的首都是柏林。")),
        ("other entity, th", ("เมืองหลวงของลาวคืออะไร", "เวียงจันทน์"), ("เมืองหลวงของจีนคืออะไร", "ปักกิ่ง")),
        ("same answer, other task", ("What colour is the sky by day?", "Blue"), ("Name the colour of sapphires.", "Blue")),
        ("number in the task", ("Is the number 8 an even number?", "Yes"), ("Is the number 2 an even number?", "Yes")),
        ("number in the answer", ("How deep is it?", f"{SEA} 40 m"), ("How deep is it?", f"{SEA} 50 m")),
        ("decimal", ("How deep is it?", f"{SEA} 3.14 m"), ("How deep is it?", f"{SEA} 3.15 m")),
        ("sign", ("Is it cold outside at -5 degrees?", "No"), ("Is it cold outside at 5 degrees?", "No")),
        ("operator in code", ("Add the prices.", CODE), ("Add the prices.", CODE.replace("+", "-"))),
        ("identifier in code", ("Add the prices.", CODE), ("Add the prices.", CODE.replace("total_price", "total_cost"))),
        ("identifier in the task", ("Is my_file a good name?", "Yes"), ("Is my_dir a good name?", "Yes")),
        ("Latin name in Chinese", ("Python是一种编程语言吗？", "是"), ("Java是一种编程语言吗？", "是")),
        ("Latin name in Thai", ("Google เป็นบริษัทหรือไม่", "ใช่"), ("Apple เป็นบริษัทหรือไม่", "ใช่")),
    ],
)
def test_another_task_or_another_fact_stays(why: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert drops(pair(one, other)) == [], why


def test_a_long_answer_that_comes_twice_is_a_repetition_whatever_number_the_task_has() -> None:
    rows = pair(("Write a poem of 8 lines about the sea.", SEA), ("Write a poem of 9 lines about the sea.", SEA))
    assert drops(rows) == [(1, 0, round(8 / 9, 3))]
    assert drops(rows, short_answer=100) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            (
                "What is the capital of France and what is it known for?",
                "The capital of France is Paris, which is its largest city and",
            ),
            (
                "What is the capital of Spain and what is it known for?",
                "The capital of Spain is Madrid, which is its largest city and",
            ),
        ),
        (
            ("法国的首都是哪里？请介绍一下。", "法国的首都是巴黎，它位于塞纳河畔，是法国最大的城市和文化中心。"),
            ("德国的首都是哪里？请介绍一下。", "德国的首都是柏林，它位于施普雷河畔，是德国最大的城市和文化中心。"),
        ),
    ],
)
def test_another_name_in_a_long_answer_stays(one: tuple[str, str], other: tuple[str, str]) -> None:
    end = " the centre of its culture, its trade, its schools and its government." if one[1].endswith("and") else ""
    assert drops(pair((one[0], one[1] + end), (other[0], other[1] + end))) == []


def chat(city: str, last: str = "It is warm there.") -> Row:
    call = f'{{"name": "weather", "arguments": {{"city": "{city}"}}}}'
    turns = [
        turn("user", "What is the weather like in the city that I live in?"),
        turn("assistant", None, tool_calls=call),
        turn("tool", '{"warm": true}'),
        turn("assistant", last),
    ]
    return new_row(instruction=str(turns[0]["content"]), output=last, messages=turns, tools='[{"name": "weather"}]')


def test_a_tool_chat_with_other_arguments_stays() -> None:
    assert drops([chat("Lima"), chat("Quito"), chat("Lima", "It is warm there!")]) == [(2, 0, 1.0)]


def test_earlier_answers_count_in_a_conversation() -> None:
    def talk(first: str) -> Row:
        asked = [
            turn("user", "Guess what I like."),
            turn("assistant", first),
            turn("user", "Right! Thank you very much, goodbye."),
        ]
        return new_row(instruction="Right!", messages=[*asked, turn("assistant", "You are welcome, goodbye.")])

    assert drops([talk("Tea."), talk("Rain."), talk("Tea!")]) == [(2, 0, 1.0)]


def test_the_novelty_test_of_generators_looks_at_the_task_alone() -> None:
    rows = pair(("Write a poem about the sea.", SEA), ("Write a poem about the wind.", "Wind."))
    assert drops(rows, field="instruction", same_answer="off") == [(1, 0, round(10 / 12, 3))]
    assert drops(rows) == []


def test_material_is_part_of_the_context() -> None:
    rows = [
        new_row(instruction="Translate.", input=text, output=SEA) for text in ("good morning to you", "a red apple and a plum")
    ]
    assert drops(rows) == []
    assert drops(rows, field="instruction") == [(1, 0, 1.0)]


def test_an_unspaced_script_is_no_single_word_nor_nothing() -> None:
    rows = pair(("请解释量子力学", ZH), ("如何做红烧肉？", ZH)) + pair(("อธิบายฟิสิกส์", TH), ("ทำแกงเขียวหวาน", TH))
    assert drops(rows, same_answer="off") == []
    assert drops(rows, same_answer="off", units="rouge_score") == []
    assert drops([*rows, new_row(instruction="请解释量子物理", output=ZH)], same_answer="off") == [(4, 0, round(5 / 7, 3))]


def test_short_answers_must_be_equal_below_the_given_length() -> None:
    rows = pair(("Name five fruits.", "apple pear plum fig lime"), ("Name five fruits!", "apple pear plum fig kiwi"))
    assert drops(rows) == []
    assert drops(rows, short_answer=5) == [(1, 0, 1.0)]


@pytest.mark.parametrize("options", [{"threshold": 1}, {"threshold": -0.1}, {"same_answer": 1}, {"short_answer": -1}])
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"stage 'rouge': {next(iter(options))} must be at least"):
        stage.make("rouge", options)


def applied(rows: list[Row], **options: Any) -> Any:
    made = stage.make("rouge", options)
    return stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(len(rows), bool), Context())


def test_another_answer_to_the_same_context_is_reported_and_dropped_only_on_request() -> None:
    rows = [new_row(instruction="What is it?", output=o) for o in ("A cat.", "A dog.", "A cat.")]
    rows[2]["id"] = "other"
    done = applied(rows, same_answer="off", threshold=0.99)
    assert dict(done.notes) == {}  # the later rows repeat the first one's task
    done = applied(rows[:2])
    assert dict(done.notes) == {"conflicting_answers": 1}
    assert len(done.dropped) == 0
    dropped = applied(rows[:2], conflicts="drop").dropped.to_pylist()
    assert [(d["row"], d["reason"], d["witness"]) for d in dropped] == [(1, "conflicting_answers", 0)]


@pytest.mark.slow
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=10))
def test_the_nearest_kept_rows_are_those_of_brute_force(rows: list[list[str]]) -> None:
    made = [new_row(instruction=" ".join(r), output=f"{i}") for i, r in enumerate(rows)]
    done = applied(made, same_answer="off", field="instruction", nearest=3)
    kept = [i for i in range(len(rows)) if i not in done.dropped.column("row").to_pylist()]
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    for i, told in enumerate(done.columns["rouge_l_nearest"].to_pylist()):
        scores = sorted(
            ((-scorer.score(" ".join(rows[i]), " ".join(rows[k]))["rougeL"].fmeasure, k) for k in kept if k != i),
        )
        best = [(made[k]["id"], -s) for s, k in scores if -s > 0.5][:3]
        assert [(t["id"], pytest.approx(t["score"])) for t in told] == best
        assert done.columns["rouge_l_max"].to_pylist()[i] == pytest.approx(best[0][1] if best else 0.0)


@pytest.mark.slow
def test_units_are_a_choice() -> None:
    rows = [new_row(instruction=t, output="x") for t in ("红烧肉应该怎么做才好吃呢", "糖醋鱼应该怎么做才好吃呢")]
    by = {u: applied(rows, same_answer="off", field="instruction", units=u, threshold=0.7) for u in ("graphemes", "words")}
    assert [len(d.dropped) for d in by.values()] == [1, 1]
    assert by["words"].dropped.column("score")[0].as_py() != by["graphemes"].dropped.column("score")[0].as_py()


def test_a_row_of_another_answer_is_nobodys_witness() -> None:
    long = "the old mill by the river makes bread for every house in the small village on the hill and sells it each day"
    rows = [
        new_row(
            instruction="Tell me about the mill.",
            output="It burnt down long before anybody who lives there was born.",
        ),
        new_row(instruction="Tell me about the mill.", output=long),
        new_row(instruction="Tell me about the mill now.", output=long),
    ]
    assert [(d["row"], d["reason"], d["witness"]) for d in applied(rows).dropped.to_pylist()] == [(2, "too_similar", 1)]
    dropped = applied(rows, conflicts="drop").dropped.to_pylist()
    assert [(d["row"], d["reason"], d["witness"]) for d in dropped] == [(1, "conflicting_answers", 0)]


def by_definition(rows: list[Row]) -> list[int]:
    """The rows that stay when one goes that repeats a kept row, or answers its task otherwise."""
    kept: list[int] = []
    for i, row in enumerate(rows):
        same = [j for j in kept if rows[j]["instruction"] == row["instruction"]]
        alike = [j for j in kept if rouge_l(rows[j]["instruction"], row["instruction"]) > 0.7]
        if not same and not any(rows[j]["output"] == row["output"] for j in alike):
            kept.append(i)
    return kept


def rouge_l(one: str, other: str) -> float:
    return rouge_l_of(one.split(), other.split())


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.sampled_from("xyz")), max_size=40))
def test_a_row_that_contradicts_a_kept_one_goes_and_is_nobodys_witness(drawn: list[tuple[str, int, str]]) -> None:
    words = {
        "a": "one two three four five",
        "b": "six seven eight nine ten",
        "c": "red green blue black white",
        "d": "up down in",
    }
    rows = [
        new_row(instruction=f"{words[a]}{' and more' if n == 1 else ' or less' if n == 2 else ''}", output=o)
        for a, n, o in drawn
    ]
    told = applied(rows, conflicts="drop", short_answer=1)
    dropped = told.dropped.to_pylist()
    gone = {d["row"] for d in dropped}
    assert [i for i in range(len(rows)) if i not in gone] == by_definition(rows)
    assert all(d["witness"] not in gone for d in dropped)


def test_a_long_chain_of_contradictions_is_settled_in_one_pass() -> None:
    """Each link says the task of the last one's repetition otherwise, so each hangs on all before it."""
    rows = []
    for link in range(70):
        task = f"{SEA} Link {chr(0x4E00 + link)}{chr(0x5E00 + link)}."
        rows += [new_row(instruction=task, output=f"first {link}"), new_row(instruction=task, output=f"second {link}")]
    dropped = applied(rows, conflicts="drop").dropped.to_pylist()
    gone = {d["row"] for d in dropped}
    assert all(d["witness"] not in gone for d in dropped)


def test_contradicting_rows_are_named_when_asked() -> None:
    rows = [new_row(instruction="Name a sea.", output=o) for o in ("Baltic.", "Red.", "Dead.")]
    told = applied(rows, conflicts="mark")
    assert told.columns["conflicts_with"].to_pylist() == [None, rows[0]["id"], rows[0]["id"]]
    assert len(told.dropped) == 0
