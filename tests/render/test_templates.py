"""Each construct of public chat templates in a small one of our own: rows are taught as a server would show them."""

from __future__ import annotations

from typing import Any

import pytest

from datagen.data.rows import Row, new_row, turn
from datagen.errors import DataError
from datagen.render.labels import encode
from datagen.render.options import Rendering

OPEN = "{% if add_generation_prompt %}<|bot|>{% endif %}"
# The thinking of the last answers only, as Qwen3 and its kin: earlier turns are rewritten when a new one is added.
LAST_THINKS = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}<|{{ m.role }}|>{% set body = m.content %}"
    "{% set think = m.reasoning_content or '' %}"
    "{% if not think and '</think>' in body %}{% set think = body.split('</think>')[0].split('<think>')[-1].strip() %}"
    "{% set body = body.split('</think>')[-1].strip() %}{% endif %}"
    "{% if m.role == 'assistant' and loop.index0 > ns.last %}<think>\n{{ think }}\n</think>\n\n{% endif %}{{ body }}<|e|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# The generation prompt opens the thinking, and history has none, as DeepSeek R1.
OPENS_AND_STRIPS = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{{ m.content.split('</think>')[-1] }}<|e|>{% else %}"
    "<|{{ m.role }}|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|bot|><think>\n{% endif %}"
)
CHANNELS = (  # gpt-oss: reasoning in a channel of its own, the last turn with an end of its own
    "{% for m in messages %}{% if m.role == 'assistant' %}{% if m.tool_calls %}{% if m.thinking and m.content %}"
    "{{ raise_exception('content or thinking, not both') }}{% endif %}{% if m.thinking or m.content %}"
    "<|start|>bot<|ch|>analysis<|msg|>{{ m.thinking or m.content }}<|end|>{% endif %}"
    "<|start|>bot to={{ m.tool_calls[0].function.name }}<|msg|>{{ m.tool_calls[0].function.arguments | tojson }}<|call|>"
    "{% elif loop.last %}{% if 'thinking' in m %}<|start|>bot<|ch|>analysis<|msg|>{{ m.thinking }}<|end|>{% endif %}"
    "<|start|>bot<|ch|>final<|msg|>{{ m.content }}<|return|>{% else %}"
    "<|start|>bot<|ch|>final<|msg|>{{ m.content }}<|end|>{% endif %}"
    "{% else %}<|start|>{{ m.role }}<|msg|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>bot{% endif %}"
)
NO_SYSTEM = (  # Gemma
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\n"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}<|{{ 'bot' if m.role == 'assistant' else m.role }}|>"
    "{{ m.content | trim }}<|e|>\n{% endfor %}" + OPEN
)
MARKED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{% generation %}{{ m.content }}<|e|>{% endgeneration %}"
    "{{ '\\n' }}{% else %}<|{{ m.role }}|>{{ m.content }}<|e|>\n{% endif %}{% endfor %}" + OPEN
)
EOS_AT_THE_END = (  # Phi-3
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|e|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}<|eos|>{% endif %}"
)
PARTS = (  # models that see
    "{% for m in messages %}<|{{ m.role }}|>{% for p in m.content | selectattr('type', 'equalto', 'text') %}{{ p.text }}"
    "{% endfor %}<|e|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DEVELOPER = (
    "{% for m in messages %}{% if m.role == 'developer' %}<|dev|>{{ m.content }}<|e|>{% elif m.role != 'system' %}"
    "<|{{ m.role }}|>{{ m.content }}<|e|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MERGES_SYSTEM = (  # Gemma 3: the system text before the first turn of the user; contents trimmed
    "{% set first = messages[0].content + '\\n\\n' if messages[0].role == 'system' else '' %}"
    "{% for m in messages if m.role != 'system' %}<|{{ 'bot' if m.role == 'assistant' else m.role }}|>"
    "{{ first if loop.first else '' }}{{ m.content | trim }}<|e|>\n{% endfor %}" + OPEN
)
GOES_ON = (  # a last answer is a beginning that the model is to go on with, so nothing ends it
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if not (loop.last and m.role == 'assistant') %}<|e|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ANY_NAME = (  # reasoning under the third of its names
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning is defined and m.reasoning %}<r>{{ m.reasoning }}</r>{% endif %}"
    "{{ m.content }}<|e|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DATED = (
    "<|system|>Today: {{ strftime_now('%Y') }}{% if messages[0].role == 'system' %} {{ messages[0].content }}{% set messages ="
    " messages[1:] %}{% endif %}<|e|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|e|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING_PARTS = (  # Magistral
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'thinking' %}[THINK]{{ p.thinking[0].text }}[/THINK]{% else %}{{ p.text }}{% endif %}{% endfor %}"
    "{% endif %}<|e|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def asked(*answers: dict[str, Any], **fields: Any) -> Row:
    """A conversation: q1, the first answer, q2, the second, …"""
    turns = [t for n, answer in enumerate(answers, start=1) for t in (turn("user", f"q{n}"), answer)]
    return new_row(messages=turns, **fields)


