"""The ROUGE-L kernel gives the decisions of comparing every row with every kept row by rouge_score."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_reference import rouge_l_of as similarity

from datagen.similarity.rouge_l import greedy
from datagen.similarity.rouge_pool import RougePool
from datagen.similarity.same_answer import same_of
from datagen.similarity.token_lists import from_strings, split_at
from datagen.text.tokens import tokens

ALPACA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "rows" / "alpaca_en_52k.jsonl.gz"
THRESHOLDS = [0.0, 0.3, 0.5, 2 / 3, 0.7, 0.75, 0.8, 0.9, 0.99]

Found = list[tuple[int, float]]
Lists = Sequence[Sequence[str]]


def same_answer(one: Sequence[str], other: Sequence[str], threshold: float, short: int) -> bool:
    if min(len(one), len(other)) < max(1, short):
        return list(one) == list(other)
    return similarity(one, other) > threshold


def other_entity(i: int, j: int, rows: Lists, answers: Lists) -> bool:
    """Whether one of the two rows has a token, in its task and in its answer, that the other has in neither place."""
    new = [set(rows[a]) & set(answers[a]) - set(rows[b]) - set(answers[b]) for a, b in ((i, j), (j, i))]
    return any(new)


def brute_force(
    rows: Lists, t: float, answers: Lists = (), facts: Sequence[int] = (), answer_t: float = 0.0, short: int = 0
) -> Found:
    """Keep a row when no kept row is above the threshold and, where answers are given, has the same facts and answer."""
    kept: list[int] = []
    found: Found = []
    for i, row in enumerate(rows):
        nearest = (-1, 0.0)
        for j in kept:
            score = similarity(rows[j], row)
            repeats = score > t and score > nearest[1]
            if repeats and answers:
                alike = same_answer(answers[i], answers[j], answer_t, short)
                entity = list(answers[i]) != list(answers[j]) and other_entity(i, j, rows, answers)
                repeats = facts[i] == facts[j] and alike and not entity
            if repeats:
                nearest = (j, score)
        found.append(nearest)
        if nearest[0] < 0:
            kept.append(i)
    return found


def by_kernel(
    rows: Lists, t: float, answers: Lists = (), facts: Sequence[int] = (), answer_t: float = 0.0, short: int = 0
) -> Found:
    if not answers:
        nearest = greedy(from_strings(rows), t)
    else:
        tasks, said = split_at(from_strings([*rows, *answers]), len(rows))
        same = same_of(answer_t, short, np.array(facts, np.int64), tasks, said)
        nearest = greedy(from_strings(rows), t, said, same)
    return list(zip(nearest.witness.tolist(), nearest.score.tolist(), strict=True))


def row_of(alphabet: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(alphabet), max_size=most)


small = st.one_of(
    st.lists(row_of("ab", 6), max_size=14),
    st.lists(row_of("abcd", 10), max_size=14),
    st.lists(row_of("abcdefghij", 12), max_size=10),
)


@st.composite
def mutated(draw: st.DrawFn, shortest: int, longest: int) -> list[list[str]]:
    """Rows made of one another by a few changes, so that many pairs lie near the thresholds."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    alphabet = "abcdefghijklmnopqrstuvwxyz"[: draw(st.integers(2, 26))]
    rows = [rng.choices(alphabet, k=rng.randint(shortest, longest)) for _ in range(2)]
    for _ in range(3):
        row = list(rng.choice(rows))
        for _ in range(rng.randint(0, len(row) // 2)):
            at = rng.randrange(len(row))
            row[at : at + 1] = rng.choice([[], [rng.choice(alphabet)], [rng.choice(alphabet), row[at]]]) or [
                rng.choice(alphabet)
            ]
        rows.append(row)
    rng.shuffle(rows)
    return rows


@pytest.mark.slow
@given(small, st.sampled_from(THRESHOLDS))
@settings(max_examples=400, deadline=None)
def test_short_rows_get_the_decisions_of_brute_force(rows: list[list[str]], t: float) -> None:
    assert by_kernel(rows, t) == brute_force(rows, t)


@given(mutated(1, 63), st.sampled_from(THRESHOLDS))
@settings(max_examples=60, deadline=None)
def test_near_copies_of_one_machine_word_get_the_decisions_of_brute_force(rows: list[list[str]], t: float) -> None:
    assert by_kernel(rows, t) == brute_force(rows, t)


@given(mutated(60, 150), st.sampled_from(THRESHOLDS))
@settings(max_examples=25, deadline=None)
def test_rows_of_several_machine_words_get_the_decisions_of_brute_force(rows: list[list[str]], t: float) -> None:
    assert by_kernel(rows, t) == brute_force(rows, t)


@pytest.mark.parametrize("n", [63, 64, 65, 127, 128, 129, 200])
def test_the_score_is_that_of_rouge_score_around_the_word_length(n: int) -> None:
    row = [f"{i % 7}-{i % 11}" for i in range(n)]
    rows = [row, row, row[1:], [*row[: n // 2], "new", *row[n // 2 :]]]
    assert by_kernel(rows, 0.5) == brute_force(rows, 0.5)
    assert by_kernel(rows, 0.5)[1] == (0, 1.0)


@st.composite
def answered(draw: st.DrawFn) -> tuple[Lists, Lists, list[int]]:
    """Rows, their answers and the number of their facts."""
    rows = draw(st.one_of(st.lists(row_of("abc", 7), max_size=12), mutated(4, 20)))
    n = len(rows)
    answers = draw(st.lists(row_of("xyzab", 8), min_size=n, max_size=n))
    return rows, answers, draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))


@pytest.mark.slow
@given(answered(), st.sampled_from(THRESHOLDS), st.sampled_from(THRESHOLDS), st.integers(0, 6))
@settings(max_examples=400, deadline=None)
def test_with_answers_the_decisions_are_those_of_the_definition(
    given_rows: tuple[Lists, Lists, list[int]], t: float, answer_t: float, short: int
) -> None:
    rows, answers, facts = given_rows
    assert by_kernel(rows, t, answers, facts, answer_t, short) == brute_force(rows, t, answers, facts, answer_t, short)


def test_one_template_over_many_answers_and_one_answer_over_many_tasks() -> None:
    rows = [["name", "a", "city", "in", f"c{i % 40}"] for i in range(80)]
    answers = [[f"w{i % 3}"] * 4 for i in range(80)]
    rows += [[f"t{i}", f"u{i % 5}"] for i in range(60)]
    answers += [["yes"]] * 60
    facts = [0] * len(rows)
    assert by_kernel(rows, 0.7, answers, facts, 0.7, 3) == brute_force(rows, 0.7, answers, facts, 0.7, 3)


def test_a_score_at_the_threshold_is_no_repetition() -> None:
    rows = [list("abcd"), list("abce")]  # F1 = 0.75
    assert by_kernel(rows, 0.75) == [(-1, 0.0), (-1, 0.0)]
    assert by_kernel(rows, 0.74) == [(-1, 0.0), (0, 0.75)]


def test_the_witness_is_the_most_similar_kept_row_and_the_earliest_of_equals() -> None:
    rows = [list("abcdxx"), list("abcdefgh"), list("abcdefzz"), list("abcdefgi")]
    assert by_kernel(rows, 0.7) == [(-1, 0.0), (-1, 0.0), (1, 0.75), (1, 0.875)]
    assert by_kernel([list("abcx"), list("xabc"), list("abc")], 0.8)[2] == (0, 6 / 7)


@pytest.mark.parametrize("longer_first", [True, False])
def test_the_shortest_partner_may_lie_within_a_band_of_lengths(longer_first: bool) -> None:
    # Lengths of 42 and 43 share a list: at this threshold a row of 60 tokens can repeat one of 43, and none of 42.
    words = [f"w{i}" for i in range(60)]
    rows = [words, words[:43]] if longer_first else [words[:43], words]
    assert [w for w, _ in by_kernel(rows, 0.834)] == [-1, 0]
    assert [w for w, _ in by_kernel([words, words[:42]], 0.834)] == [-1, -1]


def test_a_dropped_row_is_no_witness() -> None:
    rows = [list("abcdefghij"), list("abcdefghxx"), list("abcdefxxxx")]
    assert [w for w, _ in by_kernel(rows, 0.7)] == [-1, 0, -1]


def test_empty_rows_repeat_nothing_and_no_rows_give_nothing() -> None:
    assert by_kernel([[], [], ["a"], []], 0.0) == [(-1, 0.0)] * 4
    assert by_kernel([], 0.7) == []


@given(st.one_of(small, mutated(1, 150)), st.sampled_from(THRESHOLDS))
@settings(max_examples=150, deadline=None)
def test_the_growing_pool_decides_as_the_whole_set_does(rows: list[list[str]], t: float) -> None:
    pool, kept, found = RougePool(t), [], []
    for i, row in enumerate(rows):
        nearest = pool.nearest(row)
        found.append((-1, 0.0) if nearest is None else (kept[nearest[0]], nearest[1]))
        if nearest is None:
            assert pool.add(row) == len(kept)
            kept.append(i)
    assert len(pool) == len(kept)
    assert found == by_kernel(rows, t)


def test_the_pool_grows_past_its_first_arrays() -> None:
    pool = RougePool(0.7)
    for i in range(600):
        words = [f"w{i}-{k}" for k in range(9)]
        assert pool.nearest(words) is None
        assert pool.add(words) == i
        assert pool.nearest([*words, "more"]) == (i, similarity(words, [*words, "more"]))
    assert pool.nearest([f"w0-{k}" for k in range(9)]) == (0, 1.0)


def _planted(row: list[str], rng: random.Random) -> list[str]:
    changed = list(row)
    for _ in range(rng.randint(1, max(1, len(row) // 3))):
        changed[rng.randrange(len(changed))] = rng.choice(["the", "please", "new", "of"])
    return changed if rng.random() < 0.7 else ["please", *changed, "now"]


@pytest.mark.slow
def test_real_instructions_with_planted_variants_get_the_decisions_of_rouge_score() -> None:
    if not ALPACA.exists():
        pytest.skip(f"no real data here: {ALPACA}")
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        records: list[dict[str, Any]] = [json.loads(line) for _, line in zip(range(40_000), lines, strict=False)]
    rng = random.Random(17)
    rows = [tokens(r["instruction"]) for r in rng.sample(records, 650)]
    rows += [_planted(row, rng) for row in rng.sample(rows, 150)]
    rng.shuffle(rows)
    found = by_kernel(rows, 0.7)
    assert found == brute_force(rows, 0.7)
    assert 50 < sum(w >= 0 for w, _ in found) < 200
