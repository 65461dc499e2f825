"""The expected score under a judge's probabilities: of the token in which it says its score. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.scores.parse import score_of


def expectation(logprobs: Mapping[str, float], low: float, high: float) -> float | None:
    """Return the mean of the scores in a token's alternatives, weighed by their probabilities.

    Args:
        logprobs: natural logarithms of the probabilities of alternatives, by their text.
        low: the lowest score of the rubric.
        high: the highest; alternatives that are no whole score between both do not count.
    """
    weights: dict[int, float] = {}
    for text, value in logprobs.items():
        said = text.strip()
        if said.isdecimal() and low <= int(said) <= high:
            weights[int(said)] = weights.get(int(said), 0.0) + math.exp(value)
    whole = sum(weights.values())
    return sum(score * weight for score, weight in weights.items()) / whole if whole > 0 else None


def expected_score(tokens: Sequence[Mapping[str, Any]], low: float, high: float) -> float | None:
    """Return the expected score of an answer whose tokens come with their alternatives; None where it gives no score.

    The token that counts is the last one that says the score which the whole answer gives. Source: G-Eval (Liu et al. 2023).

    Args:
        tokens: `choices[0].logprobs.content` of a chat completion: `token` and `top_logprobs` of each.
        low: the lowest score of the rubric.
        high: the highest.
    """
    try:
        said = [str(t["token"]) for t in tokens]
        score = score_of("".join(said), low, high)
        if score is None or not score.is_integer():
            return score
        at = [i for i, text in enumerate(said) if text.strip().isdecimal() and int(text.strip()) == int(score)]
        if not at:
            return score
        found = expectation({a["token"]: float(a["logprob"]) for a in tokens[at[-1]]["top_logprobs"]}, low, high)
    except (KeyError, TypeError, ValueError):
        return None
    return score if found is None else found
