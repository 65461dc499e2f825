"""A row as training text, and which of its characters the model is taught: the one renderer of ifd, train and chat.

The text comes from the tokenizer's own chat template. What carries loss is every assistant turn that the row does not
exclude, with its end-of-turn token, and nothing that the template writes around it: at inference the prompt ends just
before the answer, and the end token is the last that the model must say.

The place of a turn is found by rendering the conversation up to it (with the generation prompt) and with it: searching
for a marker string in the token ids, as other trainers do, fails when its tokens depend on what stands before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from datagen.errors import DataError, ModelError
from datagen.rows import Row, conversation_turns, said, turn

IGNORED = -100  # the label of a token without loss, as in torch's cross entropy
_PREAMBLE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
_PREAMBLE_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
_HEADINGS = {"user": "### Instruction:\n", "system": "", "tool": "### Input:\n"}
_RESPONSE = "### Response:"

Span = tuple[int, int, float]
Message = dict[str, Any]

# what a template is asked to show, to learn whether it knows tools at all
_PROBE = "datagen_probe"
_ASK: Message = {"role": "user", "content": "q"}
_PROBE_FUNCTION = {"name": _PROBE, "description": "d", "parameters": {"type": "object", "properties": {}}}
_PROBE_TOOLS = [{"type": "function", "function": _PROBE_FUNCTION}]
_PROBE_CALL = {"id": "1", "type": "function", "function": {"name": _PROBE, "arguments": {}}}
_PROBE_TURN: Message = {"role": "assistant", "content": "", "tool_calls": [_PROBE_CALL]}


class Tokenizer(Protocol):
    """What rendering needs of a tokenizer; every fast tokenizer of transformers fits."""

    chat_template: Any
    eos_token: Any
    bos_token: Any
    is_fast: Any

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> Any:
        """Return messages as text; raises what the template raises."""

    def __call__(self, text: str, **options: Any) -> Any:
        """Return the encoding of a text, with `input_ids` and, if asked, `offset_mapping`."""


@dataclass(frozen=True)
class Rendered:
    """The text of a row and its spans with loss: (start, end, weight), character offsets into `text`, in order."""

    text: str
    spans: list[Span]


@dataclass(frozen=True)
class Encoded:
    """A row as token ids; `labels[i]` is `input_ids[i]` where it carries loss, else -100 (unshifted, as transformers wants).

    `weights` has one float per token, or is None when every label weighs 1. `reason` says why the row cannot be trained on
    (`too_long`, `no_labels`), else None.
    """

    input_ids: list[int]
    labels: list[int]
    weights: list[float] | None
    reason: str | None


def rendered(row: Row, tokenizer: Tokenizer) -> Rendered:
    """Return the training text of a row and the spans of it that carry loss.

    With a chat template: tools go in as `tools=`, tool calls in OpenAI form. What the template would leave out is put where
    it shows: the raw tool calls into the content, a `tool` turn into a user turn, the tools into the system turn. Without a
    template: the prompt of Stanford Alpaca (`### Instruction:` … `### Response:`), each answer closed by the eos token.

    Raises:
        DataError: the template refuses the row or is not prefix-stable, or a turn has a weight below 0.
        ModelError: there is neither a chat template nor an eos token.
    """
    if not tokenizer.chat_template:
        return _alpaca(row, tokenizer)
    turns, tools = _fitted(row, tokenizer)
    messages = [_message(t) for t in turns]
    text = _render(tokenizer, messages, tools)
    spans: list[Span] = []
    for k, one in enumerate(turns):
        weight = _loss_weight(one)
        if not weight:
            continue
        last = k == len(turns) - 1
        until = text if last else _render(tokenizer, messages[: k + 1], tools)
        start = _answer_start(tokenizer, messages[: k + 1], tools, until)
        end = len(until.rstrip())  # the line break after the end token is the template's own
        if start is None or not text.startswith(until[:end]):
            raise DataError("the chat template is not prefix-stable: it rewrites earlier turns when a later one is added")
        if last and not _closed(until[start:end], one["content"]):
            text = until[:end] + _eos(tokenizer)  # a template that never ends a turn would never teach the model to stop
            end = len(text)
        spans.append((start, end, weight))
    return Rendered(text, spans)


def encode(row: Row, tokenizer: Tokenizer, max_length: int) -> Encoded:
    """Return a row as token ids and labels, or the reason why it is not trained on: `too_long` rows are never cut.

    The whole text is tokenised at once, without extra special tokens (the template writes its own BOS), and a token carries
    loss when it starts inside a span. Where a template's white space and an answer's first characters make one token, it is
    the answer's if it holds more of it than white space.

    Args:
        row: any row.
        tokenizer: a fast one, of the model that is to be trained.
        max_length: in tokens; a longer row gets the reason `too_long`.

    Raises:
        DataError: see `rendered`.
        ModelError: the tokenizer cannot say which characters a token covers.
    """
    shown = rendered(row, tokenizer)
    if not tokenizer.is_fast:
        raise ModelError("the tokenizer gives no offsets: it needs a tokenizer.json (a fast tokenizer)")
    # verbose=False: a row over the model's length is our business, not a warning
    tokens = tokenizer(shown.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids: list[int] = list(tokens["input_ids"])
    weights = _token_weights(shown, tokens["offset_mapping"])
    weights[:1] = [0.0] * len(weights[:1])  # nothing precedes the first token, so nothing can predict it
    labels = [i if w else IGNORED for i, w in zip(ids, weights, strict=True)]
    reason = "too_long" if len(ids) > max_length else None if any(weights) else "no_labels"
    return Encoded(ids, labels, weights if any(w not in (0.0, 1.0) for w in weights) else None, reason)


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


def _loss_weight(one: Mapping[str, Any]) -> float:
    """Return the loss weight of a turn, 0 for what is not trained on."""
    if one["role"] != "assistant" or one["train"] is False:
        return 0.0
    weight = 1.0 if one["weight"] is None else float(one["weight"])
    if not math.isfinite(weight) or weight < 0:
        raise DataError(f"an assistant turn has the weight {weight}; it must be a finite number, 0 or more")
    return weight


def _closed(tail: str, content: str | None) -> bool:
    """Say whether a rendered answer goes on after its content, which is then the end-of-turn token."""
    body, shown = (content or "").strip(), tail.strip()
    follows = shown != body if shown.startswith(body) else not shown.endswith(body)  # `>` is how an end token may end, too
    return bool(tail) and follows


def _eos(tokenizer: Tokenizer) -> str:
    if not tokenizer.eos_token:
        raise ModelError("the tokenizer has no eos token, so no answer could ever end")
    return str(tokenizer.eos_token)


def _render(tokenizer: Tokenizer, messages: list[Message], tools: list[Any] | None, prompt: bool = False) -> str:
    """Return messages through the chat template, with the generation prompt if asked."""
    try:
        text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompt)
    except Exception as error:  # a template is a program of the model's author: it may raise anything
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"the chat template refuses the row: {why[:200]}") from error
    return str(text)


def _answer_start(tokenizer: Tokenizer, messages: list[Message], tools: list[Any] | None, until: str) -> int | None:
    """Return where the last message's answer starts in its rendering `until`; None if the prompt before it is no prefix."""
    if len(messages) == 1:  # templates fail on no turns at all, or open them otherwise: see where a probe lands instead
        return _render(tokenizer, [{"role": "assistant", "content": _PROBE}], tools).index(_PROBE)
    prompt = _render(tokenizer, messages[:-1], tools, prompt=True)
    return len(prompt) if until.startswith(prompt) else None


