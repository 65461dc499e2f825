"""The longest run of tokens that two texts share."""

from __future__ import annotations

from datagen.text.tokens import tokens


def longest_shared_run(text: str, other: str) -> list[str]:
    """Return the tokens of the longest run that stands in both texts (longest common substring of tokens).

    Quadratic in the tokens of the shorter times those of the longer; meant for an instruction and its text.
    """
    mine, theirs = tokens(text), tokens(other)
    best, end, before = 0, 0, [0] * (len(mine) + 1)
    for token in theirs:
        now = [0] * (len(mine) + 1)
        for i, own in enumerate(mine, start=1):
            if own == token:
                now[i] = before[i - 1] + 1
                if now[i] > best:
                    best, end = now[i], i
        before = now
    return mine[end - best : end]
