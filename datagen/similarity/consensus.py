"""How much each of a few texts has in common with the others: the mean ROUGE-L F1 of every pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity.lcs import Scratch, f1, lcs, new_scratch
from datagen.similarity.token_lists import Ids, from_strings
from datagen.text.tokens import tokens


def mean_f1(texts: Sequence[str]) -> list[float]:
    """Return the mean F1 of each text with all others, 0..1; of one text alone 1."""
    if len(texts) < 2:
        return [1.0] * len(texts)
    lists = from_strings(tokens(t) for t in texts)
    found: list[float] = _means(lists.ids, lists.offsets, new_scratch([lists])).tolist()
    return found


@kernel(work=lambda ids, offsets, scratch: len(offsets) ** 2 * 5 + len(offsets) * len(ids))
def _means(ids: Ids, offsets: npt.NDArray[np.int64], scratch: Scratch) -> npt.NDArray[np.float64]:
    n = len(offsets) - 1
    total = np.zeros(n)
    for i in range(n):
        x = ids[offsets[i] : offsets[i + 1]]
        for j in range(i):
            y = ids[offsets[j] : offsets[j + 1]]
            score = f1(lcs(x, y, scratch, 0.0), len(x), len(y))
            total[i] += score
            total[j] += score
    return total / (n - 1)
