"""The same ROUGE-L filter one row at a time: the pool of a generator, which grows as rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datagen.similarity import postings
from datagen.similarity.answers import ANY_ANSWER, Side
from datagen.similarity.lcs import Scratch
from datagen.similarity.rouge_l import candidates, most_similar
from datagen.similarity.token_lists import Ids


class RougePool:
    """Texts kept so far; `nearest` finds what a new one repeats, `add` keeps it.

    Equal to `rouge_l.greedy` over the same texts in the same order. Arrays double as they fill, so that adding is
    amortised constant time and the index is never rebuilt.
    """

    def __init__(self, threshold: float) -> None:
        """Start empty; `threshold` is the F1 (0..1) above which a text repeats another."""
        self.threshold = threshold
        self._ratio = threshold / (2.0 - threshold)
        self._vocabulary: dict[str, int] = {}
        self._rows = self._mark = 0
        self._ids = np.empty(1024, np.uint32)
        self._offsets = np.zeros(256, np.int64)
        self._index = postings.new_index(1024, 1024)
        self._slot = np.full(1024, -1, np.int32)
        self._seen = np.zeros(256, np.int32)
        self._masks = np.zeros(64, np.uint64)
        self._carries = np.zeros(256, np.uint8)
        self._flags = np.zeros(1, np.uint8)  # for answers, which a pool does not compare

    def __len__(self) -> int:
        return self._rows

    def nearest(self, tokens: Sequence[str], among: int | None = None) -> tuple[int, float] | None:
        """Return the position and F1 of the kept text most like this one above the threshold, or None.

        Args:
            tokens: the text.
            among: look only at so many texts, the first that were kept.
        """
        x = self._numbered(tokens)
        self._mark += 1
        found = np.empty(max(1, self._rows), np.int32)
        scratch = Scratch(self._slot, self._masks, self._carries, self._seen, found, self._flags)
        keys, nothing = np.sort(x)[::-1], np.empty(0, np.uint32)
        side = self._side()
        limit = self._rows if among is None else among
        if not len(x):
            return None
        count = candidates(keys, nothing, side, side, ANY_ANSWER, scratch, self.threshold, self._mark)
        row, score = most_similar(0, x, count, side, side, ANY_ANSWER, scratch, self.threshold, limit)
        return (int(row), float(score)) if row >= 0 else None

    def add(self, tokens: Sequence[str]) -> int:
        """Keep a text; return its position."""
        x = self._numbered(tokens)
        start, end = self._offsets[self._rows], self._offsets[self._rows] + len(x)
        self._ids = _room(self._ids, end)
        self._carries = _room(self._carries, len(x))
        self._offsets = _room(self._offsets, self._rows + 2)
        self._seen = _room(self._seen, self._rows + 1)
        keys = np.sort(x)[::-1]
        self._widened(keys)
        self._ids[start:end] = x
        self._offsets[self._rows + 1] = end
        postings.insert(self._index, self._rows, keys, self._ratio)
        self._rows += 1
        return self._rows - 1

    def _numbered(self, tokens: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        # A token met later gets a larger id, which the index takes for a rarer one: any fixed order is exact.
        vocabulary = self._vocabulary
        x = np.array([vocabulary.setdefault(t, len(vocabulary)) for t in tokens], np.uint32)
        size = len(vocabulary)
        if size > len(self._slot):
            self._slot = _room(self._slot, size, -1)
            self._index = self._index._replace(head=_room(self._index.head, size, postings.NONE))
        return x

    def _widened(self, keys: Ids) -> None:
        """Make the room that indexing these keys may take."""
        index = self._index
        lists = index.used[postings.LISTS] + len(keys)
        entries = index.used[postings.ENTRIES] + postings.entries_needed(index, keys, self._ratio)
        self._index = index._replace(
            lists=_room(index.lists, lists), entries=_room(index.entries, entries), bitmaps=_room(index.bitmaps, entries)
        )

    def _side(self) -> Side:
        return Side(self._ids, self._ids, self._offsets, self._index)


def _room(array: Any, size: int, fill: int = 0) -> Any:
    """Return the array, or a copy of at least twice its length with `fill` in the new part, so that `size` fits."""
    if size <= len(array):
        return array
    grown = np.full((max(size, 2 * len(array)), *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown
