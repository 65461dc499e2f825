"""T5's mixing rules against numbers computed by hand, and the nested choice of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UsageError
from datagen.kinds.mix import Mix
from datagen.mixture.weights import counts, order, repeats, shares
from datagen.options import build

SIZES = {"a": 100, "b": 400, "c": 900}


def mixed(sizes: dict[str, int] = SIZES, **options: Any) -> Mix:
    return Mix(sources=dict.fromkeys(sizes, "x"), **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"a": 100 / 1400, "b": 400 / 1400, "c": 900 / 1400}),
        ({"cap": 400}, {"a": 100 / 900, "b": 400 / 900, "c": 400 / 900}),
        ({"method": "temperature"}, {"a": 10 / 60, "b": 20 / 60, "c": 30 / 60}),
        ({"method": "temperature", "temperature": 1.0}, {"a": 100 / 1400, "b": 400 / 1400, "c": 900 / 1400}),
        ({"method": "temperature", "cap": 400}, {"a": 10 / 50, "b": 20 / 50, "c": 20 / 50}),
        ({"method": "temperature", "temperature": float("inf")}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        ({"method": "equal"}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        ({"method": "weights", "weights": {"a": 1, "b": "0.5", "c": 0}}, {"a": 2 / 3, "b": 1 / 3, "c": 0}),
    ],
)
def test_the_shares_are_those_of_t5(options: dict[str, Any], expected: dict[str, float]) -> None:
    assert shares(SIZES, mixed(**options)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"a": 100, "b": 400, "c": 900}),
        ({"rows": 14}, {"a": 1, "b": 4, "c": 9}),
        ({"rows": 2800}, {"a": 200, "b": 800, "c": 1800}),
        ({"cap": 400}, {"a": 100, "b": 400, "c": 400}),
        ({"cap": 1}, {"a": 1, "b": 1, "c": 1}),
        ({"method": "equal", "rows": 10}, {"a": 4, "b": 3, "c": 3}),
        ({"method": "temperature", "rows": 60}, {"a": 10, "b": 20, "c": 30}),
        ({"method": "temperature", "cap": 400, "rows": 50}, {"a": 10, "b": 20, "c": 20}),
        ({"method": "weights", "weights": {"a": 3, "b": 1, "c": 0}, "rows": 8}, {"a": 6, "b": 2, "c": 0}),
    ],
)
def test_the_counts_follow_the_shares(options: dict[str, Any], expected: dict[str, int]) -> None:
    assert counts(SIZES, mixed(**options)) == expected


def test_a_source_without_rows_gives_none() -> None:
    sizes = {"a": 0, "b": 5}
    for options in ({}, {"method": "equal"}, {"method": "temperature"}, {"method": "weights", "weights": {"a": 9, "b": 1}}):
        assert counts(sizes, mixed(sizes, rows=4, **options)) == {"a": 0, "b": 4}
    assert counts({"a": 0, "b": 0}, mixed(sizes, rows=4)) == {"a": 0, "b": 0}
    assert shares({"a": 0, "b": 0}, mixed(sizes)) == {"a": 0.0, "b": 0.0}


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 200), min_size=1),
    st.sampled_from(["proportional", "temperature", "equal"]),
    st.integers(1, 500),
)
@settings(deadline=None)
def test_the_counts_sum_to_the_rows_asked_for_and_only_grow_with_them(sizes: dict[str, int], method: Any, rows: int) -> None:
    smaller, larger = (counts(sizes, mixed(sizes, method=method, rows=n)) for n in (rows, rows + 1))
    assert sum(smaller.values()) == (rows if any(sizes.values()) else 0)
    assert all(smaller[n] <= larger[n] for n in sizes)


def test_rows_repeat_evenly() -> None:
    assert repeats(4, 3).tolist() == [1, 1, 1, 0]
    assert repeats(4, 4).tolist() == [1, 1, 1, 1]
    assert repeats(4, 10).tolist() == [3, 3, 2, 2]
    assert repeats(4, 0).tolist() == [0, 0, 0, 0]
    assert repeats(0, 0).tolist() == []


@given(st.integers(1, 50), st.integers(0, 300), st.integers(0, 300))
@settings(deadline=None)
def test_more_rows_of_a_source_contain_the_fewer(size: int, one: int, other: int) -> None:
    fewer, more = repeats(size, min(one, other)), repeats(size, max(one, other))
    assert (fewer <= more).all()
    assert fewer.sum() == min(one, other)
    assert fewer.max() - fewer.min() <= 1


def test_the_order_is_a_permutation_of_the_seed_and_the_source() -> None:
    assert sorted(order(50, "a", 17)) == list(range(50))
    assert order(50, "a", 17).tolist() == order(50, "a", 17).tolist()
    assert order(50, "a", 17).tolist() != order(50, "b", 17).tolist()
    assert order(50, "a", 17).tolist() != order(50, "a", 18).tolist()
    assert order(50, "ไทย", 17).dtype == np.int64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": {}}, "needs sources, such as NAME=PATH"),
        ({"temperature": 0.5}, "temperature must be at least 1"),
        ({"cap": 0}, "cap must be 1 or more and below 2,147,483,648, not 0"),
        ({"rows": -1}, "rows must be 1 or more and below 2,147,483,648, not -1"),
        ({"steps": 0}, "steps must be 1 or more and below 2,147,483,648, not 0"),
        ({"max_proxies": 0}, "max_proxies must be 1 or more and below 2,147,483,648, not 0"),
        ({"method": "weights"}, "the method 'weights' and the option weights go together"),
        ({"weights": {"a": 1, "b": 1}}, "the method 'weights' and the option weights go together"),
        ({"method": "weights", "weights": {"a": 1, "z": 1}}, "weights names 'z', which is not a source; sources: a, b"),
        ({"method": "weights", "weights": {"a": 1}}, "weights misses the source 'b'; give 0 to leave it out"),
        ({"method": "weights", "weights": {"a": -1, "b": 1}}, "the weight of 'a' must be a number of 0 or more, not -1"),
        ({"method": "weights", "weights": {"a": "x", "b": 1}}, "the weight of 'a' must be a number of 0 or more, not x"),
        ({"method": "weights", "weights": {"a": "nan", "b": 1}}, "the weight of 'a' must be a number of 0 or more, not nan"),
        ({"method": "weights", "weights": {"a": 0, "b": "0"}}, "all weights are 0; give at least one source a weight"),
        ({"levels": ["2"]}, "levels: '2' is not a share such as 1/2 or 0.25"),
        ({"levels": ["1/0"]}, "levels: '1/0' is not a share"),
        ({"levels": ["half"]}, "levels: 'half' is not a share"),
        (
            {"method": "temprature"},
            "'temprature' is not one of proportional, temperature, equal, weights; did you mean 'temperature'?",
        ),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        build(Mix, {"sources": {"a": "x", "b": "y"}, **options}, "step 'mix'")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_levels_are_shares() -> None:
    assert mixed().level_values() == [1, 0.5, 0.25]
    assert mixed(levels=("1/3", "0.1")).level_values() == [1 / 3, 0.1]
