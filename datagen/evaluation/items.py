"""Rows as items of an evaluation: what of each is measured, and the solved examples that are shown before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datagen.answered import up_to_last_answer
from datagen.answers.choices import Choices, choices_of
from datagen.answers.final_answer import final_answer, is_worked
from datagen.data.rows import Row, conversation_turns
from datagen.kinds.eval import Eval
from datagen.text.row_language import language_of

SHORT = 80  # characters of an answer that is compared as a whole
Left = list[tuple[str, str]]  # (row id, reason) of what is not measured
PARTS = ("task", "subject", "category", "Category", "type")  # fields by which benchmarks divide their items


@dataclass(frozen=True)
class Item:
    """A row to be measured on."""

    row: Row
    task: str  # the source of the row
    part: str  # of the task: a subject, or a language; "" where it has none
    turns: tuple[dict[str, str], ...]  # the conversation up to its last answer, a system turn first where there is one
    reference: str  # that answer
    choices: Choices | None = None
    shots: tuple[Item, ...] = ()  # solved examples of the same task

    @property
    def comparable(self) -> bool:
        """Whether an answer can be compared with the reference: a worked or a short one."""
        return is_worked(self.reference) or len(self.reference) <= SHORT

    @property
    def counted(self) -> bool:
        """Whether the reference ends in a final answer, a number or a formula."""
        return is_worked(self.reference) or (self.comparable and final_answer(self.reference) is not None)


def items_of(rows: Sequence[Row], options: Eval) -> tuple[list[Item], Left]:
    """Return the items that are measured, in the order of the rows, and the (row id, reason) of all others.

    Of each task `items` are drawn by the seed, and `shots` others that are shown before them; both depend on the seed and on
    the ids of the rows, not on their order.
    """
    left: Left = []
    tasks: dict[str, list[int]] = {}  # task -> places of its rows that have an answer
    for at, row in enumerate(rows):
        if _answered(row):
            tasks.setdefault(row["source"], []).append(at)
        else:
            left += _left_out("no_answer", [row])
    taken: list[int] = []
    examples: dict[str, tuple[Item, ...]] = {}
    for task, places in tasks.items():
        order = _drawn(places, rows, options.seed)
        shown, rest = order[: options.shots], order[options.shots :]
        many = options.items or len(rest)
        examples[task] = tuple(_item(rows[at]) for at in shown)
        left += _left_out("shown_as_example", [rows[at] for at in shown])
        left += _left_out("not_drawn", [rows[at] for at in rest[many:]])
        taken += rest[:many]
    items = _with_languages([_item(rows[at]) for at in sorted(taken)])
    return [replace(item, shots=examples[item.task]) for item in items], left


def _left_out(reason: str, rows: Sequence[Row]) -> Left:
    return [(row["id"], reason) for row in rows]


def _drawn(places: list[int], rows: Sequence[Row], seed: int) -> list[int]:
    """Places in an order that a seed gives the ids of their rows."""

    def key(at: int) -> int:
        return int(np.random.SeedSequence([seed, int(rows[at]["id"][:16], 16)]).generate_state(1, np.uint64)[0])

    return sorted(places, key=lambda at: (key(at), rows[at]["id"]))


def _turns(row: Row) -> list[dict[str, Any]]:
    """The conversation of a row up to its last answer."""
    return [t for t in conversation_turns(up_to_last_answer(row) or row) if t["content"]]


def _answered(row: Row) -> bool:
    """Whether a row ends in an answer to compare with."""
    turns = _turns(row)
    return len(turns) > 1 and turns[-1]["role"] == "assistant" and bool(turns[-1]["content"].strip())


def _item(row: Row) -> Item:
    """A row that ends in an answer as an item."""
    turns = _turns(row)
    reference = turns[-1]["content"].strip()
    asked = tuple({"role": t["role"], "content": t["content"]} for t in turns[:-1])
    choices = choices_of(asked[-1]["content"], reference) if asked[-1]["role"] == "user" else None
    return Item(row, row["source"], _part(row), asked, reference, choices)


def _part(row: Row) -> str:
    """What the row's file calls its part of the task."""
    try:
        extra: Any = json.loads(row["extra"]) if row["extra"] else {}
    except ValueError:
        return ""
    names = (extra.get(name) for name in PARTS) if isinstance(extra, dict) else ()
    return next((name for name in names if isinstance(name, str) and name), "")


def _with_languages(items: list[Item]) -> list[Item]:
    """Items without a part get their language as one, where their task has several."""
    spoken: dict[str, set[str]] = {}
    languages = [item.row["language"] or language_of(item.turns[-1]["content"], item.reference) for item in items]
    for item, language in zip(items, languages, strict=True):
        if item.row["language"]:
            spoken.setdefault(item.task, set()).add(language)
    return [
        replace(item, part=language) if not item.part and len(spoken.get(item.task, ())) > 1 else item
        for item, language in zip(items, languages, strict=True)
    ]
