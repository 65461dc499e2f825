"""Rows with a better and a worse answer as what is trained: two texts that are compared, or one conversation that has both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from datagen.chat.prompt import Prompt
from datagen.data.rows import Row, conversation_turns, turn
from datagen.formats.conversation import is_preference, pair_of
from datagen.formats.messages import sides
from datagen.text.names import of_prompts
from datagen.text.row_language import language_of

STRANGE = 'its candidates are no list of {"text": …, "score": …}, of two texts at least, of which the best is its answer'


def compared(row: Row) -> tuple[Row, Row] | str:
    """Return a row with its best answer and one with its worst, each taught alone; or why there are none.

    The reasons are `no_pair`, with what is wrong of candidates that were not taken as such, and `no_preference`.
    """
    if not is_preference(row):
        if len(row["candidates"] or ()) > 1:
            return "no_pair: its candidates have no scores, which say the better one"
        strange = '"candidates"' in row["extra"] and "candidates" in json.loads(row["extra"])
        return f"no_pair: {STRANGE}" if strange else "no_pair"
    best, worst = (row["candidates"][at] for at in (0, -1))
    if best["text"] == worst["text"] or (best["score"] is not None and best["score"] == worst["score"]):
        return "no_preference"
    turns = _turns(row)
    prompt, *both = sides(row, turns)
    before = [{**t, "train": False} if t["role"] == "assistant" else t for t in prompt]
    chosen, rejected = (_with(row, before, side) for side in both)
    return chosen, rejected


def _with(row: Row, before: list[dict[str, Any]], side: list[dict[str, Any]]) -> Row:
    """Return a row with another answer behind its prompt; one exchange stays one, as templates without turns want it."""
    if row["messages"] is None and len(side) == 1 and not side[0]["tool_calls"]:
        return {**row, "output": side[0]["content"] or ""}
    return {**row, "messages": [*before, *side], "instruction": "", "input": "", "output": ""}


def in_hindsight(row: Row, prompts: dict[str, Prompt]) -> Row | str:
    """Return a row whose worst and best answer follow each other, each after what it is worth; or `no_pair`, `no_preference`.

    Chain of hindsight, arXiv 2302.02676. Its id stays.

    Args:
        row: any row.
        prompts: what the user says of answers, filled as they are needed, one per language.
    """
    found = compared(row)
    if isinstance(found, str):
        return found
    language = of_prompts(row["language"] or language_of(row["instruction"], pair_of(row)[0]))
    if language not in prompts:
        prompts[language] = Prompt("hindsight", language)
    turns = _turns(row)
    prompt, best, worst = sides(row, turns)
    asked = [{**t, "train": False} if t["role"] == "assistant" else t for t in prompt]
    task = asked[-1]["content"] if asked and asked[-1]["role"] == "user" else ""
    first = turn("user", prompts[language].text(task=task, better=False))
    again = turn("user", prompts[language].text(task="", better=True))
    before = asked[:-1] if task else asked
    return {**row, "messages": [*before, first, *worst, again, *best], "instruction": "", "input": "", "output": ""}


def all_in_hindsight(rows: Iterable[Row]) -> tuple[Sequence[Row], list[tuple[str, str]]]:
    """Return the rows with both answers, and (id, reason) of those that have not two."""
    return each(rows, in_hindsight)


def each(
    rows: Iterable[Row], changed: Callable[[Row, dict[str, Prompt]], Row | str]
) -> tuple[Sequence[Row], list[tuple[str, str]]]:  # fmt: skip
    """Return rows changed, and (id, reason) of those that have no such form; the prompts are filled as they are needed."""
    prompts: dict[str, Prompt] = {}
    found: list[Row] = []
    left_out: list[tuple[str, str]] = []
    for row in rows:
        one = changed(row, prompts)
        if isinstance(one, str):
            left_out.append((row["id"], one))
        else:
            found.append(one)
    return found, left_out


def _turns(row: Row) -> list[dict[str, Any]]:
    """Return the turns of a row without its system prompt, which stays in its column."""
    turns = conversation_turns(row)
    return turns[1:] if row["system"] else turns
