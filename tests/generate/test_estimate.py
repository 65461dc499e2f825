"""The interval of an estimate: it holds the truth about as often as it says."""

from __future__ import annotations

import random

import pytest

from datagen.chat.quote import ratio


def test_a_ratio_and_its_interval_by_hand() -> None:
    found = ratio([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert found is not None
    assert (found.middle, found.low, found.high) == (1.0, 1.0, 1.0)
    found = ratio([1.0, 3.0], [1.0, 1.0])
    assert found is not None
    assert found.middle == 2.0
    # Residuals -1 and 1: error = sqrt(2 * 2 / 1) / 2 = 1, times t(1) = 12.706.
    assert found.high == pytest.approx(2 + 12.706)
    assert found.low == 0.0


def test_nothing_can_be_said_of_one_request_or_of_no_row() -> None:
    assert ratio([1.0], [1.0]) is None
    assert ratio([1.0, 2.0], [0.0, 0.0]) is None


@pytest.mark.parametrize("probes", [8, 32])
def test_the_interval_holds_the_truth_in_nine_of_ten_runs_or_more(probes: int) -> None:
    """Requests that cost 300..900 tokens and keep 0..5 rows: the truth is 600 / 2.5 tokens per row."""
    draw, held = random.Random(17), 0
    for _ in range(500):
        cost = [draw.uniform(300, 900) for _ in range(probes)]
        kept = [float(draw.randint(0, 5)) for _ in range(probes)]
        found = ratio(cost, kept)
        held += found is not None and found.low <= 240 <= found.high
    assert held / 500 > 0.9
