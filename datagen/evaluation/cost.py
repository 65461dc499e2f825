"""What an evaluation asks at most, said before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datagen import assets
from datagen.chat.budget import worst_case
from datagen.chat.judge import AGAIN
from datagen.chat.opening import price_of
from datagen.chat.options import DEFAULT_OUTPUT_TOKENS, ModelOptions
from datagen.curate.judge import JUDGE_TOKENS, rubric_text
from datagen.evaluation.items import Item
from datagen.evaluation.prompts import messages
from datagen.kinds.eval import Eval
from datagen.text.names import PROMPTS


def most_words(asked: Mapping[str, Sequence[Item]], options: Eval) -> str | None:
    """Return in words how many requests are sent, and what they can cost at most; None where nothing is paid.

    Args:
        asked: model -> the items that it is asked about.
        options: of the evaluation, with all of its models.
    """
    paid = [one for one in options.each if not one.local and asked[one.model]]
    answers = sum(len(asked[one.model]) for one in paid)
    sums = [_usd(one, [_of_answer(item, one) for item in asked[one.model]]) for one in paid]
    words = [f"{answers:,} answers"] if answers else []
    if (judge := options.judging) is not None and not judge.local:
        pairs = [item for item in asked[options.each[0].model] if item.choices is None]
        around = _around_answers(judge, options)
        once = _usd(judge, [_of_judgement(item, judge, around) for item in pairs])
        times = 2 * (len(options.each) - 1)
        words.append(f"{times * len(pairs):,} judgements")
        sums.append(None if once is None else once * times * (1 + AGAIN))
    if not words:
        return None
    known = [one for one in sums if one is not None]
    cost = f", at most ${sum(known):,.2f}" if len(known) == len(sums) else ", of which not every price is known"
    return f"{' and '.join(words)} will be asked for{cost}, requests that fail and are sent again aside"


def _of_answer(item: Item, options: ModelOptions) -> dict[str, Any]:
    """A request for an answer, as long as it can be."""
    return {"messages": messages(item), "max_tokens": options.max_output_tokens, **(options.extra_body or {})}


def _around_answers(judge: ModelOptions, options: Eval) -> int:
    """The most bytes that a judge is shown beside the task: its prompt, the rubric, two answers as long as they can be."""
    own = max(len(assets.prompt("judge_pair", language, judge.prompts).encode()) for language in PROMPTS)
    rubric = len(rubric_text(options.rubric).encode()) if options.rubric else 0
    return own + rubric + 2 * _BYTES * (options.max_output_tokens or DEFAULT_OUTPUT_TOKENS)


def _of_judgement(item: Item, judge: ModelOptions, around: int) -> dict[str, Any]:
    """A request for a judgement, as long as it can be; a byte is at least a token's share."""
    asked = sum(len(turn["content"].encode("utf-8", "surrogatepass")) for turn in item.turns)
    shown = "x" * (around + asked)
    limit = judge.max_output_tokens or JUDGE_TOKENS
    return {"messages": [{"role": "user", "content": shown}], "max_tokens": limit, **(judge.extra_body or {})}


_BYTES = 4  # of a token of an answer, or more: what is shown to the judge is counted by bytes


def _usd(options: ModelOptions, bodies: Sequence[Mapping[str, Any]]) -> float | None:
    price = price_of(options)
    return None if price is None else sum(price.usd(worst_case(body)) for body in bodies)
