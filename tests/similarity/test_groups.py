"""Groups of rows that hang together are those of comparing each pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_reference import rouge_l_of

from datagen.similarity import groups
from datagen.similarity.jaccard import shingles
from datagen.similarity.token_lists import from_strings

TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9), max_size=14)
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.6, 2 / 3, 0.7, 0.8, 0.9])


def by_brute_force(n: int, alike: Callable[[int, int], bool]) -> list[int]:
    """Return for each row the first row that it hangs together with, by looking at every pair until nothing changes."""
    first = list(range(n))
    while True:
        before = list(first)
        for i in range(n):
            for j in range(i):
                if alike(i, j):
                    first[i] = first[j] = min(first[i], first[j])
        first = [first[at] for at in first]
        if first == before:
            return first


@given(TEXTS, THRESHOLDS)
def test_by_rouge(texts: list[list[str]], threshold: float) -> None:
    above = np.arange(len(texts))
    groups.by_rouge(from_strings(texts), threshold, above)
    expected = by_brute_force(len(texts), lambda i, j: rouge_l_of(texts[i], texts[j]) > threshold)
    assert groups.numbered(above).tolist() == expected


@given(TEXTS, THRESHOLDS, st.integers(1, 3))
def test_by_jaccard(texts: list[list[str]], threshold: float, n: int) -> None:
    def grams(text: Sequence[str]) -> set[tuple[str, ...]]:
        if 0 < len(text) < n:
            return {tuple(text)}
        return {tuple(text[at : at + n]) for at in range(len(text) - n + 1)}

    def alike(i: int, j: int) -> bool:
        one, other = grams(texts[i]), grams(texts[j])
        return bool(one and other) and len(one & other) / len(one | other) >= threshold

    above = np.arange(len(texts))
    groups.by_jaccard(shingles(from_strings(texts), n), threshold, above)
    assert groups.numbered(above).tolist() == by_brute_force(len(texts), alike)


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=12))
def test_by_name(names: list[list[int]]) -> None:
    above = np.arange(len(names))
    groups.by_name(names, above)
    assert groups.numbered(above).tolist() == by_brute_force(len(names), lambda i, j: bool({*names[i]} & {*names[j]}))


def test_what_hangs_together_by_one_and_by_the_other_is_one_group() -> None:
    texts = [["a", "b", "c"], ["a", "b", "c"], ["x"], ["y"], ["z"]]
    above = np.arange(5)
    groups.by_name([[], ["k"], ["k", "l"], ["l"], []], above)
    groups.by_rouge(from_strings(texts), 0.7, above)
    assert groups.numbered(above).tolist() == [0, 0, 0, 0, 4]


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one(n: int) -> None:
    above = np.arange(n)
    groups.by_rouge(from_strings([["a"]] * n), 0.7, above)
    groups.by_jaccard(from_strings([["a"]] * n), 0.7, above)
    assert groups.numbered(above).tolist() == [0][:n]
