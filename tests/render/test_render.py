from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.data.rows import Row, new_row, turn
from datagen.errors import DataError, ModelError
from datagen.models.weights import smollm2_dir
from datagen.remnants import is_visible
from datagen.render.labels import encode
from datagen.render.sequences import rendered

END = "<|im_end|>"
PROMPT = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TOOLS = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool.function | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>"
    "{{ c.function.name }}({{ c.function.arguments | tojson }})</tool_call>{% endfor %}<|im_end|>\n{% endfor %}" + PROMPT
)
NO_TOOL_ROLE = (
    "{% for m in messages %}{% if m.role in ('user', 'assistant') %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ m.content }}{% endfor %}"
)
REWRITES = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}" + PROMPT
)
NO_END = (
    "{% for m in messages %}{{ m.role | upper }}: {{ m.content | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT: {% endif %}"
)


@pytest.fixture(scope="module")
def smollm2() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(smollm2_dir())


@pytest.fixture
def with_template(smollm2: Any) -> Any:
    """Give a function that puts another chat template on the tokenizer; afterwards it has its own again."""
    own = smollm2.chat_template

    def put(template: str | None) -> Any:
        smollm2.chat_template = template
        return smollm2

    yield put
    smollm2.chat_template = own


def taught(row: Row, tokenizer: Any) -> str:
    """The text that the labels of a row decode to; the labels must be the tokens in place."""
    (found,) = encode(row, tokenizer, 4096)
    assert found.reason is None
    assert len(found.labels) == len(found.input_ids)
    assert all(label in (-100, token) for label, token in zip(found.labels, found.input_ids, strict=True))
    return str(tokenizer.decode([label for label in found.labels if label != -100]))


@pytest.mark.parametrize(
    "answer",
    [
        "Paris.",
        "it ends in spaces  ",
        "one:\n\n1. one\n2. two\n",
        "กรุงเทพมหานคร ที่นี่ น้ำ",
        "北京是中国的首都。饕餮",
        "👩‍👩‍👧 and 🇹🇭 e\u0301",
        "user\nassistant\n<|im_start|assistant",
        "What is asked?",
    ],
)
def test_the_labels_are_the_answer_and_its_end_token(answer: str, smollm2: Any) -> None:
    assert taught(new_row(instruction="What is asked?", output=answer), smollm2) == answer + END


def test_white_space_that_makes_one_token_with_the_templates_own_is_the_prompts(smollm2: Any) -> None:
    for answer, rest in (("\n\n1. one", "1. one"), ("  indented", " indented")):
        row = new_row(instruction="a", output=answer)
        assert taught(row, smollm2) == rest + END
        assert smollm2.decode(encode(row, smollm2, 99)[0].input_ids) == rendered(row, smollm2)[0].text


@pytest.mark.parametrize("answer", [">", "|>", "d|>", "end|>", "<", "a>"])
def test_an_answer_that_ends_as_the_end_token_does_gets_one_end(answer: str, smollm2: Any, with_template: Any) -> None:
    assert taught(new_row(instruction="Which sign?", output=answer), smollm2) == answer + END
    opened = "{% if add_generation_prompt %}assistant:\n{% endif %}"
    endless = "{% for m in messages %}{{ m['role'] }}:\n{{ m['content'] }}{% endfor %}" + opened
    assert taught(new_row(instruction="Which sign?", output=answer), with_template(endless)) == answer + END


