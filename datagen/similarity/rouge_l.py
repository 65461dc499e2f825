"""Exact greedy novelty filter by ROUGE-L F1, equal to comparing every row with every kept row.

Source: the filter of Self-Instruct and Alpaca (a row goes when its highest ROUGE-L F1 against the kept rows is above 0.7).
Same decisions as `rouge_score` on the same tokens, ties at the threshold included, because F1 is computed with the same
floating-point operations. The longest common subsequence is bit-parallel (Hyyrö 2004), 64 tokens per machine word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from datagen.similarity import postings
from datagen.similarity.postings import Index, Int32, popcount
from datagen.similarity.token_lists import Ids, Offsets, TokenLists, by_rarity, number_pairs

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


class Side(NamedTuple):
    """One compared text of every row: ids and keys (falling, rarest first) uint32[n_tokens], offsets, the index of the keys."""

    ids: Ids
    keys: Ids
    offsets: Offsets
    postings: Index


class Same(NamedTuple):
    """What makes two answers the same.

    threshold: F1 that they must be above, negative = answers do not matter. short: tokens; two answers of which one has fewer
    are the same only when equal. facts int64[n_rows]: rows with different numbers here are never the same. tasks uint32 and
    task_offsets int64[n_rows + 1]: what each row asks, numbered as its answer is, for `other_entity`.
    """

    threshold: float
    short: int
    facts: npt.NDArray[np.int64]
    tasks: Ids
    task_offsets: Offsets


ANY_ANSWER = Same(-1.0, 0, np.empty(0, np.int64), np.empty(0, np.uint32), np.zeros(1, np.int64))


class Scratch(NamedTuple):
    """Work space: slot int32[n_tokens] (-1), masks uint64[64], carries uint8[longest], seen and found int32[n_rows], flags."""

    slot: Int32
    masks: npt.NDArray[np.uint64]
    carries: npt.NDArray[np.uint8]
    seen: Int32
    found: Int32
    flags: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Nearest:
    """For each row the kept row it is most like, above the threshold: witness int64[n] (-1 = none, kept), score float64[n]."""

    witness: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]


@njit(cache=True)
def f1(common: int, m: int, n: int) -> float:
    """ROUGE-L F1 in the operations of rouge_score, so that ties round the same way; two empty texts are equal."""
    if m == 0 and n == 0:
        return 1.0
    if common == 0:
        return 0.0
    precision, recall = common / m, common / n
    return 2 * precision * recall / (precision + recall)


@njit(cache=True)
def lcs(x: Ids, y: Ids, scratch: Scratch, needed: float) -> int:
    """Length of the longest common subsequence; 0 as soon as it cannot reach `needed`.

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
        length += popcount(~state & valid)
    return length


@njit(cache=True)
def most_similar(
    i: int, x: Ids, keys: Ids, answer_keys: Ids, text: Side, answers: Side, same: Same, scratch: Scratch, t: float, mark: int,
    among: int,
) -> tuple[int, float]:  # fmt: skip
    """Return the kept row nearest to x (row i) above t, and its F1; -1 and 0.0 when there is none. The earliest of equals.

    Only rows before the position `among` count.

    Where answers matter only a kept row with the same facts and the same answer counts (see `Same`), and the side with the
    shorter posting lists is looked up: one template over many answers, or one answer over many tasks, stays cheap.
    """
    m = len(x)
    best, best_score = -1, 0.0
    if m == 0:
        return best, best_score
    ratio, answer_ratio = t / (2.0 - t), same.threshold / (2.0 - same.threshold)
    by_answer = False
    if same.threshold >= 0 and len(answer_keys) > 0:
        by_answer = postings.postings_to_read(answers.postings, answer_keys, answer_ratio) < postings.postings_to_read(
            text.postings, keys, ratio
        )
    if by_answer:
        found = postings.candidates(answers.postings, answer_keys, answer_ratio, scratch.seen, mark, scratch.found)
    else:
        found = postings.candidates(text.postings, keys, ratio, scratch.seen, mark, scratch.found)
    for c in range(found):
        row = scratch.found[c]
        if row >= among:
            continue
        if same.threshold >= 0 and same.facts[row] != same.facts[i]:
            continue
        y = text.ids[text.offsets[row] : text.offsets[row + 1]]
        score = f1(lcs(x, y, scratch, t / 2 * (m + len(y)) - postings.SLACK), m, len(y))
        if score > t and (score > best_score or (score == best_score and row < best)):
            if same.threshold >= 0 and not same_answer(i, row, answers, same, scratch):
                continue
            best, best_score = row, score
    return best, best_score


