"""The rows that hold a row's rarest entity: by hand, and enough of them for the decisions of brute force."""

from __future__ import annotations

import numpy as np

from datagen.similarity import same_answer
from datagen.similarity.rouge_l import greedy
from datagen.similarity.same_answer import same_of
from datagen.similarity.token_lists import from_strings, split_at

TASKS = [["about", "rome"], ["about", "oslo"], ["about", "rome"], ["say", "it"], ["about", "lima"]]
ANSWERS = [["rome", "is", "old"], ["oslo", "is", "old"], ["old", "is", "rome"], ["rome", "is", "it"], ["is", "old"]]


def test_the_rows_that_hold_each_rows_rarest_entity_by_hand() -> None:
    tasks, answers = split_at(from_strings([*TASKS, *ANSWERS]), len(TASKS))
    start, end, rows = same_answer.holders(tasks, answers)
    held = [rows[a:b].tolist() if a >= 0 else None for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    assert held == [[0, 2, 3], [1], [0, 2, 3], [3], None]  # lima is in no answer: nothing says that it is the entity


def test_a_template_with_a_thousand_names_is_no_million_of_pairs_and_decided_alike() -> None:
    """Every row alike but for a name: all stay, and a row that comes again goes."""
    words = [f"w{k}" for k in range(60)]
    tasks = [[*words, f"name{i}"] for i in range(1000)]
    tasks.append(tasks[500])
    said = [[*words[::-1], f"name{i}"] for i in range(1000)]
    said.append([*said[500], "too"])
    asked, answers = split_at(from_strings([*tasks, *said]), len(tasks))
    same = same_of(0.7, 3, np.zeros(len(tasks), np.int64), asked, answers)
    assert (same.end - same.start).max() == 2
    found = greedy(from_strings(tasks), 0.7, answers, same)
    assert np.flatnonzero(found.witness >= 0).tolist() == [1000]
    assert found.witness[1000] == 500


def test_no_rows_and_rows_without_tokens() -> None:
    for lists in ([], [[], []]):
        tasks, answers = split_at(from_strings([*lists, *lists]), len(lists))
        start, end, rows = same_answer.holders(tasks, answers)
        assert start.tolist() == end.tolist() == [-1] * len(lists)
        assert len(rows) == 0
