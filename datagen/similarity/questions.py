"""What a short question asks about, in a script that does not space words: all of it but politeness, particles and "what".

There an entity is many tokens, each of which other words hold too, so that no single new token tells it. Where the answers are
short, and so equal for many questions, two questions are about something else when each has some tokens in the place of the
other's: `answers.other_question`. A word more in one of them, or one letter of Thai mistyped, is no other entity.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import regex

from datagen.similarity.columns import encoded
from datagen.similarity.tokenised import Tokenised
from datagen.text import Units, is_unspaced, tokens
from datagen.wordlists import entries

LONGEST = 200  # tokens of a question; in a longer text one more word makes no other question
OF_LETTERS = regex.compile(
    r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)  # a cluster is a letter; elsewhere it is a syllable or a word
LEAST_LETTERS, LEAST_SYLLABLES = 2, 1  # tokens of each, in the place of the other's
WORDS_OF_LETTERS = 2  # times as many letters as `short_answer` are still a short answer


def question_columns(
    tasks: Tokenised, contexts: list[str], lengths: npt.NDArray[np.int64], short: int, units: Units
) -> dict[str, pa.Array]:
    """Return the score columns `asked_tokens` and `asked_least`, of rows with short answers; empty and 0 for others.

    Args:
        tasks: what each row asks, in the units that are compared.
        contexts: the same as text.
        lengths: tokens of each answer.
        short: tokens of an answer that is not short any more.
        units: what `tasks` and `lengths` are counted in.
    """
    n = len(contexts)
    asked: list[list[str]] = [[] for _ in range(n)]
    least = np.zeros(n, np.int8)
    unspaced = np.array([is_unspaced(t) for t in tasks.vocabulary], bool)
    held = np.concatenate([[0], np.cumsum(unspaced[tasks.ids])])
    some = held[tasks.offsets[1:]] > held[tasks.offsets[:-1]]
    longer = WORDS_OF_LETTERS if units == "graphemes" else 1
    for row in np.flatnonzero(some & (lengths < longer * short) & (tasks.counts <= LONGEST)).tolist():
        found = tasks.of(row) if units == "graphemes" else tokens(contexts[row])
        letters = any(map(OF_LETTERS.match, found))
        if letters or lengths[row] < short:
            asked[row] = without_question_words(found)
            least[row] = LEAST_LETTERS if letters else LEAST_SYLLABLES
    return {"asked_tokens": encoded(asked), "asked_least": pa.array(least)}


def without_question_words(found: list[str]) -> list[str]:
    """Return the tokens of a question that are in none of the words that ask, the longest words first."""
    text, starts = "".join(found), np.cumsum([0, *map(len, found)]).tolist()
    places = {start: place for place, start in enumerate(starts)}
    gone: set[int] = set()
    for hit in _question_words().finditer(text):
        if hit.start() in places and hit.end() in places:  # not a part of a character with its marks
            gone.update(range(places[hit.start()], places[hit.end()]))
    return [token for place, token in enumerate(found) if place not in gone]


@cache
def _question_words() -> regex.Pattern[str]:
    words = {"".join(tokens(word)) for word in entries("question_words")}
    return regex.compile("|".join(map(regex.escape, sorted(words, key=lambda w: (-len(w), w)))))
