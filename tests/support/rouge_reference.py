"""`rouge_score` itself. It loads for seconds, in each worker of the suite, so whoever compares with it loads it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any


@functools.cache
def _score_lcs() -> Callable[..., Any]:
    from rouge_score.rouge_scorer import _score_lcs

    return _score_lcs


def rouge_l_of(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the ROUGE-L F1 of two lists of tokens."""
    return float(_score_lcs()(one, other).fmeasure)
