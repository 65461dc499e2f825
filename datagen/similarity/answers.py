"""When a row's answers repeat a kept row's: the kernel beside the similarity of the tasks; see `same_answer` for why."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity import postings
from datagen.similarity.lcs import Scratch, f1, lcs
from datagen.similarity.postings import Index, Int32
from datagen.similarity.token_lists import Ids, Offsets


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
    task_offsets int64[n_rows + 1]: what each row asks, numbered as its answer is, for `other_entity`. start, end and holders:
    `entities.holders` of them; empty where no row is limited by it. asked uint32 and asked_offsets int64[n_rows + 1]: what each
    short question is about, in the same numbers, and least int8[n_rows]: tokens that make it another, 0 = none do; all empty
    where it does not matter.
    """

    threshold: float
    short: int
    facts: npt.NDArray[np.int64]
    tasks: Ids
    task_offsets: Offsets
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    holders: Int32
    asked: Ids
    asked_offsets: Offsets
    least: npt.NDArray[np.int8]


NOWHERE = np.empty(0, np.int64)
NOTHING, NO_LIMIT = np.empty(0, np.uint32), np.empty(0, np.int8)
ANY_ANSWER = Same(
    -1.0, 0, NOWHERE, NOTHING, np.zeros(1, np.int64), NOWHERE, NOWHERE, np.empty(0, np.int32), NOTHING, np.zeros(1, np.int64),
    NO_LIMIT,
)  # fmt: skip


@kernel()
def held_by(i: int, same: Same, out: npt.NDArray[np.bool_], found: Int32) -> int:
    """Write to `found` the rows before i that hold its rarest entity and are not out; return how many, -1 = not limited."""
    if len(same.start) == 0 or same.start[i] < 0:
        return -1
    count = 0
    for row in same.holders[same.start[i] : same.end[i]]:
        if row >= i:
            break
        if not out[row]:
            found[count] = row
            count += 1
    return count


@kernel()
def same_answer(i: int, row: int, answers: Side, same: Same, scratch: Scratch) -> bool:
    """Whether row i has the answer of a kept row: equal, or with F1 above the threshold, and both about no other entity."""
    if len(same.least) > 0 and same.least[i] > 0 and same.least[row] > 0 and other_question(i, row, same, scratch):
        return False
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


@kernel()
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


@kernel()
def other_question(i: int, row: int, same: Same, scratch: Scratch) -> bool:
    """Whether two short questions of a script without spaces are about something else.

    What stands between their common beginning and their common end has `least` tokens or more in both, and the shorter of the
    two parts is not the longer one with tokens left out. The same whichever of the two comes first.
    """
    x = same.asked[same.asked_offsets[i] : same.asked_offsets[i + 1]]
    y = same.asked[same.asked_offsets[row] : same.asked_offsets[row + 1]]
    shorter, head, tail = min(len(x), len(y)), 0, 0
    while head < shorter and x[head] == y[head]:
        head += 1
    while tail < shorter - head and x[len(x) - 1 - tail] == y[len(y) - 1 - tail]:
        tail += 1
    part = shorter - head - tail
    if part < max(same.least[i], same.least[row]):
        return False
    return bool(lcs(x[head : len(x) - tail], y[head : len(y) - tail], scratch, 0.0) < part)
