"""When two rows have the same answer: what keeps a near-duplicate test from dropping another fact.

A similarity of the whole text does not see one changed name or number. So a row counts as a repetition only when its answers
are alike too, short ones equal, when its facts (numbers, operators, identifiers, tools) agree, and when no token is new both
in its task and in its answer, as the name of another entity is.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.rows import View, view
from datagen.similarity.answers import Same
from datagen.similarity.columns import token_lists
from datagen.similarity.entities import holders
from datagen.similarity.token_lists import Ids, TokenLists, number_pairs, split_at
from datagen.similarity.tokenised import tokenised
from datagen.text import Units


def token_columns(rows: pa.Table, field: View, units: Units, same_answer: float | None, short: int) -> dict[str, pa.Array]:
    """Return the score columns of a duplicate stage: tokens of the compared text and, if answers matter, what they need.

    `tokens`; then `task_tokens` (where `tokens` are not them) and `answer_tokens` of the task and all answers, and `facts`.
    The facts of the task itself count only where the answer has fewer than `short` tokens: "yes" to another question is
    another row, a long answer that comes twice is not.
    """
    texts = tokenised(view(rows, field), units)
    if same_answer is None:
        return {"tokens": texts.column()}
    answers = tokenised(view(rows, "answers"), units)
    tasks = texts if field == "context" else tokenised(view(rows, "context"), units)
    is_short = answers.counts < short
    known = zip(
        tasks.facts(is_short), answers.facts(np.ones(len(rows), bool)), rows.column("tools").to_pylist(), strict=True
    )  # fmt: skip
    # Short answers must be equal: rows are grouped by them, and different groups are not compared at all.
    brief = [" ".join(answers.of(row)) if yes else None for row, yes in enumerate(is_short.tolist())]
    return {
        "tokens": texts.column(),
        **({} if tasks is texts else {"task_tokens": tasks.column()}),
        "answer_tokens": answers.column(),
        "short_answers": pa.array(brief, pa.string()),
        "facts": pa.array(["\n".join(k) for k in known], pa.string()),
    }


def digests(texts: list[str]) -> list[bytes]:
    """Return 8 bytes per text that tell it from others, white space and case aside."""
    return [hashlib.blake2b(" ".join(t.casefold().split()).encode(), digest_size=8).digest() for t in texts]


def answers_of(
    columns: pa.Table, threshold: float | None, short: int, same_facts: bool
) -> tuple[TokenLists | None, Same | None]:
    """Return the answers of all rows and what makes two the same, for a kernel; two None when threshold is None."""
    if threshold is None:
        return None, None
    known = _numbered(columns.column("short_answers"))
    if same_facts:
        known = number_pairs(known, _numbered(columns.column("facts")))
    # One vocabulary for both: a token of the task is looked for in the answer.
    task = columns.column("task_tokens" if "task_tokens" in columns.column_names else "tokens")
    both = token_lists(pa.chunked_array([*task.chunks, *columns.column("answer_tokens").chunks]))
    tasks, answers = split_at(both, len(columns))
    return answers, same_of(threshold, short, known.astype(np.int64), tasks, answers)


def same_of(threshold: float, short: int, facts: npt.NDArray[np.int64], tasks: TokenLists, answers: TokenLists) -> Same:
    """Return what makes two answers the same, with the rows that hold each row's rarest entity; one vocabulary for both."""
    return Same(threshold, short, facts, tasks.ids, tasks.offsets, *holders(tasks, answers))


def _numbered(column: pa.ChunkedArray) -> Ids:
    """One number per distinct text, null among them, so that the kernel compares numbers."""
    codes = column.combine_chunks().dictionary_encode(null_encoding="encode").indices
    numbers: Ids = codes.to_numpy().astype(np.uint32)
    return numbers
