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
    `entities.holders` of them; empty where no row is limited by it.
    """

    threshold: float
    short: int
    facts: npt.NDArray[np.int64]
    tasks: Ids
    task_offsets: Offsets
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    holders: Int32


NOWHERE = np.empty(0, np.int64)
ANY_ANSWER = Same(
    -1.0, 0, np.empty(0, np.int64), np.empty(0, np.uint32), np.zeros(1, np.int64), NOWHERE, NOWHERE, np.empty(0, np.int32)
)


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
