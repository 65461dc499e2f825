"""What an evaluation asks at most, said before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from datagen.chat.budget import worst_case
from datagen.chat.journal import Tokens
from datagen.chat.judge import AGAIN
from datagen.chat.opening import price_of
from datagen.chat.options import DEFAULT_OUTPUT_TOKENS, ModelOptions
from datagen.curate.judge import JUDGE_TOKENS
from datagen.evaluation.items import Item
from datagen.evaluation.prompts import messages
from datagen.kinds.eval import Eval

PROMPT_TOKENS = 512  # more than the judge's own prompt


def most_words(items: Sequence[Item], options: Eval) -> str | None:
    """Return in words how many requests are sent, and what they can cost at most; None where nothing is paid.

    Args:
        items: those that a model is asked about.
        options: of the evaluation, with all of its models.
    """
    paid = [one for one in options.each if not one.local]
    bodies = [{"messages": messages(item), "max_tokens": options.max_output_tokens} for item in items]
    worst = [worst_case(body) for body in bodies]
    requests = f"{len(items) * len(paid):,} answers"
    sums = [_usd(one, worst) for one in paid]
    if (judge := options.judging) is not None and not judge.local:
        pairs = [tokens for item, tokens in zip(items, worst, strict=True) if item.choices is None]
        answer = options.max_output_tokens or DEFAULT_OUTPUT_TOKENS
        shown = [Tokens(tokens.input + 2 * answer + PROMPT_TOKENS, judge.max_output_tokens or JUDGE_TOKENS) for tokens in pairs]
        judgements = 2 * len(pairs) * (len(options.each) - 1)
        requests += f" and {judgements:,} judgements"
        once = _usd(judge, shown)
        sums.append(None if once is None else once * 2 * (len(options.each) - 1) * (1 + AGAIN))
    elif not paid:
        return None
    known = [one for one in sums if one is not None]
    cost = f", at most ${sum(known):,.2f}" if len(known) == len(sums) else ", of which not every price is known"
    return f"{requests} will be asked for{cost}"


def _usd(options: ModelOptions, worst: Sequence[Tokens]) -> float | None:
    price = price_of(options)
    return None if price is None else sum(price.usd(tokens) for tokens in worst)
