"""Control tokens in the text of a row: the tokens by which a tokenizer marks turns, which no text may forge."""

from __future__ import annotations

import re
from functools import lru_cache

from datagen.render.conversation import Conversation
from datagen.render.template import Tokenizer

# Gemma has tokens for the tags of HTML, which answers are free to write.
_HTML = re.compile(
    r"</?(?:a|b|blockquote|body|br|caption|center|code|div|em|font|h[1-6]|head|hr|html|i|img|li|ol|p|pre|small|span|strong|sub"
    r"|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)/?>"
)
_OPENING, _CLOSING = "<[{｜|◁", ">]}｜|▷"


@lru_cache(maxsize=8)
def control_tokens(tokenizer: Tokenizer) -> dict[int, str]:
    """Return id → text of a tokenizer's control tokens: its special ones, and other added ones that look like marks.

    Added tokens of plain words, of white space and of HTML tags are how the tokenizer spells such text, and no control.
    """
    return {at: str(token.content) for at, token in tokenizer.added_tokens_decoder.items() if _controls(token)}


def _controls(token: object) -> bool:
    text = str(getattr(token, "content", token)).strip()
    if getattr(token, "special", False):
        return bool(text)
    mark = len(text) > 2 and text[0] in _OPENING and text[-1] in _CLOSING
    return mark and not _HTML.fullmatch(text)


def control_token_in(conversation: Conversation, tokenizer: Tokenizer) -> str | None:
    """Return a control token that the texts of a conversation would become, or None.

    The tokenizer itself is asked, which may fold case or forms of Unicode first.
    """
    return control_token_of("\n".join(conversation.texts()), tokenizer)


def control_token_of(text: str, tokenizer: Tokenizer) -> str | None:
    """Return a control token that a text would become, or None."""
    known = control_tokens(tokenizer)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    # What a tokenizer does not know at all becomes its unknown token, which the text does not hold.
    return next((known[i] for i in ids if i in known and (known[i] != tokenizer.unk_token or known[i] in text)), None)


def escaped(conversation: Conversation, tokenizer: Tokenizer) -> Conversation:
    r"""Return a conversation with a backslash after the first character of each control token: `<|im_end|>` → `<\|im_end|>`."""
    return conversation.changed(lambda text: escaped_text(text, tokenizer))


def escaped_text(text: str, tokenizer: Tokenizer) -> str:
    """Return a text with its control tokens as `escaped` shows them."""
    for token in sorted({t.strip() for t in control_tokens(tokenizer).values()}, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[0]}\\{token[1:]}")
    return text
