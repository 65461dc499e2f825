"""The texts that a row is trained on: each answer after what a server would have shown the model at that turn.

The prompt of an answer is the conversation before it with the generation prompt; the answer is what the template writes from
there. Where the prompt of a later answer begins with the text so far, both are spans of one text, which is the usual case; a
template that rewrites earlier turns (Qwen3 takes their thinking off, gpt-oss their end token) makes one text per answer. So
every answer is taught once, and never in a context that no server shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from datagen.data.rows import ROLES, Row, turn
from datagen.errors import DataError, ModelError
from datagen.marks import after_empty_thought, thinking_left_open
from datagen.render.conversation import Conversation, Turn, conversation_of, fitted, loss_weight, message_of
from datagen.render.options import Rendering
from datagen.render.spans import Rendered, Span
from datagen.render.template import PROBE, THINKING_ON, Message, Template, Tokenizer, template_of

_CLOSING_OF_NONE = ("<think>\n", "\n</think>\n\n")  # around reasoning that the template itself leaves out


def rendered(row: Row, tokenizer: Tokenizer, how: Rendering | None = None) -> list[Rendered]:
    """Return the training texts of a row and the spans of each that carry loss; none where no answer does.

    With a chat template: tools go in as `tools=`, calls in OpenAI form, reasoning under the names that templates read. Without:
    the prompt of Stanford Alpaca (`### Instruction:` … `### Response:`), each answer closed by the eos token.

    Raises:
        DataError: the template refuses the row, or a turn has a weight below 0 or an unknown role.
        ModelError: there is neither a chat template nor an eos token.
    """
    how = how or Rendering()
    template = template_of(tokenizer, how) if tokenizer.chat_template else None
    return rendered_conversation(conversation_of(row, template, how.reasoning), row, tokenizer, template)


def rendered_conversation(
    conversation: Conversation, row: Row, tokenizer: Tokenizer, template: Template | None
) -> list[Rendered]:
    """Return the training texts of a conversation whose marks are read; see `rendered`."""
    if template is None:
        return [alpaca(conversation, row, tokenizer)]
    fit = fitted(conversation, template)
    found: list[_Answered] = []
    shown: list[Message] = []
    for one in fit.turns:
        if one["role"] != "assistant":
            shown.append(message_of(one, template, "none"))
            continue
        weight = loss_weight(one)
        if not weight and not (one["reasoning"] and one["calls"]):
            shown.append(message_of(one, template, _forms(one, template)[0]))
            continue
        message, answered = _answer(shown, one, fit, template)
        shown.append(message)
        if weight:
            _add(found, replace(answered, spans=[(start, end, weight) for start, end, _ in answered.spans]))
    if found and template.hides_user(later=sum(one["role"] == "user" for one in fit.turns) > 1):
        raise DataError("the chat template does not show all that the user says")
    return [Rendered(a.text, a.spans) for a in found]


@dataclass(frozen=True)
class _Answered:
    """An answer after its prompt; `end` is where its end token ends, `text` goes on as the template does."""

    prompt: str
    text: str
    end: int
    spans: list[Span]


def _add(found: list[_Answered], new: _Answered) -> None:
    """Add an answer, to the text before it where its prompt begins with all of that."""
    before = found[-1] if found else None
    if before and new.prompt.startswith(before.text[: before.end]):
        found[-1] = replace(new, spans=[*before.spans, *new.spans])
    else:
        found.append(new)


def _forms(one: Turn, template: Template) -> list[str]:
    """Return the places where the reasoning of a turn may go, the likeliest first."""
    if not one["reasoning"]:
        return ["none"]
    parts = ["parts"] if template.reads_thinking_parts else []
    return ["fields", "joined", *parts, "content"] if template.reads_reasoning else [*parts, "content", "fields"]


def _answer(shown: list[Message], one: Turn, fit: Conversation, template: Template) -> tuple[Message, _Answered]:
    """Return an answer as a message of the turns to come, and after its prompt."""
    prompt = _prompt(shown, fit, template)
    refusal: DataError | None = None
    taken: Message | None = None
    for form in _forms(one, template):
        if form == "joined" and not (one["calls"] and one["content"]):
            continue
        message = message_of(one, template, form)
        # A generation prompt that closes the thinking is that of a server told not to think, which this row was not.
        for more in ({}, THINKING_ON) if one["reasoning"] and prompt is not None else ({},):
            asked = prompt if not more else _prompt(shown, fit, template, **more)
            try:
                full = template.render([*shown, message], fit.tools, **more)
            except DataError as error:
                refusal = refusal or error
                break
            taken = taken or message
            if asked is not None and full.startswith(asked) and _holds(full[len(asked) :], one):
                return message, _whole(asked, full, one, template, template.marked([*shown, message], fit.tools, **more))
    if taken is None:
        assert refusal is not None
        raise refusal
    return taken, _composed(prompt, shown, one, fit, template)


def _prompt(shown: list[Message], fit: Conversation, template: Template, **more: bool) -> str | None:
    """Return what a server shows before an answer; None where the template makes nothing of the turns before it alone."""
    try:
        return template.render(shown, fit.tools, prompt=True, **more) if shown else None
    except DataError:
        return None


def _holds(answer: str, one: Turn) -> bool:
    """Say whether a rendered answer has what the turn says."""
    at = 0
    for part in (one["reasoning"], one["content"]):  # one after the other: a short thought may stand in the content too
        said = (part or "").strip()
        if (at := answer.find(said, at)) < 0:
            return False
        at += len(said)
    return all(call["function"]["name"].strip() in answer for call in one["calls"] or ())


def _whole(prompt: str, full: str, one: Turn, template: Template, marks: list[tuple[int, int]]) -> _Answered:
    """Return an answer that the template itself wrote after its prompt."""
    text, end = _closed(full, template)
    begun = _begun(text, len(prompt), one)
    spans: list[Span] = [(max(start, begun), min(until, end), 1.0) for start, until in marks]
    spans = [span for span in spans if span[0] < span[1]] or [(begun, end, 1.0)]
    # What stands between the prompt and the first mark no server shows, so the model must say it.
    spans[0] = (begun, *spans[0][1:])
    spans[-1] = (spans[-1][0], end, 1.0)  # the end token is taught whether the marks have it or not
    return _Answered(prompt, text, end, spans)


def _begun(text: str, start: int, one: Turn) -> int:
    """Return where a turn's own part of its answer begins.

    A row without reasoning is taught as an answer without thinking, and not as a habit of thinking nothing: the empty thought
    that some templates write before it is context, as it is where a server is told not to think.
    """
    return start if one["reasoning"] else after_empty_thought(text, start, one["content"] or "")


def _closed(full: str, template: Template) -> tuple[str, int]:
    """Return a text that ends in an answer, and where its end token ends; one is added where the template writes none."""
    tail = template.tail
    if tail is not None and full.endswith(tail):
        start = len(full) - len(tail)
        if mark := re.match(r"\s*\S+", tail):
            return full, start + mark.end()
        text = full[:start] + eos_of(template.tokenizer)  # never taught to stop, it would not
        return text, len(text)
    return full, len(full.rstrip())  # a call has an end of its own


def _composed(prompt: str | None, shown: list[Message], one: Turn, fit: Conversation, template: Template) -> _Answered:
    """Return an answer that the template does not write after its prompt, put together from what it does write.

    It takes the thinking off, or opens it in the generation prompt only, or marks the last turn as no server does.
    """
    bare = message_of(one, template, "none")
    full = template.render([*shown, bare], fit.tools)
    probed = template.render([*shown, {**bare, "content": PROBE}], fit.tools)
    start = probed.rfind(PROBE)
    if start < 0 and one["calls"] and prompt is not None and full.startswith(prompt):  # beside a call it shows no content
        start = len(prompt)
    if start < 0:
        raise DataError("the chat template does not show the row's answer")
    header = probed[:start]
    if full.startswith(header) and _holds(full[start:], {**one, "reasoning": None}):
        text, end = _closed(full, template)
    else:  # it cuts what the answer says
        text, end = _closed(header + (one["content"] or "") + probed[start + len(PROBE) :], template)
    prompt = header if prompt is None else prompt
    left_open = thinking_left_open(prompt)
    thought = one["reasoning"] or ""
    if left_open:
        space, closing = left_open
        opening = f"{thought}{space}{closing}\n\n"
    else:
        opening = thought.join(_CLOSING_OF_NONE) if thought else ""
    begun = prompt + opening
    text, end = begun + text[start:], end + len(begun) - start
    return _Answered(prompt, text, end, [(_begun(text, len(prompt), one), end, 1.0)])


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