@njit(cache=True)
def same_answer(i: int, row: int, answers: Side, same: Same, scratch: Scratch) -> bool:
    """Whether row i has the answer of a kept row: equal, or with F1 above the threshold and about no other entity."""
    answer = answers.ids[answers.offsets[i] : answers.offsets[i + 1]]
    other = answers.ids[answers.offsets[row] : answers.offsets[row + 1]]
    m, n = len(answer), len(other)
    if m == n and np.all(answer == other):
        return True
    if min(m, n) < same.short or 2 * min(m, n) <= same.threshold * (m + n) - postings.SLACK:
        return False
    task = same.tasks[same.task_offsets[i] : same.task_offsets[i + 1]]
    other_task = same.tasks[same.task_offsets[row] : same.task_offsets[row + 1]]
    if other_entity(task, answer, other_task, other, scratch.flags) or other_entity(
        other_task, other, task, answer, scratch.flags
    ):
        return False
    common = lcs(answer, other, scratch, same.threshold / 2 * (m + n) - postings.SLACK)
    return bool(f1(common, m, n) > same.threshold)


@njit(cache=True)
def other_entity(task: Ids, answer: Ids, other_task: Ids, other_answer: Ids, flags: npt.NDArray[np.uint8]) -> bool:
    """Whether some token is new both in the task and in the answer: the row is about something else in the same words."""
    for token in other_task:
        flags[token] |= 1
    for token in other_answer:
        flags[token] |= 2
    for token in task:
        if not flags[token] & 1:
            flags[token] |= 4
    found = False
    for token in answer:
        if flags[token] & 4 and not flags[token] & 2:
            found = True
    for tokens in (task, answer, other_task, other_answer):
        for token in tokens:
            flags[token] = 0
    return found


@njit(cache=True)
def run_greedy(
    text: Side, answers: Side, same: Same, scratch: Scratch, t: float, pinned: int,
    witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill witness and score for every row in input order; a row without a witness joins the pool, a pinned one always."""
    for i in range(len(witness)):
        x = text.ids[text.offsets[i] : text.offsets[i + 1]]
        keys = text.keys[text.offsets[i] : text.offsets[i + 1]]
        answer_keys = answers.keys[answers.offsets[i] : answers.offsets[i + 1]]
        if i >= pinned:
            witness[i], score[i] = most_similar(i, x, keys, answer_keys, text, answers, same, scratch, t, i + 1, i)
        if witness[i] < 0:
            postings.insert(text.postings, i, keys, t / (2.0 - t))
            if same.threshold >= 0:
                postings.insert(answers.postings, i, answer_keys, same.threshold / (2.0 - same.threshold))


def compared(answers: TokenLists | None, same: Same | None, n: int) -> tuple[TokenLists, Same]:
    """Return the answers of n rows and what makes two the same as a kernel takes them: none, and any, where there are none."""
    if answers is None or same is None:
        return TokenLists(np.empty(0, np.uint32), np.zeros(n + 1, np.int64), 1), ANY_ANSWER
    return answers, same


def greedy(
    text: TokenLists, threshold: float, answers: TokenLists | None = None, same: Same | None = None, *, pinned: int = 0
) -> Nearest:  # fmt: skip
    """Return, for each row in order, the kept row it repeats.

    Args:
        text: the compared text of each row.
        threshold: F1 in 0..1; a row goes when it is above.
        answers: the answers, in the same order, where they matter.
        same: what makes two of them the same.
        pinned: rows at the head that stay whatever they are like.
    """
    n = len(text)
    answers, same = compared(answers, same, n)
    witness, score = np.full(n, -1, np.int64), np.zeros(n)
    groups = same.facts if same.threshold >= 0 else None
    sides = _side(text, threshold, groups), _side(answers, max(0.0, same.threshold), groups)
    run_greedy(*sides, same, new_scratch([text, answers]), threshold, pinned, witness, score)
    return Nearest(witness, score)


def _side(lists: TokenLists, threshold: float, groups: npt.NDArray[np.int64] | None) -> Side:
    """Return a side with an empty index; rows of different groups are never compared, so they share no key."""
    ratio = threshold / (2.0 - threshold)
    ids, size = lists.ids, lists.size
    if groups is not None and len(ids):
        ids = number_pairs(ids, np.repeat(groups, np.diff(lists.offsets)).astype(np.uint32))
        size = int(ids.max()) + 1
        ids = by_rarity(ids, size)
    keys = postings.sorted_keys(ids, lists.offsets)
    return Side(lists.ids, keys, lists.offsets, postings.index_for(keys, lists.offsets, size, ratio))


def new_scratch(sides: Sequence[TokenLists]) -> Scratch:
    """Return work space for rows of these sides."""
    n, size = len(sides[0]), max(s.size for s in sides)
    longest = max((int(np.diff(s.offsets).max()) for s in sides if len(s)), default=0)
    return Scratch(
        np.full(size, -1, np.int32), np.zeros(64, np.uint64), np.zeros(longest, np.uint8),
        np.zeros(n, np.int32), np.empty(n, np.int32), np.zeros(size, np.uint8),
    )  # fmt: skip