ONE, TWO = turn("assistant", "one"), turn("assistant", "two")
THOUGHT_ONE, THOUGHT_TWO = {**ONE, "reasoning": "r1"}, {**TWO, "reasoning": "r2"}


def test_thinking_that_history_loses_is_taught_with_each_answer_in_a_text_of_its_own(shown: Any) -> None:
    assert shown(LAST_THINKS, asked(THOUGHT_ONE, THOUGHT_TWO)) == [
        "<|user|>q1<|e|>\n<|assistant|>[[<think>\nr1\n</think>\n\none<|e|>]]\n",
        "<|user|>q1<|e|>\n<|assistant|>one<|e|>\n<|user|>q2<|e|>\n<|assistant|>[[<think>\nr2\n</think>\n\ntwo<|e|>]]\n",
    ]
    # An answer without reasoning: the empty thought is the template's, and no lesson.
    assert shown(LAST_THINKS, asked(ONE, TWO)) == [
        "<|user|>q1<|e|>\n<|assistant|><think>\n\n</think>\n\n[[one<|e|>]]\n",
        "<|user|>q1<|e|>\n<|assistant|>one<|e|>\n<|user|>q2<|e|>\n<|assistant|><think>\n\n</think>\n\n[[two<|e|>]]\n",
    ]


def test_reasoning_is_kept_dropped_or_kept_with_the_last_answer(shown: Any) -> None:
    row = asked(THOUGHT_ONE, THOUGHT_TWO)
    opens = "{% if add_generation_prompt %}<assistant>{% endif %}"
    plain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}" + opens
    think1, think2 = "<think>\nr1\n</think>\n\n", "<think>\nr2\n</think>\n\n"
    for reasoning, first, second in (("keep", think1, think2), ("last", "", think2), ("drop", "", "")):
        assert shown(plain, row, Rendering(reasoning=reasoning)) == [  # type: ignore[arg-type]
            f"<user>q1</s><assistant>[[{first}one</s>]]<user>q2</s><assistant>[[{second}two</s>]]"
        ]


def test_values_for_the_template_reach_it(shown: Any) -> None:
    off = Rendering(template_options='{"enable_thinking": false}')
    assert shown(LAST_THINKS, asked(ONE), off) == ["<|user|>q1<|e|>\n<|assistant|><think>\n\n</think>\n\n[[one<|e|>]]\n"]


