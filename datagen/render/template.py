"""A chat template as a program: run on messages, and asked once by small probes what it can show.

Nothing is looked up by the name of a model: whether a template knows a system turn, tools, reasoning or text parts is found by
giving it some and looking whether they are in what it writes.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

from datagen.errors import DataError, UsageError, first_line, nearest
from datagen.render.calls import with_text_arguments
from datagen.render.options import Rendering
from datagen.render.today import on, shows_today

Message = dict[str, Any]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROBE = "datagen_probe"
_ASK: Message = {"role": "user", "content": "q"}
_ANSWER: Message = {"role": "assistant", "content": "a"}
_FUNCTION = {"name": PROBE, "description": "d", "parameters": {"type": "object", "properties": {}}}
_TOOLS = [{"type": "function", "function": _FUNCTION}]
_ARGUMENTS = {"datagen_key": "datagen_value"}
_ID = "123456789"  # nine letters or digits, as Mistral's templates demand
_CALL = {"id": _ID, "type": "function", "function": {"name": PROBE, "arguments": _ARGUMENTS}}
# What a server is told to make a model think, by the names that templates read.
THINKING_ON = {"enable_thinking": True, "thinking": True}


class Tokenizer(Protocol):
    """What rendering needs of a tokenizer; every fast tokenizer of transformers fits."""

    chat_template: Any
    eos_token: Any
    bos_token: Any
    unk_token: Any
    is_fast: Any
    added_tokens_decoder: Any
    special_tokens_map: Any

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> Any:
        """Return messages as text; raises what the template raises."""

    def __hash__(self) -> int:
        """Return the identity: what a template can show is asked once per tokenizer."""

    def __call__(self, text: str, **options: Any) -> Any:
        """Return the encoding of a text, with `input_ids` and, if asked, `offset_mapping`."""


def with_template(tokenizer: Any, name: str | None) -> Any:
    """Return a tokenizer with another chat template: of a file, by its name among the tokenizer's own, or `chatml`.

    Raises:
        UsageError: there is no such file or name, or what it holds is no Jinja template.
    """
    import copy

    if name is None:
        return tokenizer
    named = tokenizer.chat_template if isinstance(tokenizer.chat_template, dict) else {}
    known = {"chatml": CHATML, **named}
    text = known.get(name)
    if text is None:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError(f"--chat-template: '{name}' is neither a file nor one of {', '.join(known)}{nearest(name, known)}")
        try:
            text = _template_in(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--chat-template {name}: {error}") from None
    if not text.strip():
        raise UsageError(f"--chat-template {name}: it holds no template")
    from jinja2 import TemplateSyntaxError

    changed = copy.copy(tokenizer)
    changed.chat_template = text
    try:
        changed.apply_chat_template([_ASK, _ANSWER], tokenize=False)
    except TemplateSyntaxError as error:
        raise UsageError(f"--chat-template {name}: line {error.lineno}: {error.message}") from None
    except Exception as error:  # noqa: BLE001 - a template may refuse what a probe says; its rows will tell, one by one
        logging.getLogger(__name__).debug("--chat-template %s refuses a probe: %s", name, first_line(error))
    return changed


def _template_in(text: str) -> str:
    """Return the template of a file that is one, or of a `tokenizer_config.json` or `chat_template.json` that holds one."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return text
    template = held.get("chat_template") if isinstance(held, dict) else None
    return template if isinstance(template, str) else ""


def template_of(tokenizer: Tokenizer, how: Rendering) -> Template:
    """Return the chat template of a tokenizer as rows are to be shown; one per tokenizer, asked once."""
    return _template(tokenizer, repr(tokenizer.chat_template), how.template_options, how.date)


@lru_cache(maxsize=8)
def _template(tokenizer: Tokenizer, text: str, options: str, date: str) -> Template:
    return Template(tokenizer, json.loads(options) if options else {}, date)


