"""Self-Instruct: a model makes new tasks from seed tasks; one is kept only when it is new by ROUGE-L.

Source: Wang et al. 2023 (Self-Instruct) and Stanford Alpaca: the novelty test against the seeds and all kept rows, F1 above
0.7 goes. Three methods: `alpaca` asks for several tasks with their answers per completion; `original` for tasks, their kind
and their instances; `one` for one task and then its answer, from the bare user turn where the model is local.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datagen.chat.client import Chat
from datagen.data.rows import Row
from datagen.generate.alpaca import Alpaca
from datagen.generate.loop import Maker
from datagen.generate.one import BareTurn, FewShot, One
from datagen.generate.original import Original
from datagen.generate.rules import Refusal
from datagen.generate.turns import UserTurn, system_message, turn_of_model
from datagen.kinds.self_instruct import SelfInstruct

# What a task made by itself may not be longer than; an embedded model that goes on has lost its thread.
LOCAL_TASK_TOKENS, LOCAL_ANSWER_TOKENS = 96, 192


def maker(options: SelfInstruct, seeds: Sequence[Row], chat: Chat, topic: Callable[[int], str | None]) -> Maker:
    """Return the method of a run."""
    if options.resolved_method == "alpaca":
        return Alpaca(seeds, chat, options, topic)
    if options.resolved_method == "original":
        return Original(seeds, chat, options, topic, Refusal(options.language, options.item_rules))
    if not options.local:
        return One(FewShot(seeds, chat, options, topic), chat, options.answer_sampling(), options)
    model = Path(chat.model)

    def turn(said: str | None) -> UserTurn:
        return turn_of_model(model, system_message(options.language, said, options.prompts) if options.steered else None)

    sampling = _limited(options.sampling(), LOCAL_TASK_TOKENS, options)
    asks = BareTurn(chat, turn, sampling, topic, options.seed, first_line=False)
    answers = _limited(options.answer_sampling(), LOCAL_ANSWER_TOKENS, options)
    return One(asks, chat, answers, options)


def _limited(sampling: dict[str, Any], tokens: int, options: SelfInstruct) -> dict[str, Any]:
    """Return sampling with the limit of a small model, unless the user gave one or the model need not be small."""
    return sampling if options.max_output_tokens is not None or not options.loadable else {**sampling, "max_tokens": tokens}
