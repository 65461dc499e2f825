"""The loss curve as coordinates: the template draws it, so that no markup is made outside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

POINTS = 300  # of a line at most
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 44  # margins around the plot


def read_losses(path: Path) -> tuple[list[tuple[float, float]], int]:
    """Return (step, loss) of each line of metrics.jsonl, and how many lines have no finite loss."""
    found, bad = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            if "skipped" in entry:  # a step that was left out, which is told by itself
                continue
            step, loss = float(entry["step"]), float(entry["loss"])
        except (ValueError, KeyError, TypeError):
            bad += 1
            continue
        if math.isfinite(step) and math.isfinite(loss):
            found.append((step, loss))
        else:
            bad += 1
    return found, bad


def first_and_last(losses: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean loss of the first and of the last tenth of the steps."""
    tenth = max(1, len(losses) // 10)
    return sum(v for _, v in losses[:tenth]) / tenth, sum(v for _, v in losses[-tenth:]) / tenth


def smoothed(losses: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the centred moving mean over a tenth of the steps; at both ends over what there is of the window."""
    sums = [0.0]
    for _, value in losses:
        sums.append(sums[-1] + value)
    most = max(1, len(losses) // 20)
    found = []
    for i, (step, _) in enumerate(losses):
        low, high = max(0, i - most), min(len(losses), i + most + 1)
        found.append((step, (sums[high] - sums[low]) / (high - low)))
    return found


def curve(losses: Sequence[tuple[float, float]], width: int, height: int) -> dict[str, Any]:
    """Return the loss curve in a box of `width` x `height`: two lines as SVG points, and the ticks of both axes."""
    steps, values = [s for s, _ in losses], [v for _, v in losses]
    x_ticks = ticks(min(steps), max(steps), 6 if width > 500 else 4, whole=True)
    y_ticks = ticks(min(values), max(values), 5)
    low_x, high_x = min(steps), max(max(steps), min(steps) + 1)
    low_y, high_y = y_ticks[0], y_ticks[-1]

    def x(step: float) -> float:
        return round(_LEFT + (step - low_x) / (high_x - low_x) * (width - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(height - _BOTTOM - (value - low_y) / (high_y - low_y) * (height - _TOP - _BOTTOM), 1)

    def points(line: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x(s):g},{y(v):g}" for s, v in thinned(line))

    return {
        "width": width, "height": height,
        "left": _LEFT, "right": width - _RIGHT, "top": _TOP, "bottom": height - _BOTTOM,
        "raw": points(losses), "smooth": points(smoothed(losses)),
        "x_ticks": [(x(t), f"{t:,.0f}") for t in x_ticks if low_x <= t <= high_x],
        "y_ticks": [(y(t), f"{t:.6g}") for t in y_ticks],
    }  # fmt: skip


def thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most about POINTS points of a line; of each part its lowest and highest, so that no spike is lost."""
    if len(line) <= POINTS:
        return list(line)
    parts = POINTS // 2
    found = []
    for i in range(parts):
        part = line[i * len(line) // parts : (i + 1) * len(line) // parts]
        found += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return found


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Return round numbers, about `most` of them, that enclose low..high."""
    span = (high - low) or max(abs(high), 1.0) * 0.2
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= most)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    return [round(i * step, 10) for i in range(first, last + 1)]
