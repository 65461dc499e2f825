"""What a question asks about in a script that does not space words, so that another entity in it is another question.

There an entity is many tokens, each of which other words hold too, so no single new token tells it. Where the answers are
short, and so equal for many questions, two questions are the same only when all that is left of them is: without politeness,
particles and the words for "what". Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import regex

from datagen.text import is_unspaced
from datagen.wordlists import entries

LONGEST = 200  # tokens of a question; in a longer text one more word makes no other question


@cache
def _said_or_not() -> regex.Pattern[str]:
    words = sorted(entries("question_words"), key=len, reverse=True)
    return regex.compile("|".join(map(regex.escape, words)))


def asked(tokens: Sequence[str]) -> str:
    """Return what is left of a question, from its tokens; "" where its script spaces words, and for a long text."""
    if len(tokens) > LONGEST or not any(map(is_unspaced, tokens)):
        return ""
    joined = "".join(t if is_unspaced(t) else f" {t} " for t in tokens)
    return " ".join(_said_or_not().sub("", joined).split())
