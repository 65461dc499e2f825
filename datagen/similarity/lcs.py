"""The longest common subsequence of token lists, bit-parallel, and the ROUGE-L F1 that comes of it.

Source: Hyyrö 2004, 64 tokens per machine word; F1 in the floating-point operations of `rouge_score`, so that ties round alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity.postings import Int32, popcount
from datagen.similarity.token_lists import Ids, TokenLists

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


class Scratch(NamedTuple):
    """Work space: slot int32[n_tokens] (-1), masks uint64[64], carries uint8[longest], seen and found int32[n_rows], flags."""

    slot: Int32
    masks: npt.NDArray[np.uint64]
    carries: npt.NDArray[np.uint8]
    seen: Int32
    found: Int32
    flags: npt.NDArray[np.uint8]


@kernel()
def f1(common: int, m: int, n: int) -> float:
    """ROUGE-L F1 in the operations of rouge_score, so that ties round the same way; two empty texts are equal."""
    if m == 0 and n == 0:
        return 1.0
    if common == 0:
        return 0.0
    precision, recall = common / m, common / n
    return 2 * precision * recall / (precision + recall)


def _by_integers(x: Ids, y: Ids, scratch: Scratch, needed: float) -> int:
    """The same as `lcs`, without a compiler: Python's integers are one machine word of any length."""
    masks: dict[int, int] = {}
    for i, token in enumerate(x.tolist()):
        masks[token] = masks.get(token, 0) | 1 << i
    state = ones = (1 << len(x)) - 1
    for token in y.tolist():
        u = state & masks.get(token, 0)
        state = (state + u | state - u) & ones
    length = len(x) - state.bit_count()
    return length if length >= needed else 0


@kernel(plain=_by_integers)
def lcs(x: Ids, y: Ids, scratch: Scratch, needed: float) -> int:
    """Length of the longest common subsequence; 0 where it does not reach `needed`.

    x is taken in blocks of 64 tokens, one machine word each; what a block carries over at each token of y is kept for the
    next, so that the space is linear in the rows.
    """
    slot, masks, carries = scratch.slot, scratch.masks, scratch.carries
    m, n = len(x), len(y)
    length = 0
    for start in range(0, m, 64):
        if length + min(m - start, n) < needed:
            return 0
        size = min(64, m - start)
        used = 0
        for i in range(size):
            token = x[start + i]
            if slot[token] < 0:
                slot[token] = used
                masks[used] = 0
                used += 1
            masks[slot[token]] |= np.uint64(1) << np.uint64(i)
        state = ONES
        for j in range(n):
            at = slot[y[j]]
            carry = np.uint64(carries[j]) if start else np.uint64(0)
            u = state & masks[at] if at >= 0 else np.uint64(0)
            total = state + u
            overflow = total < state
            total += carry
            carries[j] = overflow or total < carry
            state = total | (state - u)
        for i in range(size):
            slot[x[start + i]] = -1
        valid = ONES if size == 64 else (np.uint64(1) << np.uint64(size)) - np.uint64(1)
        length += int(popcount(~state & valid))
    return length if length >= needed else 0


def new_scratch(sides: Sequence[TokenLists]) -> Scratch:
    """Return work space for rows of these sides."""
    n, size = len(sides[0]), max(s.size for s in sides)
    longest = max((int(np.diff(s.offsets).max()) for s in sides if len(s)), default=0)
    return Scratch(
        np.full(size, -1, np.int32), np.zeros(64, np.uint64), np.zeros(longest, np.uint8),
        np.zeros(n, np.int32), np.empty(n, np.int32), np.zeros(size, np.uint8),
    )  # fmt: skip
