"""Paired differences: an interval is right as often as it says, several hold together, and a study says what it could see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from datagen.studies.effects import effect


def test_a_difference_and_its_interval_are_those_of_a_paired_t_test() -> None:
    draw = np.random.default_rng(3)
    one, other = draw.normal(1, 0.2, 6), draw.normal(0.9, 0.2, 6)
    found, known = effect(one.tolist(), other.tolist()), ttest_rel(one, other)
    interval = known.confidence_interval(0.95)
    assert found.value == pytest.approx(float((one - other).mean()))
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.shown == (known.pvalue < 0.05)


def test_three_comparisons_without_a_difference_are_all_not_shown_in_95_of_100_studies() -> None:
    draw = np.random.default_rng(4)
    wrong = 0
    for _ in range(400):
        base = draw.normal(0, 1, 5)
        wrong += any(effect(base + draw.normal(0, 0.1, 5), base, 3).shown for _ in range(3))
    assert wrong <= 400 * 0.075


def test_what_a_study_could_see_it_sees_in_four_of_five_cases() -> None:
    draw = np.random.default_rng(5)
    seen = 0
    could = float(np.mean([effect(draw.normal(0, 0.1, 5), np.zeros(5)).could_see for _ in range(500)]))
    for _ in range(500):
        seen += effect(draw.normal(could, 0.1, 5), np.zeros(5)).shown
    assert 0.7 < seen / 500 < 0.9


def test_runs_that_are_the_same_show_nothing() -> None:
    found = effect([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert found == (0, 0, 0, 0) and not found.shown
