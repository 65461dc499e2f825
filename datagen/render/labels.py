"""Training texts as token ids and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datagen.data.rows import Row, said
from datagen.errors import DataError, ModelError
from datagen.remnants import is_visible
from datagen.render.control_tokens import control_token_in, escaped
from datagen.render.conversation import conversation_of
from datagen.render.options import Rendering
from datagen.render.sequences import rendered_conversation
from datagen.render.spans import Rendered
from datagen.render.template import Tokenizer, template_of

IGNORED = -100  # the label of a token without loss, as in torch's cross entropy


@dataclass(frozen=True)
class Encoded:
    """A text as token ids; `labels[i]` is `input_ids[i]` where it carries loss, else -100 (unshifted, as transformers wants).

    `weights` has one float per token, or is None when every label weighs 1. `reason` says why its row cannot be trained on
    (`too_long`, `no_labels`, `control_tokens: TOKEN`), else None.
    """

    input_ids: list[int]
    labels: list[int]
    weights: list[float] | None
    reason: str | None


def encode(row: Row, tokenizer: Tokenizer, max_length: int, how: Rendering | None = None) -> list[Encoded]:
    """Return the texts of a row as token ids and labels: at least one, all with the reason where the row is not trained on.

    A text is tokenised whole, as a server does it, without extra special tokens (the template writes its own BOS), and a token
    carries loss when it starts inside a span. Where a template's white space and an answer's first characters make one token,
    it is the answer's if it holds more of it than white space.

    Args:
        row: any row.
        tokenizer: a fast one, of the model that is to be trained.
        max_length: in tokens; a row with a longer text gets the reason `too_long` and is never cut.
        how: what of the row is shown.

    Raises:
        DataError: see `rendered`.
        ModelError: the tokenizer cannot say which characters a token covers.
    """
    if not tokenizer.is_fast:
        raise ModelError("the tokenizer gives no offsets: it needs a tokenizer.json (a fast tokenizer)")
    if sum(is_visible(said(one)) for one in row["messages"] or ()) > max_length:  # a token each, at least
        return [Encoded([], [], None, "too_long")]
    try:
        texts = unforged(row, tokenizer, how)
    except RecursionError:
        raise DataError("the row's tools or calls are nested too deep") from None
    if isinstance(texts, str):
        return [Encoded([], [], None, f"control_tokens: {texts}")]
    if how and how.train_on_all and texts:  # of a template that rewrites earlier turns the last text has all that is left
        texts = [Rendered(texts[-1].text, [(0, len(texts[-1].text), 1.0)])]
    found = [_encoded(shown, tokenizer) for shown in texts]
    found = [one for one in found if any(label != IGNORED for label in one.labels)]
    if not found:
        return [Encoded([], [], None, "no_labels")]
    if any(len(one.input_ids) > max_length for one in found):
        return [Encoded(one.input_ids, one.labels, one.weights, "too_long") for one in found]
    return found


def unforged(row: Row, tokenizer: Tokenizer, how: Rendering | None = None) -> list[Rendered] | str:
    """Return the texts of a row, as `rendered` does, or the control token that the row's own text would become in them."""
    how = how or Rendering()
    template = template_of(tokenizer, how) if tokenizer.chat_template else None
    conversation = conversation_of(row, template, how.reasoning)
    token = control_token_in(conversation, tokenizer)
    if token and how.control_tokens == "escape":
        conversation = escaped(conversation, tokenizer)
        token = control_token_in(conversation, tokenizer)
    return token or rendered_conversation(conversation, row, tokenizer, template)


def _encoded(shown: Rendered, tokenizer: Tokenizer) -> Encoded:
    # verbose=False: a row over the model's length is our business, not a warning
    tokens = tokenizer(shown.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids: list[int] = list(tokens["input_ids"])
    weights = _token_weights(shown, tokens["offset_mapping"])
    weights[:1] = [0.0] * len(weights[:1])  # nothing precedes the first token, so nothing can predict it
    labels = [i if w else IGNORED for i, w in zip(ids, weights, strict=True)]
    return Encoded(ids, labels, weights if any(w not in (0.0, 1.0) for w in weights) else None, None)


def _token_weights(shown: Rendered, offsets: Sequence[tuple[int, int]]) -> list[float]:
    """Return the weight of the span in which each token starts, 0 outside; spans are in order and do not overlap."""
    weights, at, reach = [], 0, 0
    for token_start, token_end in offsets:
        # some tokenizers (GPT-2) trim spaces off their offsets; a token really starts where the one before it ended,
        # and the bytes of one character share its offsets
        start = min(token_start, reach)
        reach = max(reach, token_end)
        while at < len(shown.spans) and shown.spans[at][1] <= start:
            at += 1
        first, _, weight = shown.spans[at] if at < len(shown.spans) else (len(shown.text), 0, 0.0)
        # `ASSISTANT: ` and `the` may make the token ` the`: it is the answer's if only the answer says something in it
        says = start < first < reach and shown.text[start:first].isspace() and shown.text[first:reach].strip()
        weights.append(weight if first <= start or says else 0.0)
    return weights
