"""An end-of-turn token of one's own, as LIMA has it: put into the chat template, and into the model where it is new."""

from __future__ import annotations

import copy
from typing import Any

from datagen.errors import UsageError
from datagen.models.adapter import grown
from datagen.render.options import Rendering
from datagen.render.template import template_of


def with_end_token(model: Any, tokenizer: Any, token: str | None, *, shared: bool) -> tuple[Any, Any, int | None]:
    """Return a model and tokenizer whose answers end with a token, and its id where it is new and has to be trained.

    Args:
        model: which gets a row for the token; a copy of it where the caller shares it.
        tokenizer: whose chat template ends turns with another one, or that has none: then it becomes the eos token.
        token: its text; None changes nothing.
        shared: whether the caller goes on with the model.

    Raises:
        UsageError: the template ends turns with no special token that this could take the place of.
    """
    if token is None:
        return model, tokenizer, None
    changed = ended(tokenizer, token)
    if token in tokenizer.get_vocab():
        return model, changed, None
    model = grown(copy.deepcopy(model) if shared else model, len(changed))
    return model, changed, int(changed.convert_tokens_to_ids(token))


def ended(tokenizer: Any, token: str | None) -> Any:
    """Return a tokenizer whose answers end with a token, and which has it; itself for None.

    Raises:
        UsageError: as `with_end_token`.
    """
    if token is None:
        return tokenizer
    changed = copy.deepcopy(tokenizer)  # a shallow copy would share its vocabulary
    if changed.chat_template:
        before = _ending(tokenizer)
        if before is None:
            raise UsageError("train: --eot-token: the chat template ends its turns with no special token; give --chat-template")
        changed.chat_template = str(changed.chat_template).replace(before, token)
    changed.add_special_tokens({"eos_token": token})
    return changed


def _ending(tokenizer: Any) -> str | None:
    """Return the special token with which a chat template ends the last answer."""
    tail = template_of(tokenizer, Rendering()).tail or ""
    known = [str(t.content) for t in tokenizer.added_tokens_decoder.values() if str(t.content) in tail]
    return min(known, key=tail.index, default=None)
