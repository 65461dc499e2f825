"""Tools, their calls and results under the constructs of public chat templates, each in a small one of our own."""

from __future__ import annotations

from typing import Any

import pytest

from datagen.data.rows import new_row, turn
from datagen.errors import DataError

OPEN = "{% if add_generation_prompt %}<|bot|>{% endif %}"
TEXT_ARGUMENTS = (  # DeepSeek: arguments are joined as text
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
    "{{ '[' + c.function.name + ' ' + c.function.arguments + ']' }}{% endfor %}<|e|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
OBJECT_ARGUMENTS = (  # GLM, Qwen3-Coder: a pair of tags per argument
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}[{{ c.function.name }}"
    "{% for k, v in c.function.arguments.items() %} {{ k }}={{ v }}{% endfor %}]{% endfor %}<|e|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ONE_CALL = (  # Llama 3.1
    "{% for m in messages %}{% if m.tool_calls %}\n"
    "{% if not m.tool_calls | length == 1 %}{{ raise_exception('This model only supports single tool-calls at once!') }}"
    "{% endif %}<|bot|>{{ m.tool_calls[0].function | tojson }}<|e|>{% else %}<|{{ m.role }}|>{{ m.content }}<|e|>{% endif %}"
    "{% endfor %}" + OPEN
)
FIRST_CALL = (  # gpt-oss: the others are lost without a word
    "{% for m in messages %}{% if m.tool_calls %}<|bot|>{{ m.tool_calls[0].function | tojson }}<|e|>{% else %}"
    "<|{{ m.role }}|>{{ m.content }}<|e|>{% endif %}{% endfor %}" + OPEN
)
QWEN = (  # tools in the system turn, results of tools in turns of the user, those of a row in one
    "{% if tools %}<|system|>{% if messages[0].role == 'system' %}{{ messages[0].content }}\n{% endif %}"
    "{% for t in tools %}{{ t | tojson }}{% endfor %}<|e|>{% elif messages[0].role == 'system' %}<|system|>"
    "{{ messages[0].content }}<|e|>{% endif %}{% for m in messages %}{% if m.role == 'tool' %}"
    "{% if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}<|user|>{% endif %}<r>{{ m.content }}</r>"
    "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|e|>{% endif %}{% elif m.role != 'system' %}"
    "<|{{ 'bot' if m.role == 'assistant' else m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
    "<c>{{ c.function.name }} {{ c.function.arguments | tojson }}</c>{% endfor %}<|e|>{% endif %}{% endfor %}" + OPEN
)
BOTH = '[{"name": "look", "arguments": {"at": "x"}}, {"name": "look", "arguments": {"at": "y"}}]'
ONE = turn("assistant", "one")


@pytest.mark.parametrize(
    ("template", "call"), [(TEXT_ARGUMENTS, '[look {"at": "กx"}]'), (OBJECT_ARGUMENTS, "[look at=กx]")], ids=["text", "object"]
)
@pytest.mark.parametrize(
    "row_call",
    [
        turn("assistant", None, tool_calls='{"name": "look", "arguments": {"at": "กx"}}'),
        turn("assistant", None, tool_calls='[{"function": {"name": "look", "arguments": "{\\"at\\": \\"กx\\"}"}}]'),
        turn("assistant", '<tool_call>\n{"name": "look", "arguments": {"at": "กx"}}\n</tool_call>'),
    ],
    ids=["an object", "a text", "in the content"],
)
def test_arguments_in_the_form_that_the_template_joins(template: str, call: str, row_call: Any, shown: Any) -> None:
    row = new_row(messages=[turn("user", "q1"), row_call, turn("tool", "seen"), ONE])
    assert shown(template, row) == [f"<|user|>q1<|e|><|assistant|>[[{call}<|e|>]]<|tool|>seen<|e|><|assistant|>[[one<|e|>]]"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (ONE_CALL, r"refuses the row: This model only supports single tool-calls at once! \(line 2 of the template\)"),
        (FIRST_CALL, r"shows one call of a turn, and a turn of the row has 2 \(line 1 of the template\)"),
    ],
    ids=["it refuses them", "it would lose the second"],
)
@pytest.mark.parametrize("taught", [None, False], ids=["an answer", "history"])
def test_two_calls_of_a_turn_where_the_template_shows_one_are_a_reason_with_its_line(
    template: str, why: str, taught: bool | None, shown: Any
) -> None:
    both = {**turn("assistant", None, tool_calls=BOTH), "train": taught}
    with pytest.raises(DataError, match=why):
        shown(template, new_row(messages=[turn("user", "q1"), both, turn("tool", "x"), turn("tool", "y"), ONE]))
    one = turn("assistant", None, tool_calls='{"name": "look", "arguments": {"at": "x"}}')
    assert shown(template, new_row(messages=[turn("user", "q1"), one, turn("tool", "x"), ONE]))


def test_ids_of_calls_become_what_the_template_demands(shown: Any) -> None:
    strict = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}{% if c.id is not defined or c.id | length != 9 %}"
        "{{ raise_exception('ids have 9 characters') }}{% endif %}{% endfor %}<{{ m.role }}>{{ m.content }}{{ m.tool_call_id }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }} {{ c.function.arguments | tojson }} {{ c.id }}{% endfor %}</s>"
        "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    call = turn("assistant", None, tool_calls='[{"id": "call_abc", "function": {"name": "look", "arguments": {}}}]')
    row = new_row(messages=[turn("user", "q1"), call, turn("tool", "seen", tool_call_id="call_abc"), ONE])
    (text,) = shown(strict, row)
    assert text == "<user>q1</s><assistant>[[look {} 000000001</s>]]<tool>seen000000001</s><assistant>[[one</s>]]"


def test_tools_in_the_system_turn_and_results_in_one_turn_of_the_user(shown: Any) -> None:
    both = turn("assistant", "I look.", tool_calls=BOTH)
    turns = [turn("user", "q1"), both, turn("tool", "กx"), turn("tool", "y"), ONE]
    tool = '{"type": "function", "function": {"name": "look"}}'
    text = (
        '<|user|>q1<|e|><|bot|>[[I look.<c>look {"at": "x"}</c><c>look {"at": "y"}</c><|e|>]]'
        "<|user|><r>กx</r><r>y</r><|e|><|bot|>[[one<|e|>]]"
    )
    for system in ("", "S"):
        row = new_row(messages=turns, tools='[{"name": "look"}]', system=system)
        assert shown(QWEN, row) == [f"<|system|>{system}{chr(10) if system else ''}{tool}<|e|>{text}"]
    # Without a place for tools they stand in the system turn, as the row has them.
    plain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    opens = "{% if add_generation_prompt %}<assistant>{% endif %}"
    (told,) = shown(plain + opens, new_row(messages=[turn("user", "q1"), ONE], tools='[{"name": "look"}]'))
    assert told == '<system>[{"name": "look"}]</s><user>q1</s><assistant>[[one</s>]]'


def test_what_no_prompt_shows_is_taught_though_the_template_marks_the_answer_only(shown: Any) -> None:
    goes_on = (  # after a result the model opens its turn itself
        "{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{% generation %}{{ m.content }}<|e|>{% endgeneration %}"
        "{% else %}<|{{ m.role }}|>{{ m.content }}<|e|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt and messages[-1].role != 'tool' %}<|bot|>{% endif %}"
    )
    (text,) = shown(goes_on, new_row(messages=[turn("user", "q1"), ONE, turn("tool", "seen"), ONE]))
    assert text == "<|user|>q1<|e|><|bot|>[[one<|e|>]]<|tool|>seen<|e|>[[<|bot|>one<|e|>]]"
