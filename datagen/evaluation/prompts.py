"""How an item is shown to a model: as a chat, or as a plain text after which the choices are scored. Pure."""

from __future__ import annotations

from typing import Literal

from datagen.evaluation.items import Item

ANSWER = {"zh": "答案：", "th": "คำตอบ:"}  # where the item is in that language; else `Answer:`


def messages(item: Item, by: Literal["labels", "texts"] = "labels") -> list[dict[str, str]]:
    """Return the conversation that asks for the answer: the solved examples are exchanges before it.

    By texts the choices of an item and of its examples are not shown, and an example is answered by the text of its choice.
    """
    turns = [*item.turns[:-1], {**item.turns[-1], "content": _last(item, by)}]
    head = turns[:1] if turns[0]["role"] == "system" else []
    shown: list[dict[str, str]] = []
    for shot in item.shots:
        asked = [*shot.turns[:-1], {**shot.turns[-1], "content": _last(shot, by)}]
        shown += [t for t in asked if t["role"] != "system"]
        shown.append({"role": "assistant", "content": _solution(shot, by) if by == "texts" else shot.reference})
    return [*head, *shown, *turns[len(head) :]]


def plain(item: Item, by: Literal["labels", "texts"]) -> tuple[str, list[str]]:
    """Return a text that ends where the answer begins, and what each choice adds to it.

    By labels it is as MMLU is asked (Hendrycks et al. 2021): the question, the choices, `Answer:`; by texts the choices are
    not shown. The item must have choices.
    """
    blocks = [f"{_asked(shot, by)} {_solution(shot, by)}" for shot in item.shots]
    return "\n\n".join([*blocks, _asked(item, by)]), [f" {one}" for one in continuations(item, by)]


def continuations(item: Item, by: Literal["labels", "texts"]) -> list[str]:
    """Return what each choice of an item is scored by."""
    if item.choices is None:
        return []
    return list(item.choices.labels if by == "labels" else item.choices.texts)


def _asked(item: Item, by: Literal["labels", "texts"]) -> str:
    system = [t["content"] for t in item.turns if t["role"] == "system"]
    last = _last(item, by)
    before = [t["content"] for t in item.turns[:-1] if t["role"] != "system"]
    return "\n\n".join([*system, *before, f"{last}\n{ANSWER.get(item.row['language'], 'Answer:')}"])


def _last(item: Item, by: Literal["labels", "texts"]) -> str:
    """What the last turn asks: without the list of choices where these are scored by their texts."""
    return item.choices.stem if by == "texts" and item.choices else item.turns[-1]["content"]


def _solution(item: Item, by: Literal["labels", "texts"]) -> str:
    return item.reference if item.choices is None else continuations(item, by)[item.choices.right]
