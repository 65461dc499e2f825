"""Growing texts: how `--lengths` and `--rope-scaling` are written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from datagen.errors import UsageError

SHORTEST = 3  # tokens of a text that is cut: its first, one to predict from, and one that is taught
LONGEST_STRETCH = 10_000  # times as long as a model reads


def stages_of(lengths: Iterable[str]) -> list[tuple[int, int, float]]:
    """Return the stages of growing texts: tokens, steps and peak learning rate of each.

    Raises:
        UsageError: one cannot be read, or texts become shorter.
    """
    found: list[tuple[int, int, float]] = []
    for text in lengths:
        length, _, rest = text.partition(":")
        steps, _, lr = rest.partition(":")
        try:
            found.append((int(length), int(steps), float(lr)))
        except ValueError:
            raise UsageError(f"train: option 'lengths': '{text}' is not LENGTH:STEPS:LR, such as 8192:3000:3e-4") from None
        if found[-1][0] < SHORTEST or found[-1][1] < 1 or not 0 < found[-1][2] <= 1:
            raise UsageError(f"train: option 'lengths': '{text}' must have a length, steps and a rate above 0")
    if any(a >= b for (a, *_), (b, *_) in pairwise(found)):
        raise UsageError("train: option 'lengths': each length must be above the one before it")
    return found


def stretch_of(scaling: str | None) -> float:
    """Return how many times as long texts become; 1 without; raises UsageError where it cannot be read."""
    kind, _, factor = (scaling or "ntk:1").partition(":")
    try:
        times = float(factor)
    except ValueError:
        times = 0.0
    if kind != "ntk" or not 1.0 <= times <= LONGEST_STRETCH:
        raise UsageError(f"train: option 'rope_scaling' must be ntk:F, such as ntk:4, not '{scaling}'")
    return times
