"""Rows changed before they become texts: solved examples in the task, the system prompt in every turn, one answer taught."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.text.names import of_prompts
from datagen.text.row_language import language_of
from datagen.training.options import TrainOptions


def shaped(rows: Sequence[Row], options: TrainOptions, pool: Sequence[Row] | None = None) -> list[Row]:
    """Return rows as the options of their text want them; ids stay.

    Args:
        rows: to change.
        options: `exemplars`, `system_every_turn`, `train_on`.
        pool: rows that examples are drawn from; by default these.
    """
    found = list(rows)
    if options.exemplars:
        found = with_exemplars(found, options.exemplars, options.seed, found if pool is None else pool)
    if options.system_every_turn:
        found = [_system_in_every_turn(row) for row in found]
    return [_last_alone(row) for row in found] if options.train_on == "last" else found


def with_exemplars(rows: Sequence[Row], count: int, seed: int, pool: Sequence[Row]) -> list[Row]:
    """Return rows of one exchange with so many solved examples in their instruction; conversations stay as they are.

    Examples are of the same source, drawn by a hash of (seed, row, example), never the row itself, nor one of its task.
    """
    by_source: dict[str, list[Row]] = {}
    for row in pool:
        if row["messages"] is None and row["instruction"].strip() and row["output"].strip():
            by_source.setdefault(row["source"], []).append(row)
    prompts: dict[str, Prompt] = {}
    found = []
    for row in rows:
        drawn = _drawn(row, by_source, count, seed) if row["messages"] is None else []
        if drawn:
            language = of_prompts(row["language"] or language_of(row["instruction"], row["output"]))
            if language not in prompts:
                prompts[language] = Prompt("exemplars", language)
            examples = [{"task": _task(one), "answer": one["output"]} for one in drawn]
            row = {**row, "instruction": prompts[language].text(examples=examples, task=_task(row)), "input": ""}
        found.append(row)
    return found


def _task(row: Mapping[str, Any]) -> str:
    return "\n\n".join(part for part in (row["instruction"], row["input"]) if part)


def _drawn(row: Row, by_source: Mapping[str, Sequence[Row]], count: int, seed: int) -> list[Row]:
    """Return the examples of a row. Of many rows a few hundred are looked at, from a place that its own hash gives."""
    rows = by_source.get(row["source"], ())
    if not rows:
        return []
    first = int(_hash(seed, row["id"], "")[:12], 16) % len(rows)
    near = [rows[(first + n) % len(rows)] for n in range(min(len(rows), 16 * count + 256))]
    others = {one["id"]: one for one in near if one["id"] != row["id"] and _task(one) != _task(row)}
    return sorted(others.values(), key=lambda one: _hash(seed, row["id"], one["id"]))[:count]


def _hash(seed: int, *ids: str) -> str:
    return hashlib.blake2b("\0".join((str(seed), *ids)).encode(), digest_size=16).hexdigest()


def _system_in_every_turn(row: Row) -> Row:
    """Return a conversation whose later questions begin with its system prompt, which templates show once."""
    if not row["system"] or row["messages"] is None:
        return row
    turns, seen = [], 0
    for turn in row["messages"]:
        if turn["role"] == "user":
            seen += 1
            if seen > 1:
                turn = {**turn, "content": f"{row['system']}\n\n{turn['content'] or ''}"}
        turns.append(turn)
    return {**row, "messages": turns}


def _last_alone(row: Row) -> Row:
    """Return a conversation of which the last answer alone is taught."""
    turns = row["messages"]
    if turns is None:
        return row
    last = max((at for at, turn in enumerate(turns) if turn["role"] == "assistant"), default=-1)
    return {
        **row,
        "messages": [{**t, "train": False} if t["role"] == "assistant" and at != last else t for at, t in enumerate(turns)],
    }
