"""Tags without a model: what each sentence asks for as verb and noun, and the topic of a row as a cluster of words.

The same rows give the same tags. Clusters are made within each language, from the words that are neither in most rows nor in
one only: TF-IDF, its largest 100 directions (truncated SVD), k-means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import regex

from datagen.text import verbs
from datagen.text.tokens import dictionary_tokens
from datagen.text.verbs.words import noun_of

SENTENCES = 12  # of a text that are read for what they ask
TERMS = 200  # different words of a row that count for its topic
LEAST_ROWS = 20  # of a language: fewer have no topics
DIRECTIONS = 100  # of the words' space
NAMED_BY = 3  # words in the name of a topic
MOST_ROWS_OF_A_WORD = 0.05  # share of a language's rows: a word that is in more of them is about nothing
_END = regex.compile(r"(?<=[.?!。？！;；])\s*|\n+")
_WORD = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}'’-]+")


def intents(text: str, language: str) -> list[str]:
    """Return what a text asks for, `verb noun` for each sentence that has both, each once, in order.

    Raises:
        UsageError: the extra that the language needs is not installed.
    """
    if language not in verbs.LANGUAGES:
        return []
    found: dict[str, None] = {}
    for sentence in [s for s in _END.split(text[: verbs.LONGEST]) if s.strip()][:SENTENCES]:
        verb, noun = verbs.verb_noun(sentence, language)
        if verb and noun:
            found[f"{verb} {noun}" if language == "en" else verb + noun] = None
    return list(found)


def terms(text: str, language: str) -> list[str]:
    """Return the different words of a text that can name a topic, in order.

    Of English the nouns, as lemmas; of other languages every word of two letters or more, those of Chinese and Thai by a
    dictionary.

    Raises:
        UsageError: the extra that holds a dictionary is not installed.
    """
    found = [t for t in dictionary_tokens(text) if len(t) > 1 and _WORD.fullmatch(t)]
    if language == "en":
        # Plurals only: the dictionary takes india for the plural of indium.
        found = [noun if t.endswith("s") else t for t in found if (noun := noun_of(t))]
    return list(dict.fromkeys(found))[:TERMS]


def topics(rows: Sequence[Sequence[str]], languages: Sequence[str], count: int | None, seed: int) -> list[str | None]:
    """Return the topic of each row, named by the words that set its cluster apart; None where a row has none.

    Args:
        rows: the `terms` of each row.
        languages: of each row.
        count: clusters of a language; None = the square root of half its rows, at most 200.
        seed: of k-means.
    """
    found: list[str | None] = [None] * len(rows)
    for language in dict.fromkeys(languages):
        here = [i for i, name in enumerate(languages) if name == language]
        if len(here) >= LEAST_ROWS and count != 0:
            wanted = count or min(200, max(2, round((len(here) / 2) ** 0.5)))
            for i, name in zip(here, _clusters([rows[i] for i in here], wanted, seed), strict=True):
                found[i] = name
    return found


def _clusters(rows: Sequence[Sequence[str]], count: int, seed: int) -> list[str | None]:
    """Return the name of each row's cluster; None where it has no word that tells it apart."""
    matrix, words = _tf_idf(rows)
    able = np.flatnonzero(np.diff(matrix.indptr))
    if len(able) < LEAST_ROWS or len(words) < 2:
        return [None] * len(rows)
    different = len({tuple(row) for row in rows})
    if different < 2:
        return [None] * len(rows)
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    some = matrix[able]
    size = min(DIRECTIONS, *(n - 1 for n in some.shape))
    reduced = normalize(TruncatedSVD(size, random_state=seed).fit_transform(some))
    labels = KMeans(min(count, len(able), different), n_init=1, random_state=seed).fit(np.round(reduced, 9)).labels_
    names = _names(some, labels, words)
    found: list[str | None] = [None] * len(rows)
    for at, label in zip(able.tolist(), labels.tolist(), strict=True):
        found[at] = names[label]
    return found


def _tf_idf(rows: Sequence[Sequence[str]]) -> tuple[Any, list[str]]:
    """Return the rows as a sparse matrix of unit TF-IDF vectors (a word counts once a row), and its words."""
    from scipy.sparse import csr_matrix, diags

    rows_of = Counter(word for row in rows for word in row)
    most = max(LEAST_ROWS, MOST_ROWS_OF_A_WORD * len(rows))
    words = sorted(word for word, n in rows_of.items() if 2 <= n <= most)
    place = {word: i for i, word in enumerate(words)}
    of = [[place[w] for w in row if w in place] for row in rows]
    flat = np.array([i for row in of for i in row], np.int64)
    weights = np.log(len(rows) / np.array([rows_of[w] for w in words], np.float64)) + 1.0
    ends = np.cumsum([0, *map(len, of)])
    matrix = csr_matrix((weights[flat] if len(flat) else np.zeros(0), flat, ends), (len(rows), len(words)))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return (diags(1.0 / np.where(lengths > 0, lengths, 1.0)) @ matrix).tocsr(), words


def _names(matrix: Any, labels: npt.NDArray[np.int32], words: Sequence[str]) -> dict[int, str]:
    """Return a name for each cluster: the words whose mean weight in it stands out most against all rows."""
    everywhere = np.asarray(matrix.mean(0)).ravel()
    names: dict[int, str] = {}
    taken: Counter[str] = Counter()
    for label in sorted({*labels.tolist()}):
        lift = np.asarray(matrix[labels == label].mean(0)).ravel() - everywhere
        best = np.argsort(-lift, kind="stable")[:NAMED_BY]
        name = "topic: " + ", ".join(words[i] for i in best.tolist() if lift[i] > 0)
        taken[name] += 1
        names[label] = name if taken[name] == 1 else f"{name} ({taken[name]})"
    return names
