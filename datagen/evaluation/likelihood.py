"""What a loaded model says of items without being asked: the loss of their answers, and the likeliest of their choices.

A text and what goes on after it are encoded as lm-evaluation-harness does it (Gao et al. 2024), so that both give the same
numbers: together, and the tokens of the text alone are cut off; spaces at its end belong to what follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from datagen.answers.choices import Choices
from datagen.evaluation.items import Item, Left
from datagen.evaluation.measured import Measured
from datagen.evaluation.prompts import continuations, messages, plain
from datagen.kinds.eval import Eval
from datagen.models.answer_loss import AnswerLoss
from datagen.render.control_tokens import escaped_text
from datagen.render.options import Rendering
from datagen.render.template import template_of
from datagen.render.today import MEASURED_ON

Told = Callable[[int], None]


def losses(model: str, items: Sequence[Item], options: Eval, told: Told) -> tuple[list[Measured], Left]:
    """Return loss and bits per byte of the items' answers, as they would be trained, and (row id, reason) of those without."""
    scorer = _loaded(model, options.device)
    answers = [scorer.answer(item.row, options.max_length) for item in items]
    able = [at for at, answer in enumerate(answers) if answer.reason is None]
    mean = scorer.losses([(a.ids, a.start, a.end) for a in (answers[at] for at in able)], told)
    found: list[Measured] = []
    for at, nats in zip(able, mean.tolist(), strict=True):
        item, answer = items[at], answers[at]
        tokens = answer.end - answer.start
        found.append(_measured(item, "loss", nats * tokens, tokens))
        found.append(_measured(item, "bits_per_byte", nats * tokens / math.log(2), answer.bytes))
    return found, [(items[at].row["id"], str(a.reason)) for at, a in enumerate(answers) if a.reason is not None]


def likeliest(model: str, items: Sequence[Item], options: Eval, told: Told) -> tuple[list[Measured], Left]:
    """Return whether the likeliest choice of each item is the right one, as it is and per character.

    Items have choices. Where two are equally likely the first counts, as in lm-evaluation-harness.
    """
    scorer = _loaded(model, options.device)
    left: Left = []
    able: list[tuple[Item, Choices, list[int]]] = []  # with the length of what each choice adds
    sequences: list[tuple[list[int], int, int]] = []
    for item in items:
        text, adds = _asked(scorer, item, options)
        made = [encoded(scorer.tokenizer, text, one) for one in adds]
        if item.choices is None or max(len(ids) for ids, _ in made) > options.max_length:
            left.append((item.row["id"], "too_long"))
            continue
        able.append((item, item.choices, [max(1, len(one.strip())) for one in adds]))
        sequences += [(ids, start, len(ids)) for ids, start in made]
    mean = scorer.losses(sequences, lambda done: told(done * len(able) // len(sequences)))
    sums, begin = mean * [end - start for _, start, end in sequences], 0
    found: list[Measured] = []
    for item, choices, lengths in able:
        own = sums[begin : begin + len(lengths)]
        begin += len(lengths)
        for measure, scores in (("choice", own), ("choice_by_length", own / lengths)):
            at = int(np.argmin(scores))
            said, right = choices.labels[at], choices.labels[choices.right]
            found.append(_measured(item, measure, float(at == choices.right), 1.0, said, right))
    return found, left


def _measured(
    item: Item, measure: str, value: float, size: float, said: str | None = None, right: str | None = None
) -> Measured:
    return Measured(item.row["id"], item.task, item.part, measure, value, size, said, right)


def _asked(scorer: AnswerLoss, item: Item, options: Eval) -> tuple[str, list[str]]:
    """The text before the answer, and what each choice adds to it."""
    tokenizer: Any = scorer.tokenizer
    if options.prompt == "plain" or not tokenizer.chat_template:
        text, adds = plain(item, options.choices)
        return escaped_text(text, tokenizer), adds
    turns = messages(item, options.choices)
    turns = [{**turn, "content": escaped_text(turn["content"], tokenizer)} for turn in turns]
    text = template_of(tokenizer, Rendering(date=MEASURED_ON)).render(turns, prompt=True)
    return text, continuations(item, options.choices)


def encoded(tokenizer: Any, text: str, adds: str) -> tuple[list[int], int]:
    """Return the tokens of a text and what goes on after it, and where that begins, at 1 or later."""
    bare = text.rstrip()
    text, adds = bare, text[len(bare) :] + adds
    whole: list[int] = tokenizer(text + adds, add_special_tokens=False, verbose=False)["input_ids"]
    start = len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    begins = _begins(tokenizer)
    if begins is not None and not (whole and whole[0] == begins):
        whole, start = [begins, *whole], start + 1
    return whole, min(max(1, start), len(whole) - 1)


def _begins(tokenizer: Any) -> int | None:
    """The token that the tokenizer itself puts before a text, where it does."""
    made: list[int] = tokenizer("x", verbose=False)["input_ids"]
    begins: int | None = tokenizer.bos_token_id
    return begins if begins is not None and made[:1] == [begins] else None


def forget() -> None:
    """Give the memory of the loaded model back."""
    _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(model: str, device: str) -> AnswerLoss:
    return AnswerLoss(model, device)
