"""What a short question asks about, in a script that does not space words: all of it but politeness, particles and "what".

There an entity is many tokens, each of which other words hold too, so that no single new token tells it. Where the answers are
short, and so equal for many questions, two questions are about something else when each has some tokens in the place of the
other's: `answers.other_question`. A word more in one of them, or one letter of Thai mistyped, is no other entity.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.similarity.decoration import is_symbol
from datagen.similarity.tokenised import Tokenised, tokenised
from datagen.text.tokens import Units, is_unspaced, tokens
from datagen.text.wordlists import entries

LONGEST = 200  # tokens of a question; in a longer text one more word makes no other question
# A cluster of Thai, Lao, Burmese or Khmer is a letter; of Han and kana it is a syllable or a word.
OF_LETTERS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
LEAST = 2  # tokens of each, in the place of the other's; one letter less or more may be mistyped
FEW = 12  # tokens that are left of a question in which one character of Han or kana is enough: 北京 and 南京, 猫 and 狗
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
    unspaced = np.array([is_unspaced(t) for t in tasks.vocabulary], bool)
    held = np.concatenate([[0], np.cumsum(unspaced[tasks.ids])])
    some = held[tasks.offsets[1:]] > held[tasks.offsets[:-1]]
    longer = WORDS_OF_LETTERS if units == "graphemes" else 1
    wanted = some & (lengths < longer * short) & (tasks.counts <= LONGEST)
    if units != "graphemes":  # words of a dictionary: the rows that are wanted, in letters
        tasks = tokenised([text if yes else "" for text, yes in zip(contexts, wanted.tolist(), strict=True)])
    least, left = np.zeros(len(contexts), np.int8), np.zeros(len(tasks.ids), bool)
    for row in np.flatnonzero(wanted).tolist():
        found = tasks.of(row)
        letters = OF_LETTERS.search("".join(found)) is not None
        if letters or lengths[row] < short:
            start = tasks.offsets[row]
            left[start : tasks.offsets[row + 1]] = True
            size = len(found)
            for begin, end in question_words(found):
                left[start + begin : start + end] = False
                size -= end - begin
            least[row] = LEAST if letters or size > FEW else 1
    left &= np.array([not is_symbol(t) for t in tasks.vocabulary], bool)[tasks.ids]
    ends = np.concatenate([[0], np.cumsum(left)])[tasks.offsets]
    asked = Tokenised(tasks.ids[left], ends.astype(np.int64), tasks.vocabulary)
    return {"asked_tokens": asked.column(), "asked_least": pa.array(least)}


def question_words(found: list[str]) -> list[tuple[int, int]]:
    """Return where in the tokens of a question the words stand that ask, the longest words first: begin and end of each."""
    spans = [hit.span() for hit in _question_words().finditer("".join(found))]
    if not spans:
        return []
    places = {start: place for place, start in enumerate(accumulate(map(len, found), initial=0))}
    # One that begins or ends inside a character with its marks is no word.
    return [(places[a], places[b]) for a, b in spans if a in places and b in places]


@cache
def _question_words() -> re.Pattern[str]:
    words = {"".join(tokens(word)) for word in entries("question_words")}
    return re.compile("|".join(map(re.escape, sorted(words, key=lambda w: (-len(w), w)))))
