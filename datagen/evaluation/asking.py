"""What a model answers to items: whether it comes to the right answer, how long it speaks, and whether it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from datagen.answers.choices import chosen
from datagen.answers.final_answer import same_answer
from datagen.chat.asking import Stall, in_order
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.evaluation import overlap
from datagen.evaluation.items import Item
from datagen.evaluation.measured import Measured
from datagen.evaluation.prompts import messages
from datagen.repeats import repeated
from datagen.text.row_language import language_of

STALL = 100  # items in a row without an answer, after which nothing more is asked
SHOWN = 600  # characters of an answer in items.parquet; the journal has all of it
Asked = tuple[Item, Completion]


class Answered(NamedTuple):
    """What was measured of an answer, and the answer; None where none came."""

    measured: list[Measured]
    text: str | None


def ask_items(chat: Chat, items: Iterable[Item], sampling: dict[str, Any], *, overlaps: bool = False) -> Iterator[Answered]:
    """Yield what came of each item, in order; the chat is closed then. `overlaps`: see `measured`.

    Raises:
        DatagenError: every request would meet it (key, address, a cap), or so many came to nothing.
    """
    stall = Stall(STALL, "items")

    def begun(item: Item) -> Callable[[], Awaitable[Asked]]:
        async def one() -> Asked:
            return item, await chat.complete("chat/completions", {"messages": messages(item), **sampling}, 0)

        return one

    def watch(done: Asked) -> None:
        stall.note(True, None if done[1].text is not None else "request_failed", done[1].error)  # noqa: FBT003

    for item, answer in in_order(chat, map(begun, items), watch):
        if answer.text is None:
            yield Answered([], None)
        else:
            yield Answered(measured(item, answer, overlaps=overlaps), answer.text.strip())


def measured(item: Item, answer: Completion, *, overlaps: bool = False) -> list[Measured]:
    """Return what an answer shows; one that was cut has no final answer, but all else. `overlaps`: also BLEU, chrF, ROUGE-L."""
    text = (answer.text or "").strip()
    values: dict[str, float] = {"ended": not answer.cut, "repeats": repeated(text) is not None, "characters": len(text)}
    if item.choices is not None:
        at = chosen(text, item.choices)
        values |= {"chosen": at == item.choices.right, "named": at is not None}
    elif item.comparable:
        values["exact"] = _folded(text) == _folded(item.reference)
        if item.counted:
            values["final"] = not answer.cut and same_answer(text, item.reference)
    found: dict[str, tuple[float, list[float] | None]] = {name: (float(value), None) for name, value in values.items()}
    if overlaps and item.choices is None:
        found |= overlap.measured(text, item.reference, item.row["language"] or language_of(text, item.reference))
    said, expected = " ".join(text.split())[:SHOWN], " ".join(item.reference.split())[-SHOWN:]
    return [
        Measured(item.row["id"], item.task, item.part, name, value, 1.0, said, expected, counts)
        for name, (value, counts) in found.items()
    ]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .。!！\"'")
