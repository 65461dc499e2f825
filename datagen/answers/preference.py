"""What a judge found of one row, and of a pair asked in both orders. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Found(NamedTuple):
    """What was found of one row: the columns that `judge` adds, and whether a pair's two orders contradict each other."""

    score: float | None = None
    reason: str | None = None
    error: str | None = None
    contradicted: bool | None = None


def likelier(one: float, other: float) -> float:
    """1 where the first of two probabilities is higher, 0 where the second is, 0.5 where they are the same."""
    return 0.5 if one == other else float(one > other)


def agreed(first: float, again: float, reason: str | None = None) -> Found:
    """What the first candidate gets when it stands first, and when it stands second; a tie where they differ."""
    return Found(first if first == again else 0.5, reason, None, first != again)


def paired(judged: Sequence[Any]) -> Found:
    """The verdict of two judgements, each 1 where the answer shown first is better, 0 where the second is, 0.5 for a tie."""
    one, two = judged
    if one.score is None or two.score is None:
        return Found(error=one.error or two.error)
    said = f"First candidate shown as A: {one.reason}\nSecond candidate shown as A: {two.reason}"
    return agreed(one.score, 1.0 - two.score, said)


def wins(values: np.ndarray[Any, Any], columns: pa.Table) -> dict[str, int]:
    """How often the first candidate wins, the second does, neither, and how often the judge contradicted itself."""
    first, second = int((values == 1).sum()), int((values == 0).sum())
    contradicted = pc.sum(columns.column("contradicted").cast(pa.int64())).as_py() or 0
    return {"first_better": first, "second_better": second, "ties": len(values) - first - second, "contradicted": contradicted}