def _fitted(row: Row, tokenizer: Tokenizer) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """Return the turns and tools of a row in a form that this template shows whole."""
    turns = conversation_turns(row)
    tools = _parsed_tools(row["tools"])
    if row["tools"] and not (tools and _shows(tokenizer, [_ASK], _PROBE_TOOLS)):
        system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else ""
        turns.insert(0, turn("system", "\n\n".join(part for part in (system, row["tools"]) if part)))
        tools = None
    called = [t for t in turns if t["tool_calls"]]
    if called and not (all(_parsed_calls(t["tool_calls"]) for t in called) and _shows(tokenizer, [_ASK, _PROBE_TURN])):
        turns = [{**t, "content": said(t), "tool_calls": None} for t in turns]
    if any(t["role"] == "tool" for t in turns):
        before = _PROBE_TURN if any(t["tool_calls"] for t in turns) else {"role": "assistant", "content": "a"}
        answer = {"role": "tool", "content": _PROBE + "2", "tool_call_id": "1"}
        if not _shows(tokenizer, [_ASK, before, answer], probe=_PROBE + "2"):
            turns = [{**t, "role": "user"} if t["role"] == "tool" else t for t in turns]
    return turns, tools


def _shows(tokenizer: Tokenizer, messages: list[Message], tools: list[Any] | None = None, probe: str = _PROBE) -> bool:
    """Say whether the template writes the probe that these messages or tools hold."""
    try:
        return probe in _render(tokenizer, messages, tools)
    except DataError:
        return False


