"""py3langid's model, walked by a kernel: the same probabilities as its own `rank`, several times as fast.

Its walk over the bytes of a text is a loop in Python, which took most of the time of telling languages.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]


class Model:
    """A `LanguageIdentifier` that is restricted to some languages, its tables as arrays."""

    def __init__(self, identifier: Any) -> None:
        """Take the tables of a py3langid identifier that normalises to probabilities."""
        self._next = np.asarray(identifier.tk_nextmove, np.uint32)
        self._row = np.asarray(identifier.tk_row, np.int64) << 8
        self._output = np.asarray(identifier.tk_output, np.int32)
        self._weights = np.asarray(identifier.nb_ptc, np.float32)
        self._prior = np.asarray(identifier.nb_pc, np.float32)
        self._counts = np.zeros(len(self._weights), np.int32)  # of each feature; zero again after every text
        first = {language: at for at, language in reversed(list(enumerate(identifier.nb_classes)))}
        self._languages, self._columns = list(first), list(first.values())
        self._same: list[tuple[int, int]] = identifier._alias_pairs  # columns of one language in two scripts

    def probabilities(self, text: str) -> dict[str, float]:
        """Return the probability of each language, as `rank` gives them."""
        lower = text.lower() if text.isupper() else text
        data = np.frombuffer(unicodedata.normalize("NFC", lower).encode("utf-8", "surrogatepass"), np.uint8)
        scores = scored(self._next, self._row, self._output, self._weights, self._prior, self._counts, data)
        scores *= 1.0 / math.sqrt(len(data) or 1)
        np.exp(scores - scores.max(), out=scores)
        scores /= scores.sum()
        for one, other in self._same:
            scores[one] += scores[other]
            scores[other] = 0.0
        return dict(zip(self._languages, scores[self._columns].tolist(), strict=True))


@njit(cache=True)
def scored(
    following: npt.NDArray[np.uint32], row: npt.NDArray[np.int64], output: npt.NDArray[np.int32], weights: Floats,
    prior: Floats, counts: npt.NDArray[np.int32], data: npt.NDArray[np.uint8],
) -> Floats:  # fmt: skip
    """Return the log-posterior of each language, zeros where the bytes have no feature.

    The features are what the automaton puts out over the bytes; each adds its weights times log1p of its count.
    """
    found = np.empty(len(data), np.int32)
    state, used = np.int64(0), 0
    for byte in data:
        state = np.int64(following[row[state] + byte])
        feature = output[state]
        if feature >= 0:
            if not counts[feature]:
                found[used] = feature
                used += 1
            counts[feature] += 1
    scores = np.zeros(len(prior), np.float32)
    if used:
        scores += prior
    for feature in found[:used]:
        weight = np.float32(np.log1p(counts[feature]))
        counts[feature] = 0
        for language in range(len(prior)):
            scores[language] += weight * weights[feature, language]
    return scores
