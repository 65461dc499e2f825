"""Intervals: Wilson's beside scipy, the bootstrap beside brute force, and how often an interval holds what is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from datagen.evaluation import results
from datagen.evaluation.intervals import RESAMPLES, difference, paired_shares, ratio, share
from datagen.evaluation.measured import Measured


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_is_wilsons(hits_of: tuple[int, int]) -> None:
    hits, count = hits_of
    reference = binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert share(hits, count) == pytest.approx((hits / count, reference.low, reference.high), abs=1e-12)


def test_a_ratio_and_its_bootstrap_are_those_of_a_loop() -> None:
    draw = np.random.default_rng(5)
    above, below = draw.gamma(2, 3, 40), draw.integers(1, 30, 40).astype(float)
    places = np.random.default_rng(17).integers(40, size=(RESAMPLES, 40))
    each = [above[p].sum() / below[p].sum() for p in places]
    assert ratio(above, below, 17) == pytest.approx((above.sum() / below.sum(), *np.quantile(each, [0.025, 0.975])))


def test_a_difference_is_paired_by_item() -> None:
    draw = np.random.default_rng(6)
    hard = draw.normal(0, 10, 200)  # items differ much, the two models little
    ones = np.ones(200)
    found = difference(hard + 0.5 + draw.normal(0, 0.1, 200), ones, hard, ones, 17)
    assert found.low > 0.4 and found.high < 0.6


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_difference_of_paired_shares_holds_its_value_and_turns_with_the_pairs(pairs: list[tuple[bool, bool]]) -> None:
    one, other = (np.array([pair[at] for pair in pairs]) for at in (0, 1))
    found, turned = paired_shares(one, other), paired_shares(other, one)
    assert found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high
    assert found.low >= -1 and found.high <= 1
    assert turned == pytest.approx((-found.value, -found.high, -found.low), abs=1e-12)


@pytest.mark.parametrize(
    ("table", "low", "high"),  # both, only the first, only the second, neither; Newcombe (1998), table II, method 10
    [((20, 12, 2, 16), 0.0562, 0.3290), ((0, 0, 0, 29), -0.1170, 0.1170)],
)
def test_the_interval_of_paired_shares_is_newcombes(table: tuple[int, ...], low: float, high: float) -> None:
    one = np.repeat([True, True, False, False], table)
    other = np.repeat([True, False, True, False], table)
    found = paired_shares(one, other)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def sampled(model: np.random.Generator, able: np.ndarray) -> list[Measured]:
    """What a model gets right of items, each with its own chance."""
    return [
        Measured(f"{at:032x}", "task", "", "final", float(right)) for at, right in enumerate(model.random(len(able)) < able)
    ]


def test_a_model_is_told_apart_from_itself_in_few_of_a_hundred_draws() -> None:
    told = []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        able = draw.beta(0.5, 0.8, 150)
        found = results.told({"a": sampled(draw, able), "b": sampled(draw, able)}, seed)
        (one,) = found["differences"]
        told.append(one["better"])
    assert told.count(None) >= 90


def test_chance_lies_in_the_interval_of_random_answers_and_an_oracle_is_at_one() -> None:
    draw = np.random.default_rng(3)
    found = results.told({"random": sampled(draw, np.full(400, 0.25)), "oracle": sampled(draw, np.ones(400))}, 1)
    chance, oracle = found["numbers"]
    assert chance["low"] < 0.25 < chance["high"] and chance["high"] - chance["low"] < 0.1
    assert (oracle["value"], oracle["high"]) == (1.0, 1.0) and oracle["low"] > 0.98
    (beside,) = found["differences"]
    assert beside["better"] is True and beside["low"] > 0.6


def test_less_is_better_of_a_loss_and_neither_of_a_length() -> None:
    def lengths(add: float, measure: str) -> list[Measured]:
        return [Measured(f"{at:032x}", "task", "", measure, 10 + at % 7 + add, 2.0) for at in range(60)]

    for measure, expected in (("loss", True), ("characters", None), ("rouge_l", False)):
        (one,) = results.told({"a": lengths(1, measure), "b": lengths(0, measure)}, 1)["differences"]
        assert one["value"] == -0.5 and one["better"] is expected


def test_models_are_compared_on_the_items_that_both_have_and_by_parts() -> None:
    def of(right: str) -> list[Measured]:
        return [
            Measured(f"{at:032x}", "task", "th" if at % 2 else "en", "chosen", float(c))
            for at, c in enumerate(right)
            if c != "-"
        ]

    found = results.told({"a": of("1010"), "b": of("11-1")}, 1)
    assert [(n["model"], n["part"], n["value"], n["items"]) for n in found["numbers"]] == [
        ("a", "", 0.5, 4), ("a", "en", 1.0, 2), ("a", "th", 0.0, 2), ("b", "", 1.0, 3), ("b", "en", 1.0, 1),
        ("b", "th", 1.0, 2),
    ]  # fmt: skip
    assert [(n["part"], n["value"], n["items"]) for n in found["differences"]] == [
        ("", pytest.approx(2 / 3), 3), ("en", 0.0, 1), ("th", 1.0, 2),
    ]  # fmt: skip
