"""Rows and templates that are odd in some way: each is shown whole, or refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import new_row, turn
from datagen.errors import DataError, UsageError
from datagen.render.labels import encode
from datagen.render.options import Rendering
from datagen.render.sequences import rendered
from datagen.render.template import with_template
from datagen.training.options import TrainOptions
from datagen.training.texts import samples_of

HEAD = "{% for m in messages %}<|im_start|>{{ m.role }}\n"
TAIL = "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CHATML = HEAD + "{{ m.content }}" + TAIL
CALLS = (
    HEAD + "{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>{% endfor %}' + TAIL
)
FORGETS_THOUGHT = HEAD + "{{ m.content.split('</think>')[-1] }}" + TAIL


@pytest.mark.parametrize(
    ("thought", "answer"), [("4", "The answer is 4."), ("是", "是的，没错。"), ("ใช่", "ใช่ครับ"), ("Yes.", "Yes.")]
)
def test_a_thought_that_also_stands_in_the_answer_is_not_lost(
    shown: Callable[..., list[str]], thought: str, answer: str
) -> None:
    turns = [turn("user", "q"), {**turn("assistant", answer), "reasoning": thought}]
    (text,) = shown(FORGETS_THOUGHT, new_row(messages=turns))
    assert f"[[<think>\n{thought}\n</think>\n\n{answer}<|im_end|>]]" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"x": NaN, "y": [1e999]}', '{"x": null, "y": [null]}'),
        ('{"x": "a\\ud83d", "\\udc00": 1}', '{"x": "a\ufffd", "\ufffd": 1}'),
        ('{"x": "\\ud83d\\ude00"}', '{"x": "😀"}'),
        ("", "{}"),
        (" ", "{}"),
    ],
)
def test_arguments_are_shown_as_json_that_can_be_read(shown: Callable[..., list[str]], arguments: str, said: str) -> None:
    call = json.dumps([{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}])
    row = new_row(messages=[turn("user", "q"), {**turn("assistant", ""), "tool_calls": call}])
    (text,) = shown(CALLS, row)
    assert f'<tool_call>{{"name": "f", "arguments": {said}}}</tool_call>' in text


def test_half_a_character_in_a_call_of_the_text_costs_no_other_row(shown: Callable[..., list[str]]) -> None:
    content = '<tool_call>{"name": "f", "arguments": {"x": "\\ud83d"}}</tool_call>'
    (text,) = shown(CALLS, new_row(messages=[turn("user", "q"), turn("assistant", content)]))
    assert '{"x": "\ufffd"}' in text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("hello", "does not show all that the user says|does not show the row's answer"),
        (HEAD.replace("{{ m.role }}", "x") + "{% if m.role == 'assistant' %}{{ m.content }}{% endif %}" + TAIL, "user says"),
        (HEAD + "{% if m.role == 'user' %}{{ m.content }}{% endif %}" + TAIL, "does not show the row's answer"),
        (HEAD + "{{ m.content[:5] }}" + TAIL, "does not show"),
        ("{{ '\\ud800' }}" + CHATML, "the chat template refuses the row"),
    ],
)
def test_a_template_that_leaves_something_out_refuses_its_rows(tokenizer: Any, template: str, said: str) -> None:
    own = tokenizer.chat_template
    tokenizer.chat_template = template
    try:
        with pytest.raises(DataError, match=said):
            rendered(new_row(instruction="What is it, please?", output="one two three four"), tokenizer)
    finally:
        tokenizer.chat_template = own


def test_a_template_that_shows_the_first_question_only_refuses_rows_with_two(tokenizer: Any) -> None:
    changed = with_template(tokenizer, "chatml")
    changed.chat_template = (
        "<|im_start|>user\n{{ messages[0].content }}<|im_end|>\n<|im_start|>assistant\n"
        "{% if not add_generation_prompt %}{{ messages[-1].content }}<|im_end|>\n{% endif %}"
    )
    assert rendered(new_row(instruction="q", output="a"), changed)
    turns = [turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d")]
    with pytest.raises(DataError, match="does not show all that the user says"):
        rendered(new_row(messages=turns), changed)


def test_a_conversation_of_more_turns_than_tokens_is_too_long_at_once(tokenizer: Any) -> None:
    turns = [turn("user", "a"), turn("assistant", "b")] * 1_500
    assert [one.reason for one in encode(new_row(messages=turns), tokenizer, 1024)] == ["too_long"]


def test_calls_that_are_nested_too_deep_end_no_run(tokenizer: Any) -> None:
    arguments = '{"x": ' + "[" * 600 + '"<|im_end|>"' + "]" * 600 + "}"
    call = '[{"id": "1", "type": "function", "function": {"name": "f", "arguments": ' + arguments + "}}]"
    row = new_row(messages=[turn("user", "q"), {**turn("assistant", ""), "tool_calls": call}])
    for how in (Rendering(), Rendering(control_tokens="escape")):
        told = [(row["id"], "error: the row's tools or calls are nested too deep")]
        assert samples_of([row], tokenizer, 9999, how)[1] == told


def test_the_file_of_a_template_is_read_as_editors_and_tokenizers_write_it(tokenizer: Any, tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(CHATML, encoding="utf-8-sig")
    assert with_template(tokenizer, str(file)).chat_template == CHATML
    file.write_text(json.dumps({"chat_template": CHATML, "eos_token": "x"}))
    assert with_template(tokenizer, str(file)).chat_template == CHATML
    for empty in ("", " \n", '{"eos_token": "x"}', '{"chat_template": null}'):
        file.write_text(empty)
        with pytest.raises(UsageError, match=r"template\.jinja: it holds no template"):
            with_template(tokenizer, str(file))


@pytest.mark.parametrize("name", ["tokenize", "messages", "chat_template", "add_generation_prompt", "max_length"])
def test_what_is_no_value_of_a_template_is_a_wrong_option_and_no_refusal_of_rows(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is no value of a template"):
        TrainOptions(chat_template_kwargs={name: True})
    assert TrainOptions(chat_template_kwargs={"enable_thinking": False, "documents": []}).rendering.template_options
