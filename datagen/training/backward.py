"""Rows turned round: the answer is asked about, and the task is learned; what a backward model is tuned on.

Source: Li et al. 2023 (Humpback): the model of p(instruction | output). It learns the prompt by which `backtranslate` asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.text.names import called, of_prompts
from datagen.text.row_language import language_of


def turned_round(row: Row, prompts: dict[str, Prompt]) -> Row | str:
    """Return a row whose task is the prompt with this row's answer, and whose answer is this row's task; its id stays.

    Args:
        row: one task and one answer.
        prompts: filled as they are needed, one per language.

    Returns:
        The row, or why it has none: `multi_turn`, `no_labels`.
    """
    if row["messages"] is not None and len(row["messages"]) > 2:
        return "multi_turn"
    task = "\n\n".join(part for part in (row["instruction"], row["input"]) if part).strip()
    if not task or not row["output"].strip():
        return "no_labels"
    spoken = row["language"] or language_of(row["instruction"], row["output"])
    language = of_prompts(spoken)
    if language not in prompts:
        prompts[language] = Prompt("backtranslate", language)
    asked = prompts[language].text(text=row["output"], title="", language=called(spoken, language))
    return {**row, "instruction": asked, "input": "", "output": task, "system": "", "messages": None, "tools": ""}


def all_turned_round(rows: Iterable[Row]) -> tuple[Sequence[Row], list[tuple[str, str]]]:
    """Return the rows turned round, and (id, reason) of those that cannot be."""
    prompts: dict[str, Prompt] = {}
    found: list[Row] = []
    left_out: list[tuple[str, str]] = []
    for row in rows:
        one = turned_round(row, prompts)
        if isinstance(one, str):
            left_out.append((row["id"], one))
        else:
            found.append(one)
    return found, left_out
