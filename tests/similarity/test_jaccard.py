"""The Jaccard kernel gives the decisions of comparing the sets of n-grams of every row with every kept row."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_reference import rouge_l_of

from datagen.similarity.jaccard import greedy, shingles
from datagen.similarity.same_answer import same_of
from datagen.similarity.token_lists import from_strings, split_at
from datagen.text.tokens import tokens

THRESHOLDS = [0.3, 1 / 3, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]

Found = list[tuple[int, float]]
Lists = Sequence[Sequence[str]]


def ngrams(row: Sequence[str], n: int) -> set[tuple[str, ...]]:
    """The n-grams of a row; a short one is one shingle of its own."""
    if len(row) < n:
        return {(f"short {len(row)}", *row)} if row else set()
    return {tuple(row[i : i + n]) for i in range(len(row) - n + 1)}


def other_entity(i: int, j: int, rows: Lists, answers: Lists) -> bool:
    """Whether one of the two rows has a token, in its task and in its answer, that the other has in neither place."""
    new = [set(rows[a]) & set(answers[a]) - set(rows[b]) - set(answers[b]) for a, b in ((i, j), (j, i))]
    return any(new)


def brute_force(rows: Lists, n: int, t: float, answers: Lists = (), facts: Sequence[int] = ()) -> Found:
    """Keep a row when no kept row is at or above the threshold and, where answers are given, has the same (F1 above 0.7)."""
    sets = [ngrams(row, n) for row in rows]
    kept: list[int] = []
    found: Found = []
    for i, one in enumerate(sets):
        nearest = (-1, 0.0)
        for j in kept:
            common = len(one & sets[j])
            score = common / len(one | sets[j]) if common else 0.0
            repeats = common > 0 and score >= t and score > nearest[1]
            if repeats and answers:
                short = min(len(answers[i]), len(answers[j])) < 3
                alike = answers[i] == answers[j] if short else rouge_l_of(answers[i], answers[j]) > 0.7
                entity = answers[i] != answers[j] and other_entity(i, j, rows, answers)
                repeats = alike and facts[i] == facts[j] and not entity
            if repeats:
                nearest = (j, score)
        found.append(nearest)
        if nearest[0] < 0:
            kept.append(i)
    return found


def by_kernel(rows: Lists, n: int, t: float, answers: Lists = (), facts: Sequence[int] = ()) -> Found:
    sets = shingles(from_strings(rows), n)
    if not answers:
        nearest = greedy(sets, t)
    else:
        tasks, said = split_at(from_strings([*rows, *answers]), len(rows))
        same = same_of(0.7, 3, np.array(facts, np.int64), tasks, said)
        nearest = greedy(sets, t, said, same)
    return list(zip(nearest.witness.tolist(), nearest.score.tolist(), strict=True))


def row_of(alphabet: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(alphabet), max_size=most)


@st.composite
def near_copies(draw: st.DrawFn) -> list[list[str]]:
    """Rows made of one another by a few changes, so that many pairs lie near the thresholds."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    rows = [[rng.choice("abcdefgh") for _ in range(rng.randint(1, 60))] for _ in range(3)]
    for _ in range(9):
        row = list(rng.choice(rows))
        for _ in range(rng.randint(0, 3)):
            row[rng.randrange(len(row))] = rng.choice("abcdefgh")
        rows.append(row + rng.choices("abcdefgh", k=rng.randint(0, 2)))
    rng.shuffle(rows)
    return rows


ROWS = st.one_of(st.lists(row_of("ab", 9), max_size=14), st.lists(row_of("abc", 16), max_size=14), near_copies())


@given(ROWS, st.integers(1, 6), st.sampled_from(THRESHOLDS))
@settings(max_examples=500, deadline=None)
def test_rows_get_the_decisions_of_brute_force(rows: list[list[str]], n: int, t: float) -> None:
    assert by_kernel(rows, n, t) == brute_force(rows, n, t)


