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


def items_of(rows: Sequence[Row], options: Eval) -> tuple[list[Item], list[tuple[str, str]]]:
    """Return the items that are measured, in the order of the rows, and the (row id, reason) of all others.

    Of each task `items` are drawn by the seed, and `shots` others that are shown before them; both depend on the seed and on
    the ids of the rows, not on their order.
    """
    found: list[Item] = []
    left: list[tuple[str, str]] = []
    for row in rows:
        item = _item(row)
        if item is None:
            left += _left_out("no_answer", [row])
        else:
            found.append(item)
    out: set[int] = set()
    examples: dict[str, tuple[Item, ...]] = {}
    for task in dict.fromkeys(item.task for item in found):
        mine = [at for at, item in enumerate(found) if item.task == task]
        order = _drawn(mine, found, options.seed)
        shown, rest = order[: options.shots], order[options.shots :]
        beyond = rest[options.items :] if options.items else []
        examples[task] = tuple(found[at] for at in shown)
        left += _left_out("shown_as_example", [found[at].row for at in shown])
        left += _left_out("not_drawn", [found[at].row for at in beyond])
        out |= {*shown, *beyond}
    taken = [item for at, item in enumerate(found) if at not in out]
    return [replace(item, shots=examples[item.task]) for item in _with_languages(taken)], left


def _left_out(reason: str, rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row["id"], reason) for row in rows]


def _drawn(places: list[int], items: Sequence[Item], seed: int) -> list[int]:
    """Places in an order that a seed gives the ids of their rows."""

    def key(at: int) -> int:
        return int(np.random.SeedSequence([seed, int(items[at].row["id"][:16], 16)]).generate_state(1, np.uint64)[0])

    return sorted(places, key=lambda at: (key(at), items[at].row["id"]))


def _item(row: Row) -> Item | None:
    """A row as an item; None where it has no answer to compare with."""
    whole = up_to_last_answer(row) or row
    turns = [t for t in conversation_turns(whole) if t["content"]]
    if len(turns) < 2 or turns[-1]["role"] != "assistant" or not turns[-1]["content"].strip():
        return None
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
