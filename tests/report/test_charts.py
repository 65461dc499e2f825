"""The loss curve as coordinates."""

from __future__ import annotations

from datagen.report import charts


def test_the_curve_keeps_spikes_and_stays_inside_its_box() -> None:
    losses = [(float(i), 2.0) for i in range(10_000)]
    losses[4321] = (4321.0, 9.0)
    box = charts.curve(losses, 400, 280)
    points = [tuple(map(float, p.split(","))) for p in box["raw"].split()]
    assert len(points) <= charts.POINTS
    assert min(y for _, y in points) < 100  # the spike, near the top
    assert all(box["left"] <= x <= box["right"] and box["top"] <= y <= box["bottom"] for x, y in points)
    assert charts.first_and_last(losses[:20]) == (2.0, 2.0)
