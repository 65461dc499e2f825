"""Which rows can be about what a row is about, where something rare says so.

`answers.same_answer` holds two rows apart when a token stands both in the task and in the answer of one and nowhere in the
other: another entity in the same words. So a row can only repeat rows that hold its rarest such token. Where few do, they are
all that needs to be compared: a template filled with a thousand names is then no million of pairs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity.token_lists import Ids, Offsets, TokenLists

MOST = 64  # rows that hold a token; above, the index of rare tokens finds the candidates

Places = npt.NDArray[np.int64]


def _by_dictionaries(
    tasks: Ids, task_offsets: Offsets, answers: Ids, answer_offsets: Offsets, size: int
) -> tuple[Ids, Offsets, npt.NDArray[np.bool_]]:
    """The same as `row_tokens`, without a compiler."""
    task_ids, task_ends, answer_ids, answer_ends = (a.tolist() for a in (tasks, task_offsets, answers, answer_offsets))
    ids, both, offsets = list[int](), list[bool](), [0]
    for i in range(len(task_ends) - 1):
        asked = dict.fromkeys(task_ids[task_ends[i] : task_ends[i + 1]])
        said = dict.fromkeys(answer_ids[answer_ends[i] : answer_ends[i + 1]])
        both += [token in said for token in asked]
        ids += asked | said
        offsets.append(len(ids))
        both += [False] * (len(ids) - len(both))
    return np.array(ids, np.uint32), np.array(offsets), np.array(both, np.bool_)


@kernel(plain=_by_dictionaries, work=lambda tasks, task_offsets, answers, *rest: 20 + 0.2 * (len(tasks) + len(answers)))
def row_tokens(
    tasks: Ids, task_offsets: Offsets, answers: Ids, answer_offsets: Offsets, size: int
) -> tuple[Ids, Offsets, npt.NDArray[np.bool_]]:
    """Return each row's distinct tokens (ids, offsets int64[n + 1]), and of each token whether task and answer both hold it."""
    n = len(task_offsets) - 1
    ids, both = np.empty(len(tasks) + len(answers), np.uint32), np.zeros(len(tasks) + len(answers), np.bool_)
    offsets, place = np.zeros(n + 1, np.int64), np.full(size, -1, np.int64)
    used = 0
    for i in range(n):
        for token in tasks[task_offsets[i] : task_offsets[i + 1]]:
            if place[token] < offsets[i]:
                ids[used], place[token] = token, used
                used += 1
        asked = used
        for token in answers[answer_offsets[i] : answer_offsets[i + 1]]:
            if place[token] < offsets[i]:
                ids[used], place[token] = token, used
                used += 1
            elif place[token] < asked:
                both[place[token]] = True
        offsets[i + 1] = used
    return ids[:used], offsets, both[:used]


@kernel()
def rarest_of(ids: Ids, offsets: Offsets, both: npt.NDArray[np.bool_], often: Places) -> Places:
    """Return each row's rarest token of those in both, where at most MOST rows hold it: int64[n], -1 = none."""
    found = np.full(len(offsets) - 1, -1, np.int64)
    for i in range(len(found)):
        least = MOST
        for k in range(offsets[i], offsets[i + 1]):
            if both[k] and often[ids[k]] <= least:
                found[i], least = ids[k], often[ids[k]] - 1
    return found


@kernel()
def listed(ids: Ids, offsets: Offsets, begin: Places, total: int) -> npt.NDArray[np.int32]:
    """Return the rows that hold each token, rising, from where `begin` int64[size] says (-1 = not listed)."""
    rows, filled = np.empty(total, np.int32), begin.copy()
    for i in range(len(offsets) - 1):
        for k in range(offsets[i], offsets[i + 1]):
            if filled[ids[k]] >= 0:
                rows[filled[ids[k]]] = i
                filled[ids[k]] += 1
    return rows


def holders(tasks: TokenLists, answers: TokenLists) -> tuple[Places, Places, npt.NDArray[np.int32]]:
    """Return, per row, where in one list of rows those stand that hold its rarest entity: start and end int64[n], rows int32.

    start is -1 for a row without a token that stands in its task and its answer and in at most MOST rows. The rows rise.
    """
    size = max(tasks.size, answers.size)
    ids, offsets, both = row_tokens(tasks.ids, tasks.offsets, answers.ids, answers.offsets, size)
    often = np.bincount(ids, minlength=size)
    rarest = rarest_of(ids, offsets, both, often)
    some = rarest >= 0
    wanted = np.unique(rarest[some])
    ends = np.cumsum(often[wanted])
    begin = np.full(size, -1, np.int64)
    begin[wanted] = ends - often[wanted]
    start, end = np.full(len(rarest), -1, np.int64), np.full(len(rarest), -1, np.int64)
    start[some] = begin[rarest[some]]
    end[some] = start[some] + often[rarest[some]]
    return start, end, listed(ids, offsets, begin, int(ends[-1]) if len(ends) else 0)