@settings(max_examples=30, deadline=None)
@given(
    question=st.text(max_size=20),
    answer=st.text(st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"]), max_size=20).filter(is_visible),
)
def test_any_text_keeps_its_span(question: str, answer: str, smollm2: Any) -> None:
    (shown,) = rendered(new_row(instruction=question, output=answer), smollm2)
    ((start, end, weight),) = shown.spans
    assert (shown.text[start:end], weight) == (answer + END, 1.0)


def test_the_text_is_the_chat_template_with_a_system_turn(smollm2: Any) -> None:
    row = new_row(instruction="Add.", input="1 2", output="3", system="Be terse.")
    assert rendered(row, smollm2)[0].text == (
        "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\nAdd.\n\n1 2<|im_end|>\n<|im_start|>assistant\n3<|im_end|>\n"
    )
    assert taught(row, smollm2) == "3" + END


def test_every_answer_of_a_conversation_is_taught_but_excluded_ones(smollm2: Any) -> None:
    turns = [turn("user", "a"), turn("assistant", "one"), turn("user", "b"), turn("assistant", "two")]
    assert taught(new_row(messages=turns), smollm2) == f"one{END}two{END}"
    turns[1]["train"] = False
    assert taught(new_row(messages=turns), smollm2) == f"two{END}"
    turns[1]["train"], turns[1]["weight"] = None, 0.0
    assert taught(new_row(messages=turns), smollm2) == f"two{END}"
    turns[3]["train"] = False
    assert encode(new_row(messages=turns), smollm2, 99)[0].reason == "no_labels"


def test_weights_lie_on_the_tokens_of_their_turn(smollm2: Any) -> None:
    turns = [turn("user", "a"), turn("assistant", "x", weight=0.5), turn("user", "b"), turn("assistant", "y")]
    (found,) = encode(new_row(messages=turns), smollm2, 99)
    assert found.weights is not None
    carried = [w for w, label in zip(found.weights, found.labels, strict=True) if label != -100]
    assert carried == [0.5, 0.5, 1.0, 1.0]
    assert sum(found.weights) == sum(carried)
    assert encode(new_row(instruction="a", output="x"), smollm2, 99)[0].weights is None
    with pytest.raises(DataError, match=r"weight -1\.0"):
        encode(new_row(messages=[turn("user", "a"), turn("assistant", "x", weight=-1.0)]), smollm2, 99)


def test_an_answer_that_opens_the_conversation_is_taught(smollm2: Any) -> None:
    row = new_row(messages=[turn("assistant", "Welcome!"), turn("user", "hi")])
    assert taught(row, smollm2) == f"Welcome!{END}"


CALL = '{"name": "weather", "arguments": "{\\"city\\": \\"กรุงเทพ\\"}"}'
CALLED = [
    turn("user", "Rain?"),
    turn("assistant", None, tool_calls=CALL),
    turn("tool", "yes", tool_call_id="1"),
    turn("assistant", "It rains."),
]
SPEC = json.dumps([{"name": "weather", "parameters": {"type": "object"}}])


def test_tool_calls_are_raw_text_where_the_template_ignores_them(smollm2: Any) -> None:
    row = new_row(messages=CALLED, tools=SPEC)
    assert taught(row, smollm2) == f"{CALL}{END}It rains.{END}"
    assert rendered(row, smollm2)[0].text.startswith(f"<|im_start|>system\n{SPEC}<|im_end|>\n")
    assert "<|im_start|>tool\nyes<|im_end|>" in rendered(row, smollm2)[0].text


def test_a_template_that_knows_tools_gets_them_in_openai_form(with_template: Any) -> None:
    tokenizer = with_template(TOOLS)
    row = new_row(messages=CALLED, tools=SPEC)
    call = '<tool_call>weather({"city": "กรุงเทพ"})</tool_call>'
    assert taught(row, tokenizer) == f"{call}{END}It rains.{END}"
    assert '{"name": "weather", "parameters": {"type": "object"}}' in rendered(row, tokenizer)[0].text
    listed = f'[{{"id": "1", "type": "function", "function": {CALL}}}]'
    other = new_row(messages=[CALLED[0], turn("assistant", "Wait.", tool_calls=listed), *CALLED[2:]])
    assert taught(other, tokenizer) == f"Wait.{call}{END}It rains.{END}"
    broken = new_row(messages=[CALLED[0], turn("assistant", None, tool_calls="weather(กรุงเทพ)")])
    assert taught(broken, tokenizer) == f"weather(กรุงเทพ){END}"


def test_a_tool_turn_becomes_a_user_turn_where_the_template_drops_it(with_template: Any) -> None:
    row = new_row(messages=CALLED)
    expected = f"[user]Rain?{END}[assistant]{CALL}{END}[user]yes{END}[assistant]It rains.{END}"
    assert rendered(row, with_template(NO_TOOL_ROLE))[0].text == expected


def test_each_answer_is_taught_after_what_was_shown_where_the_template_rewrites_earlier_turns(with_template: Any) -> None:
    tokenizer = with_template(REWRITES)
    turns = [turn("user", "a"), turn("assistant", "one"), turn("user", "b"), turn("assistant", "two")]
    first, second = rendered(new_row(messages=turns), tokenizer)
    asked = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    assert first.text == f"{asked}<think></think>one{END}\n"
    assert second.text == f"{asked}one{END}\n" + asked.replace("a<", "b<") + f"<think></think>two{END}\n"
    assert [shown.text[start:end] for shown in (first, second) for start, end, _ in shown.spans] == [
        f"one{END}",
        f"two{END}",
    ]
    # an answer without reasoning is no lesson in thinking nothing
    assert taught(new_row(instruction="a", output="one"), tokenizer) == f"one{END}"


def test_what_a_template_refuses_is_one_line_with_its_message_and_its_line(with_template: Any) -> None:
    refuses = "{% for m in messages %}\n{% if 'war' in m.content %}\n{{ raise_exception('No wars') }}{% endif %}{% endfor %}"
    with pytest.raises(DataError, match=r"^the chat template refuses the row: No wars \(line 3 of the template\)$"):
        rendered(new_row(instruction="a war", output="b"), with_template(refuses))


def test_a_template_without_an_end_token_gets_the_eos_token(with_template: Any) -> None:
    row = new_row(instruction="a", output="the end")
    tokenizer = with_template(NO_END)
    assert rendered(row, tokenizer)[0].text == f"USER: a\nASSISTANT: the end{END}"
    assert taught(row, tokenizer) == f" the end{END}"  # the token ` the` is half the template's, and says the answer


def test_without_a_template_the_text_is_alpacas(with_template: Any) -> None:
    tokenizer = with_template(None)
    row = new_row(instruction="Add.", input="1 2", output="3")
    assert rendered(row, tokenizer)[0].text == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        f"### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:3{END}"
    )
    assert taught(row, tokenizer) == f"3{END}"
    turns = [turn("user", "a"), turn("assistant", "one"), turn("user", "b"), turn("assistant", "two")]
    text = rendered(new_row(messages=turns, system="Be terse."), tokenizer)[0].text
    assert text == (
        f"Be terse.\n\n### Instruction:\na\n\n### Response:one{END}\n\n### Instruction:\nb\n\n### Response:two{END}"
    )
    assert taught(new_row(messages=turns), tokenizer) == f"one{END}two{END}"


