"""Exact greedy novelty filter by ROUGE-L F1, equal to comparing every row with every kept row.

Source: the filter of Self-Instruct and Alpaca (a row goes when its highest ROUGE-L F1 against the kept rows is above 0.7).
Same decisions as `rouge_score` on the same tokens, ties at the threshold included, because F1 is computed with the same
floating-point operations. The longest common subsequence is bit-parallel (Hyyrö 2004), 64 tokens per machine word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel
from datagen.similarity import postings
from datagen.similarity.answers import ANY_ANSWER, Same, Side, held_by, same_answer
from datagen.similarity.lcs import Scratch, f1, lcs, new_scratch
from datagen.similarity.postings import candidates as indexed
from datagen.similarity.postings import insert, postings_to_read
from datagen.similarity.token_lists import Ids, TokenLists, by_rarity, number_pairs


class Contexts(NamedTuple):
    """What a row answers, int64[n_rows] (-1 = nothing), and with what, int64[n_rows]: the same with another is a conflict."""

    asked: npt.NDArray[np.int64]
    said: npt.NDArray[np.int64]


NO_CONTEXTS = Contexts(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Nearest:
    """For each row the kept row it is most like, above the threshold: witness int64[n] (-1 = none, kept), score float64[n].

    conflict int64[n] is, where contexts were given, the kept row with the same context and another answer, for which the row
    goes too; else -1 everywhere.
    """

    witness: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    conflict: npt.NDArray[np.int64]


@kernel(work=lambda keys, *rest: 50 + 20 * len(keys))
def candidates(
    keys: Ids, answer_keys: Ids, text: Side, answers: Side, same: Same, scratch: Scratch, t: float, mark: int
) -> int:  # fmt: skip
    """Write to `scratch.found` the indexed rows that can be above t; return how many.

    Where answers matter the side with the shorter posting lists is looked up: one template over many answers, or one answer
    over many tasks, stays cheap.
    """
    ratio, answer_ratio = t / (2.0 - t), same.threshold / (2.0 - same.threshold)
    by_answer = False
    if same.threshold >= 0 and len(answer_keys) > 0:
        by_answer = postings_to_read(answers.postings, answer_keys, answer_ratio) < postings_to_read(text.postings, keys, ratio)
    if by_answer:
        return int(indexed(answers.postings, answer_keys, answer_ratio, scratch.seen, mark, scratch.found))
    return int(indexed(text.postings, keys, ratio, scratch.seen, mark, scratch.found))


@kernel(work=lambda i, x, count, *rest: 10 + count * (20 + len(x)))
def most_similar(
    i: int, x: Ids, count: int, text: Side, answers: Side, same: Same, scratch: Scratch, t: float, among: int
) -> tuple[int, float]:  # fmt: skip
    """Return which of the first `count` rows in `scratch.found` is nearest to x (row i) above t, and its F1; -1, 0.0 for none.

    The earliest of equals; only rows before the position `among`, and where answers matter only one with the same facts and the
    same answer (see `Same`).
    """
    m = len(x)
    best, best_score = -1, 0.0
    for c in range(count):
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


def _greedy_work(text: Side, answers: Side, same: Same, *rest: object) -> float:
    pairs = postings.pairs_work(text.postings)
    if same.threshold >= 0:  # the side with the shorter postings is looked up
        pairs = min(pairs, postings.pairs_work(answers.postings)) * postings.long_texts(
            len(answers.ids), len(answers.offsets) - 1
        )
    return 0.7 * (len(text.ids) + len(answers.ids)) + 30.0 * len(text.offsets) + pairs


@kernel(work=_greedy_work)
def run_greedy(
    text: Side, answers: Side, same: Same, contexts: Contexts, scratch: Scratch, t: float, pinned: int,
    witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64], conflict: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill witness, score and conflict for every row in input order; a row with neither joins the pool, a pinned one always."""
    first = np.full(contexts.asked.max() + 1 if len(contexts.asked) else 0, -1, np.int64)  # kept row of each context
    out = np.zeros(len(witness), np.bool_)
    for i in range(len(witness)):
        x = text.ids[text.offsets[i] : text.offsets[i + 1]]
        keys = text.keys[text.offsets[i] : text.offsets[i + 1]]
        answer_keys = answers.keys[answers.offsets[i] : answers.offsets[i + 1]]
        if i >= pinned and len(x) > 0:
            count = held_by(i, same, out, scratch.found)
            if count < 0:
                count = candidates(keys, answer_keys, text, answers, same, scratch, t, i + 1)
            witness[i], score[i] = most_similar(i, x, count, text, answers, same, scratch, t, i)
        if witness[i] < 0 and len(contexts.asked) and contexts.asked[i] >= 0:
            before = first[contexts.asked[i]]
            if before < 0:
                first[contexts.asked[i]] = i
            elif i >= pinned and contexts.said[i] != contexts.said[before]:
                conflict[i] = before
        out[i] = witness[i] >= 0 or conflict[i] >= 0
        if not out[i]:
            insert(text.postings, i, keys, t / (2.0 - t))
            if same.threshold >= 0:
                insert(answers.postings, i, answer_keys, same.threshold / (2.0 - same.threshold))


def compared(answers: TokenLists | None, same: Same | None, n: int) -> tuple[TokenLists, Same]:
    """Return the answers of n rows and what makes two the same as a kernel takes them: none, and any, where there are none."""
    if answers is None or same is None:
        return TokenLists(np.empty(0, np.uint32), np.zeros(n + 1, np.int64), 1), ANY_ANSWER
    return answers, same


def asked(same: Same) -> TokenLists:
    """Return what short questions are about as lists, for the size of the work space."""
    return TokenLists(same.asked, same.asked_offsets, 1)


def greedy(
    text: TokenLists, threshold: float, answers: TokenLists | None = None, same: Same | None = None, *, pinned: int = 0,
    contexts: Contexts = NO_CONTEXTS,
) -> Nearest:  # fmt: skip
    """Return, for each row in order, the kept row it repeats.

    Args:
        text: the compared text of each row.
        threshold: F1 in 0..1; a row goes when it is above.
        answers: the answers, in the same order, where they matter.
        same: what makes two of them the same.
        pinned: rows at the head that stay whatever they are like.
        contexts: where they are given, a row goes too when a kept one has its context and another answer.
    """
    n = len(text)
    answers, same = compared(answers, same, n)
    witness, score, conflict = np.full(n, -1, np.int64), np.zeros(n), np.full(n, -1, np.int64)
    groups = same.facts if same.threshold >= 0 else None
    sides = _side(text, threshold, groups), _side(answers, max(0.0, same.threshold), groups)
    run_greedy(*sides, same, contexts, new_scratch([text, answers, asked(same)]), threshold, pinned, witness, score, conflict)
    return Nearest(witness, score, conflict)


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