def _message(one: Mapping[str, Any]) -> Message:
    """Return a turn as chat templates read it: only the keys that say something, tool calls in OpenAI form."""
    message: Message = {"role": one["role"], "content": one["content"] or ""}
    if one["tool_calls"]:
        message["tool_calls"] = _parsed_calls(one["tool_calls"])
    if one["tool_call_id"]:
        message["tool_call_id"] = one["tool_call_id"]
    return message


def _parsed_calls(text: str) -> list[Any] | None:
    """Return tool calls in OpenAI form, arguments as an object (templates serialise them themselves); None if unreadable."""
    parsed = []
    for call in _json_list(text) or ():
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return None
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return None
        known = {"id": call["id"]} if "id" in call else {}
        parsed.append({**known, "type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return parsed or None


def _parsed_tools(text: str) -> list[Any] | None:
    """Return the tools of a row in OpenAI form; None if there are none or they are not JSON objects."""
    tools = _json_list(text)
    if not tools or not all(isinstance(t, dict) for t in tools):
        return None
    return [t if "function" in t else {"type": "function", "function": t} for t in tools]


def _json_list(text: str) -> list[Any] | None:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, list) or value is None else [value]


def _alpaca(row: Row, tokenizer: Tokenizer) -> Rendered:
    """Return a row as the prompt of Stanford Alpaca (train.py), its answers closed by the eos token."""
    eos, turns = _eos(tokenizer), conversation_turns(row)
    flat_input = row["input"] if row["messages"] is None and row["instruction"] else ""
    if flat_input:  # Alpaca shows the input under its own heading
        turns[-2:-1] = [turn("user", row["instruction"]), turn("tool", row["input"])]
    system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else ""
    head = [system or (_PREAMBLE_INPUT if flat_input else _PREAMBLE), row["tools"]]
    text = _automatic_bos(tokenizer) + "".join(f"{part}\n\n" for part in head if part)
    spans: list[Span] = []
    for one in turns:
        if one["role"] != "assistant":
            text += f"{_HEADINGS[one['role']]}{said(one)}\n\n"
            continue
        start = len(text) + len(_RESPONSE)
        text += f"{_RESPONSE}{said(one)}{eos}"
        if weight := _loss_weight(one):
            spans.append((start, len(text), weight))
        text += "\n\n" if one is not turns[-1] else ""
    return Rendered(text, spans)


def _automatic_bos(tokenizer: Tokenizer) -> str:
    """Return the BOS text if the tokenizer puts it before every text by itself (encode turns that off)."""
    bos = tokenizer.bos_token
    if not bos:
        return ""
    ids, plain = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    return str(bos) if ids[:1] != plain[:1] and ids[:1] == tokenizer(bos, add_special_tokens=False)["input_ids"] else ""