def test_a_generation_prompt_that_opens_the_thinking(shown: Any) -> None:
    thought = new_row(instruction="q1", output="<think>\nr1\n</think>\n\none")
    assert shown(OPENS_AND_STRIPS, thought) == ["<|user|>q1<|bot|><think>\n[[r1\n</think>\n\none<|e|>]]"]
    assert shown(OPENS_AND_STRIPS, asked(THOUGHT_ONE)) == ["<|user|>q1<|bot|><think>\n[[r1\n</think>\n\none<|e|>]]"]
    half = new_row(instruction="q1", output="r1, and so on\n</think>\n\none")  # saved without the prompt's opening
    assert shown(OPENS_AND_STRIPS, half) == ["<|user|>q1<|bot|><think>\n[[r1, and so on\n</think>\n\none<|e|>]]"]
    assert shown(OPENS_AND_STRIPS, asked(ONE, TWO)) == [
        "<|user|>q1<|bot|><think>\n\n</think>\n\n[[one<|e|>]]",
        "<|user|>q1<|bot|>one<|e|><|user|>q2<|bot|><think>\n\n</think>\n\n[[two<|e|>]]",
    ]


def test_an_answer_that_speaks_of_the_mark_is_not_cut_at_it(shown: Any) -> None:
    row = new_row(instruction="q1", output="Thinking ends with </think> in such models.")
    (text,) = shown(OPENS_AND_STRIPS, row)
    assert text.endswith("[[Thinking ends with </think> in such models.<|e|>]]")


def test_channels_and_an_end_of_the_last_turn_alone(shown: Any) -> None:
    assert shown(CHANNELS, asked(THOUGHT_ONE, TWO)) == [
        "<|start|>user<|msg|>q1<|end|><|start|>bot[[<|ch|>analysis<|msg|>r1<|end|><|start|>bot<|ch|>final<|msg|>one<|return|>]]",
        "<|start|>user<|msg|>q1<|end|><|start|>bot<|ch|>final<|msg|>one<|end|><|start|>user<|msg|>q2<|end|>"
        "<|start|>bot[[<|ch|>final<|msg|>two<|return|>]]",
    ]
    raw = "<|channel|>analysis<|message|>r1<|end|><|start|>assistant<|channel|>final<|message|>one<|return|>"
    assert shown(CHANNELS, asked(turn("assistant", raw))) == shown(CHANNELS, asked(THOUGHT_ONE))
    both = turn("assistant", "I look.", reasoning="r1", tool_calls='{"name": "look", "arguments": {"at": "x"}}')
    (text,) = shown(CHANNELS, asked(both))
    assert text.endswith('[[<|ch|>analysis<|msg|>r1\n\nI look.<|end|><|start|>bot to=look<|msg|>{"at": "x"}<|call|>]]')


def test_a_template_without_a_system_turn_shows_the_text_before_the_question_and_says_so_once(
    shown: Any, tokenizer: Any, caplog: Any
) -> None:
    first = "<|im_start|><|user|>Be brief.\n\nq1<|e|>\n<|bot|>[[one<|e|>]]\n"
    assert shown(NO_SYSTEM, asked(ONE, system="Be brief.")) == [first]
    assert shown(NO_SYSTEM, asked(ONE, TWO, system="Be brief.")) == [first + "<|user|>q2<|e|>\n<|bot|>[[two<|e|>]]\n"]
    said = [record.getMessage() for record in caplog.records if "system turn" in record.getMessage()]
    assert said == ["the chat template knows no system turn: the system text goes before the next turn of the user"]


def test_turns_that_must_alternate_are_joined_or_refused_with_the_templates_own_line(shown: Any) -> None:
    row = new_row(messages=[turn("user", "q1"), turn("user", "please"), ONE])
    assert shown(NO_SYSTEM, row) == ["<|im_start|><|user|>q1\n\nplease<|e|>\n<|bot|>[[one<|e|>]]\n"]
    with pytest.raises(DataError, match=r"Conversation roles must alternate \(line 2 of the template\)"):
        shown(NO_SYSTEM, new_row(messages=[ONE, turn("user", "q1"), TWO]))


