"""The index loses no row that can reach the threshold, whatever the lengths, laid out for all rows or growing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.similarity import postings

EDGES = [*range(300), 511, 512, 513, 1023, 1024, 1025, 99_999, 1 << 30]


@pytest.mark.parametrize("n", EDGES)
def test_each_length_lies_in_its_band(n: int) -> None:
    shortest, longest = postings.lengths_of(postings.band_of(n))
    assert shortest <= n <= longest
    assert longest - shortest <= n / 16
    assert n >= 32 or shortest == longest == n


def test_bands_follow_each_other_without_a_gap() -> None:
    bounds = [postings.lengths_of(band) for band in range(120)]
    assert all(before[1] + 1 == after[0] for before, after in pairwise(bounds))


def keys_of(row: list[int]) -> np.ndarray:
    return np.sort(np.array(row, np.uint32))[::-1]


ROWS = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=90), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(ROWS, st.sampled_from([0.1, 1 / 3, 0.5, 7 / 13, 0.7, 0.9, 1.0]), st.booleans())
def test_no_row_that_can_reach_the_threshold_is_lost(rows: list[list[int]], ratio: float, laid_out: bool) -> None:
    keys = [keys_of(row) for row in rows]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    if laid_out:
        index = postings.index_for(np.concatenate(keys), offsets, 41, ratio)
        reserved = index.used.copy()
    else:
        index = postings.new_index(41, 100_000)
    for at, mine in enumerate(keys):
        found = np.empty(len(rows), np.int32)
        count = postings.candidates(index, mine, ratio, np.zeros(len(rows), np.int32), 1, found)
        reach = set()
        for other in range(at):
            common = sum(min(rows[at].count(k), rows[other].count(k)) for k in range(41))
            if common and common >= ratio / (1 + ratio) * (len(rows[at]) + len(rows[other])):
                reach.add(other)
        assert reach <= set(found[:count].tolist())
        assert count == len(set(found[:count].tolist()))
        assert postings.postings_to_read(index, mine, ratio) >= count
        before = index.used.copy()
        room = postings.entries_needed(index, mine, ratio)
        postings.insert(index, at, mine, ratio)
        assert index.used[postings.ENTRIES] - before[postings.ENTRIES] <= room
    if laid_out:
        assert index.used.tolist() == reserved.tolist()