class Template:
    """A tokenizer's chat template, with the values that every call gives it; what it can show is found out once."""

    def __init__(self, tokenizer: Tokenizer, options: dict[str, Any], date: str = "") -> None:
        """Take the values for the template and the date that it takes for today (YYYY-MM-DD; "": today)."""
        self.tokenizer = tokenizer
        self.options = options
        self.date = date
        self._told: set[str] = set()

    def tell(self, what: str) -> None:
        """Log, once per template, what is done to rows so that it shows them."""
        if what not in self._told:
            self._told.add(what)
            logging.getLogger(__name__).warning("%s", what)

    def render(self, messages: Sequence[Message], tools: list[Any] | None = None, *, prompt: bool = False, **more: Any) -> str:
        """Return messages as text, with the generation prompt if asked; `more` are further values for the template.

        Raises:
            DataError: the template refuses them; the message has the template's own, and its line.
        """
        shown = [_in_parts(m) for m in messages] if self.parts else list(messages)
        given: dict[str, Any] = {**more, **self.options}
        text, dated = self._text(tools)
        if dated:
            given["chat_template"] = text
        try:
            shown_text = str(
                self.tokenizer.apply_chat_template(shown, tools=tools, tokenize=False, add_generation_prompt=prompt, **given)
            )
            shown_text.encode()  # half a character, which no tokenizer takes
            return shown_text
        except Exception as error:  # a template is a program of the model's author: it may raise anything
            raise DataError(f"the chat template refuses the row: {first_line(error)}{_line(error, dated)}") from error

    def marked(self, messages: Sequence[Message], tools: list[Any] | None, **more: Any) -> list[tuple[int, int]]:
        """Return the character spans that the template itself marks as the model's, by `{% generation %}`; [] without."""
        text, _ = self._text(tools)
        if not re.search(r"\{%-?\s*generation\s*-?%\}", text):
            return []
        from transformers.utils.chat_template_utils import render_jinja_template

        shown = [_in_parts(m) for m in messages] if self.parts else list(messages)
        given = {**self.tokenizer.special_tokens_map, **more, **self.options}
        _, spans = render_jinja_template([shown], tools, chat_template=text, return_assistant_tokens_mask=True, **given)
        return [(start, end) for start, end in spans[0] if start < end]

    def _text(self, tools: list[Any] | None) -> tuple[str, int]:
        """Return the template's text, and how many lines stand before its own: one where it is told the date."""
        text = self.tokenizer.chat_template
        if isinstance(text, dict):
            text = text["tool_use"] if tools and "tool_use" in text else text.get("default", "")
        return (on(self.date, text), 1) if self.date and shows_today(text) else (str(text), 0)

    def shows(self, messages: list[Message], tools: list[Any] | None = None, probe: str = PROBE) -> bool:
        """Say whether the template writes the probe that these messages or tools hold."""
        return probe in (self._try(messages, tools) or "")

    def _try(self, messages: list[Message], tools: list[Any] | None = None) -> str | None:
        try:
            return self.render(messages, tools)
        except DataError:
            return None

    @cached_property
    def parts(self) -> bool:
        """Whether contents must be lists of parts: templates of models that see often do not read a plain text."""
        self.parts = False  # of the probes below
        ask = {"role": "user", "content": PROBE}
        if self.shows([ask, _ANSWER]):
            return False
        text = self._try([_in_parts(ask), _in_parts(_ANSWER)]) or ""
        return PROBE in text and "'type'" not in text and '"type"' not in text  # not as Python or JSON would write the part

    @lru_cache(maxsize=16)  # noqa: B019 - templates live as long as the process: two answers of each that `_template` keeps
    def hides_user(self, *, later: bool) -> bool:
        """Say whether it leaves out what the user says, in the only turn or in a later one; False where it refuses that."""
        before = [_ASK, _ANSWER] if later else []
        text = self._try([*before, {"role": "user", "content": PROBE}, _ANSWER])
        return text is not None and PROBE not in text.casefold()

    @cached_property
    def reads_tools(self) -> bool:
        """Whether it writes the tools."""
        return self.shows([_ASK], _TOOLS)

    @cached_property
    def calls(self) -> Literal["object", "text"] | None:
        """In which form it writes the arguments of calls as JSON; None where it does not show calls."""
        for form, calls in (("object", [_CALL]), ("text", with_text_arguments([_CALL]))):
            text = self._try([_ASK, {"role": "assistant", "content": "", "tool_calls": calls}]) or ""
            # A map written as Python writes it, or a JSON text written as JSON once more, are not what a model should say.
            if PROBE in text and "datagen_value" in text and "{'datagen_key'" not in text and '\\"datagen_key' not in text:
                return form  # type: ignore[return-value]
        return None

    @cached_property
    def loses_calls(self) -> str:
        """Where it shows only one of two calls of a turn and says nothing: its line, as far as that can be found; else ""."""
        other = {
            "id": "987654321",
            "type": "function",
            "function": {"name": f"{PROBE}2", "arguments": {"datagen_key": "other"}},
        }
        text = self._try([_ASK, {"role": "assistant", "content": "", "tool_calls": self._calls([_CALL, other])}])
        if text is None or "other" in text or self.calls is None:
            return ""  # what refuses them says so itself, of each row
        own, _ = self._text(_TOOLS)
        lines = [n for n, line in enumerate(own.splitlines(), 1) if re.search(r"tool_calls\s*(\[0\]|\|\s*first)", line)]
        return f"line {lines[0]} of the template" if lines else "the template does not say where"

    @cached_property
    def reads_any_id(self) -> bool:
        """Whether it takes calls whose id is not nine letters or digits."""
        return self.shows([_ASK, {"role": "assistant", "content": "", "tool_calls": self._calls([{**_CALL, "id": "call_1"}])}])

    def _calls(self, calls: list[Any]) -> list[Any]:
        return with_text_arguments(calls) if self.calls == "text" else calls

    @lru_cache(maxsize=16)  # noqa: B019 - templates live as long as the process
    def reads_results(self, *, called: bool) -> bool:
        """Say whether it writes tool turns, after a turn with a native call or after a plain one."""
        before = {"role": "assistant", "content": "", "tool_calls": self._calls([_CALL])} if called else _ANSWER
        answer = {"role": "tool", "content": f"{PROBE}2", "tool_call_id": _ID, "name": PROBE}
        return self.shows([_ASK, before, answer], probe=f"{PROBE}2")

    @cached_property
    def system(self) -> str | None:
        """The name of the role whose first turn it shows before the user's: system, developer, or None."""
        asked = ((role, [{"role": role, "content": PROBE}, _ASK]) for role in ("system", "developer"))
        return next((role for role, messages in asked if self.shows(messages)), None)

    @cached_property
    def late_system(self) -> bool:
        """Whether it shows a system turn that comes later."""
        return bool(self.system) and self.shows([_ASK, _ANSWER, {"role": self.system, "content": PROBE}, _ASK])

    @cached_property
    def alternates(self) -> bool:
        """Whether it refuses two turns of the user in a row."""
        return self._try([_ASK, _ANSWER, _ASK]) is not None and self._try([_ASK, _ASK, _ANSWER]) is None

    @cached_property
    def tail(self) -> str | None:
        """What it writes after the last answer, the end token and what follows it; None where it shows no answer."""
        text = self._try([_ASK, {"role": "assistant", "content": PROBE}])
        return text.rpartition(PROBE)[2] if text and PROBE in text else None

    @cached_property
    def reads_reasoning(self) -> bool:
        """Whether it writes the reasoning of the last answer from a field of its own."""
        return self.shows([_ASK, {**_ANSWER, **dict.fromkeys(("reasoning_content", "thinking", "reasoning"), PROBE)}])

    @cached_property
    def reads_thinking_parts(self) -> bool:
        """Whether it writes a part of the content that is the reasoning, and not as Python or JSON would write the part."""
        parts = [{"type": "thinking", "thinking": [{"type": "text", "text": PROBE}]}, {"type": "text", "text": "a"}]
        text = self._try([_ASK, {"role": "assistant", "content": parts}]) or ""
        return PROBE in text and "'type'" not in text and '"type"' not in text


def _in_parts(message: Message) -> Message:
    """Return a message with its text as a list of one part."""
    if not isinstance(message.get("content"), str):
        return message
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


def _line(error: BaseException, before: int) -> str:
    """Return the line of the template at which it gave up, as far as Jinja says; `before`: lines that are not its own."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename in ("<template>", "<unknown>")]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    return f" (line {line - before} of the template)" if line else ""
