"""Weights to counts by Sainte-Laguë."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.data.quotas import quotas

WEIGHTS = st.lists(st.one_of(st.integers(0, 50), st.floats(0, 1e6, allow_subnormal=False)), min_size=1, max_size=8).filter(any)


@pytest.mark.parametrize(
    ("weights", "total", "counts"),
    [
        # priorities w/1, w/3, w/5 …: 53, 24, 23, 17.67 | 10.6, 8, 7.67, 7.57
        ([53, 24, 23], 4, [2, 1, 1]),
        ([53, 24, 23], 7, [3, 2, 2]),
        ([1, 1, 1], 3, [1, 1, 1]),
        ([3, 1], 4, [3, 1]),
        ([1, 0, 1], 5, [3, 0, 2]),
        ([0.5], 7, [7]),
        ([5, 5], 0, [0, 0]),
        ([0, 0], 0, [0, 0]),
        ([], 0, []),
    ],
)
def test_counts_follow_the_divisors_1_3_5(weights: list[float], total: int, counts: list[int]) -> None:
    assert quotas(weights, total) == counts


def test_ties_go_to_the_earlier_source() -> None:
    assert quotas([1, 1, 1], 1) == [1, 0, 0]
    assert quotas([1, 1, 1], 2) == [1, 1, 0]
    assert quotas([2, 6], 2) == [1, 1]  # 6, then 2/1 = 6/3: the earlier one


@given(WEIGHTS, st.integers(0, 300))
@settings(deadline=None)
def test_counts_sum_to_the_total_and_a_zero_weight_gets_nothing(weights: list[float], total: int) -> None:
    found = quotas(weights, total)
    assert sum(found) == total
    assert all(n == 0 for n, w in zip(found, weights, strict=True) if w == 0)


@given(WEIGHTS, st.integers(0, 200))
@settings(deadline=None)
def test_a_larger_total_never_takes_a_row_away(weights: list[float], total: int) -> None:
    smaller, larger = quotas(weights, total), quotas(weights, total + 1)
    assert sorted(b - a for a, b in zip(smaller, larger, strict=True)) == [0] * (len(weights) - 1) + [1]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(0, 50))
@settings(deadline=None)
def test_a_total_that_divides_evenly_gives_the_exact_shares(weights: list[int], times: int) -> None:
    assert quotas(weights, times * sum(weights)) == [times * w for w in weights]


@pytest.mark.parametrize("weights", [[-1, 2], [float("nan"), 1], [float("inf"), 1]])
def test_a_weight_that_is_no_weight_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        quotas(weights, 3)


def test_all_weights_zero_is_refused_where_rows_are_wanted() -> None:
    with pytest.raises(ValueError, match="all weights are zero"):
        quotas([0, 0.0], 1)
