"""Tokens numbered by rarity: as sorting them by their counts does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datagen.similarity.token_lists import by_rarity


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(0, 3))
def test_a_more_frequent_token_gets_a_smaller_number_and_ties_keep_their_order(ids: list[int], unused: int) -> None:
    size = max(ids, default=-1) + 1 + unused
    order = sorted(range(size), key=lambda t: (-ids.count(t), t))
    assert by_rarity(np.array(ids, np.uint32), size).tolist() == [order.index(t) for t in ids]
