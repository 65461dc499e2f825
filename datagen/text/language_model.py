"""py3langid's model, walked by a kernel: the same probabilities as its own `rank`, several times as fast.

Its walk over the bytes of a text is a loop in Python, which took most of the time of telling languages.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel

Floats = npt.NDArray[np.float32]


class Model:
    """A `LanguageIdentifier` that is restricted to some languages, its tables as arrays."""

    def __init__(self, identifier: Any, beforehand: tuple[str, float] | None = None) -> None:
        """Take the tables of a py3langid identifier that normalises to probabilities.

        `beforehand`: a language, and how many times likelier than the others it is before a word is read.
        """
        self._next = np.asarray(identifier.tk_nextmove, np.uint32)
        self._row = np.asarray(identifier.tk_row, np.int64) << 8
        self._output = np.asarray(identifier.tk_output, np.int32)
        self._weights = np.asarray(identifier.nb_ptc, np.float32)
        self._prior = np.asarray(identifier.nb_pc, np.float32)
        first = {language: at for at, language in reversed(list(enumerate(identifier.nb_classes)))}
        self._languages, self._columns = list(first), list(first.values())
        self._times = np.ones(len(self._languages), np.float32)
        if beforehand:
            self._times[self._languages.index(beforehand[0])] = beforehand[1]
        self._same: list[tuple[int, int]] = identifier._alias_pairs  # columns of one language in two scripts

    def most_likely(self, text: str) -> tuple[str, float]:
        """Return the likeliest language of a text and its probability, given how common each is beforehand."""
        weights = self._probabilities(text) * self._times
        best = int(weights.argmax())
        return self._languages[best], float(weights[best] / weights.sum())

    def probability(self, text: str, language: str) -> float:
        """Return the probability of a language, as py3langid's `rank` gives it."""
        return float(self._probabilities(text)[self._languages.index(language)])

    def _probabilities(self, text: str) -> Floats:
        lower = text.lower() if text.isupper() else text
        data = np.frombuffer(unicodedata.normalize("NFC", lower).encode("utf-8", "surrogatepass"), np.uint8)
        scores = scored(self._next, self._row, self._output, self._weights, self._prior, data)
        for one, other in self._same:
            scores[one] += scores[other]
            scores[other] = 0.0
        found: Floats = scores[self._columns]
        return found


def _by_rows(
    following: npt.NDArray[np.uint32], row: npt.NDArray[np.int64], output: npt.NDArray[np.int32], weights: Floats,
    prior: Floats, data: npt.NDArray[np.uint8],
) -> Floats:  # fmt: skip
    """The same as `scored`, without a compiler: all languages at once."""
    found: dict[int, int] = {}
    state = 0
    for byte in data.tolist():
        state = int(following[row[state] + byte])
        feature = int(output[state])
        if feature >= 0:
            found[feature] = found.get(feature, 0) + 1
    scores = np.zeros(len(prior), np.float32)
    if found:
        scores += prior
    for feature, count in found.items():
        scores += np.float32(np.log1p(count)) * weights[feature]
    return shares.plain(scores, len(data))


@kernel()
def shares(scores: Floats, length: int) -> Floats:
    """Return the probabilities of sums of weights over a text of so many bytes.

    In double precision and one after the other: compiled and in Python it is the same to the last bit.
    """
    scores *= np.float32(1.0 / math.sqrt(max(1, length)))
    best, total = np.float64(scores.max()), 0.0
    likely = np.empty(len(scores), np.float64)
    for language in range(len(scores)):
        likely[language] = math.exp(np.float64(scores[language]) - best)
        total += likely[language]
    return (likely / total).astype(np.float32)


@kernel(plain=_by_rows, work=lambda following, row, output, weights, prior, data: 100 + 2 * len(data))
def scored(
    following: npt.NDArray[np.uint32], row: npt.NDArray[np.int64], output: npt.NDArray[np.int32], weights: Floats,
    prior: Floats, data: npt.NDArray[np.uint8],
) -> Floats:  # fmt: skip
    """Return the probability of each language, equal ones where the bytes have no feature.

    The features are what the automaton puts out over the bytes; each adds its weights times log1p of its count. The logarithm
    is divided by the root of the length before it becomes a probability, as py3langid does.
    """
    counts = np.zeros(len(weights), np.int32)  # of each feature
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
        for language in range(len(prior)):
            scores[language] += weight * weights[feature, language]
    return shares(scores, len(data))
