"""How an item and its examples are shown: with a list of choices and a letter, or without it and a text; as a chat too."""

from __future__ import annotations

import pytest

from datagen.data.rows import new_row
from datagen.evaluation.items import Item, items_of
from datagen.evaluation.prompts import continuations, messages, plain
from datagen.kinds.eval import Eval


@pytest.fixture
def item() -> Item:
    rows = [new_row(instruction=f"Which is {n}?\nA. {n}\nB. {n + 10}", output="A", source="rows") for n in range(3)]
    items, left = items_of(rows, Eval(model="tiny", shots=2))
    assert len(items) == 1 and len(left) == 2
    return items[0]


def test_by_letters_the_choices_are_shown_and_by_texts_they_are_not(item: Item) -> None:
    (number,) = {0, 1, 2} - {int(shot.turns[-1]["content"][9]) for shot in item.shots}
    shown = [int(shot.turns[-1]["content"][9]) for shot in item.shots]
    listed = [f"Which is {n}?\nA. {n}\nB. {n + 10}" for n in (*shown, number)]
    assert [m["content"] for m in messages(item)] == [listed[0], "A", listed[1], "A", listed[2]]
    assert plain(item, "labels")[0] == f"{listed[0]}\nAnswer: A\n\n{listed[1]}\nAnswer: A\n\n{listed[2]}\nAnswer:"
    bare = [f"Which is {n}?" for n in (*shown, number)]
    first, second = map(str, shown)
    assert [m["content"] for m in messages(item, "texts")] == [bare[0], first, bare[1], second, bare[2]]
    assert plain(item, "texts")[0] == f"{bare[0]}\nAnswer: {first}\n\n{bare[1]}\nAnswer: {second}\n\n{bare[2]}\nAnswer:"
    assert continuations(item, "texts") == [str(number), str(number + 10)]