def test_neither_template_nor_eos_is_a_model_error() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bare: Any = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(ModelError, match="no eos token"):
        rendered(new_row(instruction="a", output="b"), bare)


def bos_tokenizer(trim_offsets: bool) -> Any:
    """A byte-level tokenizer that puts a BOS before every text, with or without GPT-2's trimmed offsets."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<s>": 0, "</s>": 1} | {c: i + 2 for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    template = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    inner.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=trim_offsets), template])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("trim_offsets", [True, False])
def test_one_bos_and_no_shift_by_trimmed_offsets(trim_offsets: bool) -> None:
    tokenizer = bos_tokenizer(trim_offsets)
    row = new_row(instruction="a", output=" b  c \n")
    (plain,) = encode(row, tokenizer, 999)
    assert plain.input_ids[:2].count(0) == 1  # Alpaca's text: as the tokenizer itself would begin it
    assert taught(row, tokenizer) == " b  c \n</s>"
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}assistant\n{% endif %}"
    )
    assert encode(row, tokenizer, 999)[0].input_ids[:2].count(0) == 1
    assert taught(row, tokenizer) == " b  c \n</s>"


def test_a_row_that_is_too_long_is_refused_and_not_cut(smollm2: Any) -> None:
    row = new_row(instruction="a", output="one two three")
    length = len(encode(row, smollm2, 999)[0].input_ids)
    assert encode(row, smollm2, length)[0].reason is None
    (refused,) = encode(row, smollm2, length - 1)
    assert (refused.reason, len(refused.input_ids)) == ("too_long", length)


def test_a_row_without_an_answer_has_no_labels(smollm2: Any) -> None:
    assert encode(new_row(messages=[turn("user", "q")]), smollm2, 99)[0].reason == "no_labels"
