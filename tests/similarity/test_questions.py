"""Short answers to questions in scripts without spaces: another entity keeps the row, the same question in other words goes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from question_pairs import OTHER, REORDERED, SAME
from rouge_reference import rouge_l_of

from datagen import stage
from datagen.data.rows import Row, new_row, table_of
from datagen.kernels import only
from datagen.similarity import jaccard, rouge_l
from datagen.similarity.same_answer import question_words, same_of
from datagen.similarity.token_lists import from_strings, split_at
from datagen.stage import Context
from datagen.text.tokens import tokens


def pairs(table: str) -> list[tuple[str, str]]:
    return [(one, other) for one, _, other in (line.partition(" | ") for line in table.strip().splitlines())]


def dropped(questions: list[tuple[str, str]], name: str, **options: Any) -> list[int]:
    """Which of the pairs lose their second row, each pair with an answer of its own, both ways round."""
    found = []
    for turn in (1, -1):
        asked = [(q, n) for n, pair in enumerate(questions) for q in pair[::turn]]
        rows: list[Row] = [new_row(instruction=q, output=f"คำตอบ 答 {n}") for q, n in asked]
        made = stage.make(name, options)
        done = stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(len(rows), bool), Context())
        gone = [d["row"] for d in done.dropped.to_pylist()]
        assert all(row % 2 for row in gone)  # the first of two stays
        found.append([row // 2 for row in gone])
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("language", list(OTHER))
@pytest.mark.parametrize(("name", "threshold"), [("rouge", 0.3), ("minhash", 0.05), ("rouge", 0.7)])
def test_short_answers_to_questions_about_another_entity_stay(language: str, name: str, threshold: float) -> None:
    questions = pairs(OTHER[language])
    gone = dropped(questions, name, threshold=threshold)
    assert [questions[n] for n in gone] == []
    if threshold < 0.5 and language != "ja":  # the rule keeps them, not the threshold
        assert len(dropped(questions, name, threshold=threshold, same_facts=False)) >= 0.9 * len(questions)


@pytest.mark.parametrize("language", list(SAME))
def test_the_same_question_in_other_words_goes(language: str) -> None:
    questions = pairs(SAME[language])
    assert len(dropped(questions, "rouge", threshold=0.3, same_facts=False)) == len(questions)
    spared = set(range(len(questions))) - set(dropped(questions, "rouge", threshold=0.3))
    assert [questions[n] for n in spared] == REORDERED.get(language, [])


def test_longer_answers_and_long_questions_are_left_to_their_answers() -> None:
    answer = "水果富含维生素和膳食纤维，对身体健康很有好处，医生建议每天吃一些。"
    for question, said in (("{}对身体有什么好处？", answer), ("{}好吗？" + "请看这段话。" * 40, "好")):
        rows = [new_row(instruction=question.format(fruit), output=said) for fruit in ("苹果", "香蕉")]
        made = stage.make("rouge", {"threshold": 0.5})
        done = stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(2, bool), Context())
        assert len(done.dropped) == 1


def test_pairs_that_the_rule_spared_are_said() -> None:
    rows = [new_row(instruction=q, output="是") for q in ("北京是中国的直辖市吗？", "重庆是中国的直辖市吗？")]
    made = stage.make("rouge", {})
    done = stage.apply(made, stage.scored(made, table_of(rows), Context()), np.ones(2, bool), Context())
    assert (len(done.dropped), done.notes["spared_by_same_facts"]) == (0, 1)


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("请问法国的首都是哪一座城市呢？", "法国首都城市"),
        ("斐波那契数列的第一个数字是多少？", "斐波那契数列第一数字"),
        ("เมืองหลวงของประเทศไทยคือเมืองอะไรครับ", "เมืองหลวงประเทศไทยเมือง"),
        ("What is the ขนาด of it?", "whatisthe ขนาด ofit".replace(" ", "")),
    ],
)
def test_what_a_question_is_about(question: str, left: str) -> None:
    found = tokens(question)
    for begin, end in reversed(question_words(found)):
        del found[begin:end]
    assert "".join(found) == left


Lists = list[list[str]]


def other_question(one: list[str], other: list[str], least: int) -> bool:
    """The definition, without care for speed."""
    short, long = sorted((one, other), key=len)
    head = next((k for k, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    short, long = short[head:], long[head:]
    tail = next((k for k, (a, b) in enumerate(zip(short[::-1], long[::-1], strict=False)) if a != b), len(short))
    short, long = short[: len(short) - tail], long[: len(long) - tail]
    rest = iter(long)
    return len(short) >= least and not all(token in rest for token in short)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), way=st.sampled_from(["plain", "compiled"]))
def test_every_kernel_decides_as_the_definition_does(seed: int, way: Any) -> None:
    rng = random.Random(seed)
    n, t = rng.randint(1, 12), rng.choice([0.2, 0.5, 0.7])
    base = rng.choices("abcd", k=rng.randint(1, 80))
    rows: Lists = []
    for _ in range(n):
        row = list(rng.choice([base, *rows]))
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(row) + 1)
            row[at : at + rng.randint(0, 2)] = rng.choices("abcdef", k=rng.randint(0, 2))
        rows.append(row)
    least = np.array(rng.choices([0, 1, 2], k=n), np.int8)
    asked = [row if size else [] for row, size in zip(rows, least.tolist(), strict=True)]
    answers = [["yes"]] * n
    with only(way):
        tasks, rest = split_at(from_strings([*rows, *answers, *asked]), n)
        said, about = split_at(rest, n)
        same = same_of(0.7, 3, np.zeros(n, np.int64), tasks, said)
        same = same._replace(asked=about.ids, asked_offsets=about.offsets, least=least)
        by_rouge = rouge_l.greedy(from_strings(rows), t, said, same).witness
        by_jaccard = jaccard.greedy(jaccard.shingles(from_strings(rows), 2), t, said, same).witness

    def spared(i: int, j: int) -> bool:
        return bool(least[i] and least[j]) and other_question(asked[i], asked[j], int(max(least[i], least[j])))

    def jaccard_of(one: list[str], other: list[str]) -> float:
        a, b = ({tuple(r[k : k + 2]) for k in range(len(r) - 1)} or {("", *r)} for r in (one, other))
        return len(a & b) / len(a | b) if one and other else 0.0

    assert by_rouge.tolist() == greedy(rows, rouge_l_of, lambda s: s > t, spared)
    assert by_jaccard.tolist() == greedy(rows, jaccard_of, lambda s: s >= t and s > 0, spared)


def greedy(rows: Lists, similarity: Any, above: Any, spared: Any) -> list[int]:
    """Compare every row with every kept row."""
    kept: list[int] = []
    witness = []
    for i, row in enumerate(rows):
        alike = [(score, -j) for j in kept if above(score := similarity(rows[j], row)) and not spared(i, j)]
        witness.append(-max(alike)[1] if alike else -1)
        if not alike:
            kept.append(i)
    return witness


@given(
    words=st.lists(st.sampled_from("กขคงจชซดตทนบปพมยรลวสหอ"), min_size=3, max_size=40),
    at=st.integers(0, 39),
    edit=st.sampled_from(["ก", "ม", "นร", ""]),
)
def test_one_letter_mistyped_or_one_word_more_is_no_other_question(words: list[str], at: int, edit: str) -> None:
    at %= len(words)
    for changed in ([*words[:at], *edit[:1], *words[at + 1 :]], [*words[:at], *edit, *words[at:]]):
        assert not other_question(words, changed, 2)
