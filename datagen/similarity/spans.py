"""The longest run of tokens that two texts share."""

from __future__ import annotations

from datagen.text import tokens


def longest_shared_run(text: str, other: str) -> int:
    """Return the number of tokens of the longest run that stands in both texts (longest common substring of tokens).

    Quadratic in the tokens of the shorter times those of the longer; meant for an instruction and its text.
    """
    mine, theirs = tokens(text), tokens(other)
    best, before = 0, [0] * (len(mine) + 1)
    for token in theirs:
        now = [0] * (len(mine) + 1)
        for i, own in enumerate(mine, start=1):
            if own == token:
                now[i] = before[i - 1] + 1
                best = max(best, now[i])
        before = now
    return best
