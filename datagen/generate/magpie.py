"""Magpie: an aligned model, given only what its template writes before a user's words, writes them itself; then its answer.

Source: Xu et al. 2024, `exp/gen_ins.py`. There the first line break ends a task, which cuts every task of several lines; here
the end of the user's turn does, or the first line where that is asked for. A system message in a language and about a topic
says who the user is: that is the control of language which the bare turn does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from datagen.chat.client import Chat
from datagen.data.rows import Row
from datagen.errors import UsageError
from datagen.generate import turns
from datagen.generate.loop import Maker
from datagen.generate.one import BareTurn, One
from datagen.kinds.magpie import Magpie
from datagen.models.names import is_gguf


def maker(options: Magpie, seeds: Sequence[Row], chat: Chat, topic: Callable[[int], str | None]) -> Maker:
    """Return the method of a run; raises UsageError where no template is known."""
    family = options.template or (chat.model if options.local else turns.family_of(options.model))
    if family is None:
        raise UsageError(
            f"the chat template of '{options.model}' is not known: give --template, one of {', '.join(turns.FAMILIES)}, or the"
            " model's folder"
        )

    def turn(said: str | None) -> turns.UserTurn:
        system = turns.system_message(options.language, said, options.prompts) if options.steered else None
        model = Path(family)
        here = model.is_dir() or is_gguf(family)
        found = turns.turn_of_model(model, system) if here else turns.turn_of_family(family, system)
        return turns.UserTurn(found.head, (*found.stop, *options.stop))

    sampling = {**options.sampling(), "max_tokens": options.max_task_tokens}
    answers = options.answer_sampling()
    if options.loadable and options.max_output_tokens is None:
        answers = {**answers, "max_tokens": 192}  # a small model that goes on has lost its thread
    asks = BareTurn(chat, turn, sampling, topic, options.seed, options.first_line)
    return One(asks, chat, answers, options)
