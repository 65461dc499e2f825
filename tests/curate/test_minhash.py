"""Near duplicates by shingles: what is one, and what only looks like one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import stage
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.errors import UsageError
from datagen.stage import Context

TIPS = (
    "Eat fresh vegetables and fruit every day, drink enough water, sleep for eight hours, walk to work instead of driving, and"
    " see a doctor once a year even when nothing hurts."
)
ZH = "每天多吃新鲜的蔬菜和水果，多喝水，保证八小时的睡眠，步行上班而不是开车，即使身体没有不适也要每年检查一次。"
TH = "ควรกินผักและผลไม้สดทุกวัน ดื่มน้ำให้เพียงพอ นอนหลับให้ครบแปดชั่วโมง เดินไปทำงานแทนการขับรถ และตรวจสุขภาพทุกปีแม้ไม่มีอาการเจ็บป่วย"


def drops(rows: list[Row], **options: Any) -> list[tuple[int, int | None, float]]:
    """The dropped rows: position, position of the witness, score."""
    minhash = stage.make("minhash", options)
    scores = stage.scored(minhash, table_of(rows), Context())
    dropped = stage.apply(minhash, scores, np.ones(len(rows), bool), Context()).dropped.to_pylist()
    assert {(d["reason"], d["threshold"]) for d in dropped} <= {("near_duplicate", minhash.threshold)}
    return [(d["row"], d["witness"], round(d["score"], 3)) for d in dropped]


def pair(one: tuple[str, str], other: tuple[str, str]) -> list[Row]:
    return [new_row(instruction=task, output=answer) for task, answer in (one, other)]


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", ("How do I stay healthy?", TIPS), ("How do I stay healthy, please?", TIPS)),
        ("en", ("How do I stay healthy?", TIPS), ("HOW DO I STAY HEALTHY!", TIPS.upper())),
        ("zh", ("怎样保持身体健康？", ZH), ("请问怎样保持身体健康？", ZH)),
        ("zh", ("怎样保持身体健康？", ZH), ("如何保持身体健康？", ZH.replace("新鲜的", ""))),
        ("th", ("ทำอย่างไรให้สุขภาพดี", TH), ("ทำอย่างไรให้สุขภาพดีครับ", TH)),
        ("th", ("ทำอย่างไรให้สุขภาพดี", TH), ("ทำยังไงให้สุขภาพดี", TH.replace("สด", ""))),
    ],
)
def test_a_near_copy_is_dropped_and_the_first_stays(language: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    [(row, witness, score)] = drops(pair(one, other))
    assert (row, witness) == (1, 0), language
    assert 0.7 <= score <= 1


def test_the_score_is_the_jaccard_similarity_of_the_shingles() -> None:
    rows = pair(("a b c d e f g", "h i j k l m n o p"), ("a b c d e f g", "h i j k l m n o q"))
    # 16 tokens give 12 shingles; one differs: 11 of 13
    assert drops(rows, same_answer="off") == [(1, 0, round(11 / 13, 3))]
    assert drops(rows, same_answer="off", threshold=0.85) == []


@pytest.mark.parametrize(
    ("why", "one", "other"),
    [
        ("same task, other answer", ("Write a poem about the sea.", TIPS), ("Write a poem about the sea.", ZH)),
        ("other entity, en", ("What is the capital of France?", "Paris"), ("What is the capital of Japan?", "Tokyo")),
        ("other entity, zh", ("法国的首都是哪里？", "巴黎"), ("日本的首都是哪里？", "东京")),
        ("other entity, th", ("เมืองหลวงของฝรั่งเศสคืออะไร", "ปารีส"), ("เมืองหลวงของญี่ปุ่นคืออะไร", "โตเกียว")),
        ("number in the task", (f"{TIPS} Is 8 even?", "Yes"), (f"{TIPS} Is 2 even?", "Yes")),
        ("number in the answer", ("How?", f"{TIPS} In 1999."), ("How?", f"{TIPS} In 2000.")),
        ("sign of a number", ("How?", f"{TIPS} At -5 degrees."), ("How?", f"{TIPS} At 5 degrees.")),
        ("operator", ("How?", f"{TIPS} So a + b."), ("How?", f"{TIPS} So a * b.")),
        ("identifier", ("How?", f"{TIPS} Use max_len."), ("How?", f"{TIPS} Use min_len.")),
        ("name in Chinese", ("怎么做？", f"{ZH}用Python"), ("怎么做？", f"{ZH}用Java")),
        ("name in Thai", ("ทำอย่างไร", f"{TH} Google"), ("ทำอย่างไร", f"{TH} Apple")),
        ("short answers", ("Is the statement below true? " + TIPS, "Yes"), ("Is the statement below true? " + TIPS, "No")),
    ],
)
def test_another_fact_stays(why: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert drops(pair(one, other)) == [], why


def chat(city: str, tools: str = '[{"name": "weather"}]') -> Row:
    turns = [
        turn("user", "I am planning a trip and would like to know what the weather will be where I am going next week."),
        turn("assistant", "Of course, tell me which city you are going to and I will look the weather up for you right away."),
        turn("user", "Thank you, it is the one that we spoke about."),
        turn("assistant", None, tool_calls=f'{{"name": "weather", "arguments": {{"city": "{city}"}}}}'),
    ]
    return new_row(instruction="Thank you", messages=turns, tools=tools)


def test_a_tool_call_with_other_arguments_or_other_tools_stays() -> None:
    assert drops([chat("Zone_1"), chat("Zone_2")]) == []
    assert drops([chat("Lima"), chat("Lima", '[{"name": "weather", "strict": true}]')]) == []
    assert drops([chat("Lima"), chat("Lima")]) == [(1, 0, 1.0)]


def test_rows_shorter_than_a_shingle_are_duplicates_only_when_equal() -> None:
    rows = [*pair(("Hi", "Hello"), ("Hi", "Hey")), new_row(instruction="Hi!", output="Hello."), new_row(output="a"), new_row()]
    assert drops(rows) == [(2, 0, 1.0)]


def test_the_witness_is_a_kept_row_not_a_dropped_one() -> None:
    words = [f"w{chr(97 + i)}" for i in range(20)]
    texts = [" ".join(words[i:] + [f"x{chr(97 + k)}" for k in range(i)]) for i in range(4)]
    rows = [new_row(instruction=t, output="same") for t in texts]
    assert [(r, w) for r, w, _ in drops(rows, threshold=0.75)] == [(1, 0), (3, 2)]


def test_without_answers_the_shingles_alone_decide() -> None:
    rows = pair((f"{TIPS} Is 8 even?", "Yes"), (f"{TIPS} Is 2 even?", "Yes"))
    assert [(r, w) for r, w, _ in drops(rows, same_answer="off")] == [(1, 0)]
    assert [(r, w) for r, w, _ in drops(rows, same_facts="off")] == [(1, 0)]


def test_a_long_answer_that_comes_twice_is_a_duplicate_whatever_number_the_task_has() -> None:
    rows = pair(("How do I sleep 8 hours?", TIPS), ("How do I sleep 9 hours?", TIPS))
    assert [(r, w) for r, w, _ in drops(rows)] == [(1, 0)]


def test_another_field_is_compared_when_asked() -> None:
    rows = pair(("Tell me about health.", TIPS), ("Wie bleibe ich gesund?", TIPS))
    assert drops(rows, field="instruction") == []
    assert drops(rows, field="answer") == [(1, 0, 1.0)]


@pytest.mark.parametrize(
    "options", [{"threshold": 0}, {"threshold": 1.1}, {"ngram": 0}, {"same_answer": 1}, {"short_answer": -1}]
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"stage 'minhash': {next(iter(options))} must be at least"):
        stage.make("minhash", options)


def similar(count: int, **more: str) -> list[Row]:
    base = [f"word{i}" for i in range(40)]
    return [new_row(instruction=" ".join([*base, f"end{n}"]), output="same", **more) for n in range(count)]


@pytest.mark.parametrize(
    ("options", "stays"),
    [
        ({}, 0), ({"keep": "longest"}, 2), ({"keep": "score", "by": "quality"}, 1),
        ({"keep": "priority", "priority": "c,b"}, 2), ({"candidates": "lsh"}, 0), ({"candidates": "lsh", "keep": "longest"}, 2),
    ],
)  # fmt: skip
def test_who_stays_is_a_choice(options: dict[str, Any], stays: int) -> None:
    rows = similar(3)
    for n, (source, quality, output) in enumerate([("a", 1, "same"), ("b", 9, "same"), ("c", 5, "same and longer")]):
        rows[n].update(source=source, extra=json.dumps({"quality": quality}), output=output)
    found = drops(rows, same_answer="off", field="instruction", **options)
    assert [at for at, _, _ in found] == [n for n in range(3) if n != stays]
    assert {witness for _, witness, _ in found} == {stays}


def test_signatures_are_those_of_datasketch() -> None:
    from datasketch import MinHash

    from datagen.similarity.minhash import shingles, signatures

    sets = [shingles(text.split(), 3) for text in ("a b c d e", "ที่ นี้ a b", "x", "")]
    for made, found in zip(sets, signatures(sets), strict=True):
        theirs = MinHash(num_perm=128)
        for shingle in made:
            theirs.update(shingle.encode())
        assert found.tolist() == theirs.hashvalues.tolist()


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=12))
def test_lsh_drops_nothing_that_exact_comparison_keeps(rows: list[list[str]]) -> None:
    made = [new_row(instruction=" ".join(r), output="x") for r in rows]
    options = {"same_answer": "off", "field": "instruction", "ngram": 2}
    exact = [d[0] for d in drops(made, **options)]
    for at, witness, score in drops(made, candidates="lsh", **options):
        assert at in exact or witness not in exact
        assert score >= 0.7


def test_bands_reach_the_recall_that_they_say() -> None:
    from datagen.similarity.minhash import bands

    for threshold in (0.5, 0.7, 0.9):
        count, rows, recall = bands(threshold)
        assert count * rows <= 128
        assert recall == pytest.approx(1 - (1 - threshold**rows) ** count)
        assert recall >= 0.999


def test_rows_of_another_set_come_first_and_stay(tmp_path, write_jsonl) -> None:
    from datagen import recipe
    from datagen.data.shards import read_all
    from datagen.runner import execute

    mine, theirs = similar(3), [{"instruction": similar(4)[3]["instruction"], "output": "same"}]
    there = write_jsonl("theirs.jsonl", *theirs)
    here = write_jsonl("mine.jsonl", *({"instruction": r["instruction"], "output": r["output"]} for r in mine))
    steps = [{"minhash": {"same_answer": None, "field": "instruction", "against": str(there)}}]
    done = execute(recipe.make(steps, input=(str(here),)), tmp_path / "out")
    dropped = read_all(done.folder / "dropped").to_pylist()
    assert [d["witness_id"] for d in dropped] == [new_row(**theirs[0])["id"]] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep": "score", "by": "nocol"}, "no row has a number in 'nocol'"),
        ({"keep": "priority", "priority": "zzz,yyy"}, "no row is of a source in priority=zzz,yyy"),
    ],
)
def test_a_choice_of_who_stays_that_no_row_has_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        drops(pair(("Give tips.", TIPS), ("Give tips.", TIPS + " Really.")), **options)


@pytest.mark.parametrize("candidates", ["all", "lsh"])
def test_two_pairs_that_are_alike_within_are_not_merged_and_rows_without_tokens_stay(candidates: str) -> None:
    a, b = "abcdefghij", "abcdefghiy"  # 8 of 10 pairs of letters shared by the two of a pair, 0.6 by rows of different pairs
    c, d = "zycdefghij", "zycdefghix"
    rows = [new_row(instruction=" ".join(t), output="x") for t in (a, b, c, d)]
    rows += [new_row(instruction=t, output="x") for t in ("", " ", "\n")]
    options = {"same_answer": None, "field": "instruction", "ngram": 2, "candidates": candidates}
    found = drops(rows, **options)
    assert [(at, witness) for at, witness, _ in found] == [(1, 0), (3, 2)]
