"""The expected score under a judge's probabilities: of the token in which it says its score. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

HIGHEST = 9  # score that is one token wherever digits are
MOST_TOKENS = 8  # that say the score, of which each costs a reading of the answer


def expectation(logprobs: Mapping[str, float], low: float, high: float) -> float | None:
    """Return the mean of the scores in a token's alternatives, weighed by their probabilities.

    Args:
        logprobs: natural logarithms of the probabilities of alternatives, by their text.
        low: the lowest score of the rubric.
        high: the highest; alternatives that are no whole score between both do not count.
    """
    weights: dict[int, float] = {}
    for text, value in logprobs.items():
        said = str(text).strip()
        if not -math.inf <= value <= 0.001:  # no logarithm of a probability
            return None
        if said.isdecimal() and low <= int(said) <= high:
            weights[int(said)] = weights.get(int(said), 0.0) + math.exp(value)
    whole = sum(weights.values())
    return sum(score * weight for score, weight in weights.items()) / whole if whole > 0 else None


def expected_score(tokens: Sequence[Mapping[str, Any]], low: float, high: float) -> float | None:
    """Return the expected score of an answer whose tokens come with their alternatives; None where it gives no score.

    The token that counts is the one in which the score stands: were it another, so were the score (which is not so of the 5
    that 4 is out of, nor of one in the reasons). Source: G-Eval (Liu et al. 2023).

    Args:
        tokens: `choices[0].logprobs.content` of a chat completion: `token` and `top_logprobs` of each.
        low: the lowest score of the rubric.
        high: the highest, 9 at most: of a 1 that 10 begins with nobody knows.
    """
    try:
        said = [str(t["token"]) for t in tokens]
        score = _score(said, low, high)
        if score is None or not score.is_integer():
            return score
        at = [i for i, text in enumerate(said) if text.strip().isdecimal() and int(text.strip()) == int(score)]
        other = low if score != low else high
        told = (i for i in reversed(at[-MOST_TOKENS:]) if _with(said, i, f"{other:.0f}", low, high) == other)
        if high > HIGHEST or (place := next(told, None)) is None:
            return score
        found = expectation({a["token"]: float(a["logprob"]) for a in tokens[place]["top_logprobs"]}, low, high)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
    return score if found is None else found


def _with(said: Sequence[str], at: int, digit: str, low: float, high: float) -> float | None:
    """The score of an answer in which another digit stands in the place of a token."""
    token = said[at]
    changed = token.replace(token.strip(), digit)
    return _score([*said[:at], changed, *said[at + 1 :]], low, high)


def _score(said: Sequence[str], low: float, high: float) -> float | None:
    from datagen.answers.score import score_of  # its patterns take a while to compile, and options ask for HIGHEST alone

    return score_of("".join(said), low, high)
