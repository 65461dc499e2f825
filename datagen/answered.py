"""Conversations as they are trained: up to their last answer, and without learning the turns in which nothing is said.

This is done here and not where files are read: `answer` answers the very turn that is cut here, and an export to a format
that can hold it gives it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datagen.data.rows import Row, said
from datagen.remnants import is_visible


def up_to_last_answer(row: Row) -> Row | None:
    """Return a row whose conversation ends with an answer and whose empty answers carry no loss; its id stays.

    Args:
        row: any row; one without `messages` is one exchange and comes back as it is.

    Returns:
        The row, or None where the conversation holds no answer.
    """
    turns = row["messages"]
    if turns is None:
        return row
    end = answered_to(turns)
    kept = [{**turn, "train": False} if _is_empty_answer(turn) else turn for turn in turns[:end]]
    return (row if kept == turns else {**row, "messages": kept}) if end else None


def all_up_to_last_answer(rows: Iterable[Row]) -> tuple[Sequence[Row], list[tuple[str, str]]]:
    """Return the rows up to their last answer, and (id, `unanswered_turn`) of those without one."""
    found: list[Row] = []
    left_out: list[tuple[str, str]] = []
    for row in rows:
        one = up_to_last_answer(row)
        if one is None:
            left_out.append((row["id"], "unanswered_turn"))
        else:
            found.append(one)
    return found, left_out


def untaught_turns(rows: Iterable[Row]) -> dict[str, int]:
    """Count the turns of answered conversations that are not learned: `turns_cut` after the last answer, `empty_answers`."""
    seen: Counter[str] = Counter()
    for row in rows:
        turns = row["messages"] or ()
        if end := answered_to(turns):
            seen["turns_cut"] += len(turns) - end
            seen["empty_answers"] += sum(map(_is_empty_answer, turns[:end]))
    return dict(+seen)


def answered_to(turns: Sequence[Mapping[str, Any]]) -> int:
    """Return how many turns there are up to the last answer that says something; 0 for none."""
    answers = (i for i, turn in enumerate(turns, 1) if turn["role"] == "assistant" and not _is_empty_answer(turn))
    return max(answers, default=0)


def _is_empty_answer(turn: Mapping[str, Any]) -> bool:
    return turn["role"] == "assistant" and not is_visible(said(turn))
