"""The training text of a tokenizer without a chat template: the prompt of Stanford Alpaca."""

from __future__ import annotations

from datagen.data.rows import ROLES, Row, turn
from datagen.errors import DataError, ModelError
from datagen.render.conversation import Conversation, Turn, loss_weight
from datagen.render.spans import Rendered, Span
from datagen.render.template import Tokenizer

_PREAMBLE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
_PREAMBLE_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
_HEADINGS = {"user": "### Instruction:\n", "system": "", "tool": "### Input:\n"}
_RESPONSE = "### Response:"


def alpaca(conversation: Conversation, row: Row, tokenizer: Tokenizer) -> Rendered:
    """Return a row as the prompt of Stanford Alpaca (train.py), its answers closed by the eos token.

    Reasoning stands before its answer, between `<think>` and `</think>`.

    Raises:
        DataError: a turn has a role that does not exist, or a weight below 0.
        ModelError: there is no eos token.
    """
    eos, turns = eos_of(tokenizer), list(conversation.turns)
    flat_input = row["input"] if row["messages"] is None and row["instruction"] else ""
    if flat_input:  # Alpaca shows the input under its own heading
        asked, given = turn("user", row["instruction"]), turn("tool", row["input"])
        turns[-2:-1] = [asked, given]
    system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else ""
    head = [system or (_PREAMBLE_INPUT if flat_input else _PREAMBLE), conversation.spec]
    text = _automatic_bos(tokenizer) + "".join(f"{part}\n\n" for part in head if part)
    spans: list[Span] = []
    for one in turns:
        if one["role"] not in ROLES:
            raise DataError(f"a turn has the role {one['role'][:40]!r}; the roles are {', '.join(ROLES)}")
        if one["role"] != "assistant":
            text += f"{_HEADINGS[one['role']]}{_said(one)}\n\n"
            continue
        start = len(text) + len(_RESPONSE)
        text += f"{_RESPONSE}{_said(one)}{eos}"
        if weight := loss_weight(one):
            spans.append((start, len(text), weight))
        text += "\n\n" if one is not turns[-1] else ""
    return Rendered(text, spans)


def _said(one: Turn) -> str:
    content = one["content"] or ""
    if one["reasoning"]:
        content = one.get("whole") or f"<think>\n{one['reasoning']}\n</think>\n\n{content}"
    return "\n".join(part for part in (content, one["tool_calls"] or "") if part)


def eos_of(tokenizer: Tokenizer) -> str:
    """Return the text of the eos token; raises ModelError without one."""
    if not tokenizer.eos_token:
        raise ModelError("the tokenizer has no eos token, so no answer could ever end")
    return str(tokenizer.eos_token)


def _automatic_bos(tokenizer: Tokenizer) -> str:
    """Return the BOS text if the tokenizer puts it before every text by itself (encode turns that off)."""
    bos = tokenizer.bos_token
    if not bos:
        return ""
    ids, plain = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    return str(bos) if ids[:1] != plain[:1] and ids[:1] == tokenizer(bos, add_special_tokens=False)["input_ids"] else ""