@given(ROWS, st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_shingles_are_the_sets_of_ngrams(rows: list[list[str]], n: int) -> None:
    found = shingles(from_strings(rows), n)
    sets = [set(found.ids[a:b].tolist()) for a, b in zip(found.offsets, found.offsets[1:], strict=False)]
    expected = [ngrams(row, n) for row in rows]
    assert [len(s) for s in sets] == [len(e) for e in expected] == np.diff(found.offsets).tolist()
    for i in range(len(rows)):
        assert [len(sets[i] & s) for s in sets] == [len(expected[i] & e) for e in expected]


@pytest.mark.slow
@given(near_copies(), st.integers(1, 5), st.sampled_from(THRESHOLDS), st.data())
@settings(max_examples=200, deadline=None)
def test_with_answers_the_decisions_are_those_of_the_definition(
    rows: list[list[str]], n: int, t: float, data: st.DataObject
) -> None:
    answers = data.draw(st.lists(row_of("xyab", 6), min_size=len(rows), max_size=len(rows)))
    facts = data.draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    assert by_kernel(rows, n, t, answers, facts) == brute_force(rows, n, t, answers, facts)


def test_a_row_shorter_than_a_shingle_equals_only_a_row_of_the_same_tokens() -> None:
    rows = [["hi"], ["hi"], ["hi", "hi"], ["hi", "there"], ["hi", "there"], ["hi", "there", "you"], []]
    assert [w for w, _ in by_kernel(rows, 5, 0.3)] == [-1, 0, -1, -1, 3, -1, -1]


def test_a_score_at_the_threshold_is_a_repetition() -> None:
    rows = [list("abcd"), list("abce")]  # 3 of 5 unigrams
    assert by_kernel(rows, 1, 0.6) == [(-1, 0.0), (0, 0.6)]
    assert by_kernel(rows, 1, 0.61) == [(-1, 0.0), (-1, 0.0)]


def test_the_witness_is_the_most_similar_kept_row_and_the_earliest_of_equals() -> None:
    rows = [list("abcdxy"), list("abcdef"), list("abcdeg"), list("abcd")]
    assert by_kernel(rows, 1, 0.6) == [(-1, 0.0), (-1, 0.0), (1, 5 / 7), (0, 4 / 6)]


def test_a_repeated_ngram_counts_once_and_no_rows_give_nothing() -> None:
    assert by_kernel([list("abababab"), list("abab")], 2, 1.0) == [(-1, 0.0), (0, 1.0)]
    assert by_kernel([], 5, 0.7) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Give three tips for staying healthy at work and at home, with one sentence for each of them.",
            "Give three tips for staying healthy at work and at school, with one sentence for each of them.",
        ),
        (
            "请写一篇关于环境保护的短文，要求不少于三百字，语言通顺。",
            "请写一篇关于环境保护的文章，要求不少于三百字，语言通顺。",
        ),
        ("ช่วยเขียนบทความสั้นเกี่ยวกับการดูแลสุขภาพในที่ทำงาน", "ช่วยเขียนบทความสั้นๆเกี่ยวกับการดูแลสุขภาพที่บ้าน"),
        ("The quick brown fox jumps over the lazy dog.", "Colourless green ideas sleep furiously in the garden."),
    ],
)
def test_minhash_estimates_what_is_computed_here(one: str, other: str) -> None:
    rows = [tokens(one), tokens(other)]
    [_, (_, exact)] = by_kernel(rows, 2, 0.01)
    permutations = 4096
    sketches = []
    for row in rows:
        sketch = MinHash(num_perm=permutations, seed=17)
        for gram in ngrams(row, 2):
            sketch.update("\0".join(gram).encode())
        sketches.append(sketch)
    three_errors = 3 * math.sqrt(exact * (1 - exact) / permutations)
    assert abs(sketches[0].jaccard(sketches[1]) - exact) <= three_errors