def test_a_late_system_turn_is_shown_where_the_template_refuses_it(shown: Any) -> None:
    only_first = (
        "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('at the beginning') }}"
        "{% endif %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    row = new_row(messages=[turn("user", "q1"), ONE, turn("system", "Now in French."), turn("user", "q2"), TWO])
    assert shown(only_first, row) == ["<user>q1</s><assistant>[[one</s>]]<user>Now in French.\n\nq2</s><assistant>[[two</s>]]"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (MARKED, "<|system|>S<|e|>\n<|user|>q1<|e|>\n<|bot|>[[one<|e|>]]\n<|user|>q2<|e|>\n<|bot|>[[two<|e|>]]\n"),
        (
            EOS_AT_THE_END,
            "<|system|>\nS<|e|>\n<|user|>\nq1<|e|>\n<|assistant|>\n[[one<|e|>]]\n<|user|>\nq2<|e|>\n<|assistant|>\n[[two<|e|>]]\n"
            "<|eos|>",
        ),
        (PARTS, "<|system|>S<|e|><|user|>q1<|e|><|assistant|>[[one<|e|>]]<|user|>q2<|e|><|assistant|>[[two<|e|>]]"),
        (DEVELOPER, "<|dev|>S<|e|><|user|>q1<|e|><|assistant|>[[one<|e|>]]<|user|>q2<|e|><|assistant|>[[two<|e|>]]"),
    ],
    ids=["generation marks", "an eos after the last turn", "contents in parts", "developer"],
)
def test_turns_and_their_ends(template: str, text: str, shown: Any) -> None:
    assert shown(template, asked(ONE, TWO, system="S")) == [text]


def test_the_date_and_a_system_text_inside_the_templates_own(shown: Any) -> None:
    (text,) = shown(DATED, asked(ONE, system="S"))
    assert text.endswith(" S<|e|><|user|>q1<|e|><|assistant|>[[one<|e|>]]")


def test_reasoning_as_a_part_of_the_content(shown: Any) -> None:
    (text,) = shown(THINKING_PARTS, asked(THOUGHT_ONE))
    assert text == "<|user|>q1<|e|><|assistant|>[[[THINK]r1[/THINK]one<|e|>]]"


def test_a_system_text_that_the_template_puts_before_the_question_and_white_space_that_it_trims(shown: Any) -> None:
    row = asked(turn("assistant", "\n one\n\n"), TWO, system="S")
    assert shown(MERGES_SYSTEM, row) == ["<|user|>S\n\nq1<|e|>\n<|bot|>[[one<|e|>]]\n<|user|>q2<|e|>\n<|bot|>[[two<|e|>]]\n"]


def test_a_last_answer_that_the_template_leaves_open_is_ended_by_the_tokenizers_own(shown: Any) -> None:
    assert shown(GOES_ON, asked(ONE)) == ["<|user|>q1<|e|><|assistant|>[[one<|im_end|>]]"]
    assert shown(GOES_ON, asked(ONE, TWO)) == [
        "<|user|>q1<|e|><|assistant|>[[one<|im_end|>]]",
        "<|user|>q1<|e|><|assistant|>one<|e|><|user|>q2<|e|><|assistant|>[[two<|im_end|>]]",
    ]


def test_reasoning_under_its_third_name(shown: Any) -> None:
    assert shown(ANY_NAME, asked(THOUGHT_ONE)) == ["<|user|>q1<|e|><|assistant|>[[<r>r1</r>one<|e|>]]"]


def test_an_empty_answer_in_the_middle_carries_no_loss_and_one_alone_has_no_labels(shown: Any, tokenizer: Any) -> None:
    empty = turn("assistant", " ")
    assert shown(MARKED, asked(empty, TWO)) == ["<|user|>q1<|e|>\n<|bot|> <|e|>\n<|user|>q2<|e|>\n<|bot|>[[two<|e|>]]\n"]
    assert [one.reason for one in encode(asked(empty), tokenizer, 99)] == ["no_labels"]
