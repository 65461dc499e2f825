"""A raw answer is read to text, reasoning and usage, and whatever is wrong with it, it is never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.chat.completion import Completion, read, used_by
from datagen.chat.journal import Tokens


def raw(content: Any, finish: str = "stop", usage: Any = None, **said: Any) -> str:
    choice = {"message": {"role": "assistant", "content": content, **said}, "finish_reason": finish}
    return json.dumps({"choices": [choice], **({"usage": usage} if usage is not None else {})})


def test_a_chat_answer_and_a_raw_completion() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert read("k", raw("Hello", usage=usage)) == Completion("k", "Hello", "stop", Tokens(5, 3))
    assert read("k", json.dumps({"choices": [{"text": "Hi", "finish_reason": "length"}]})).cut


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("<think>It is 4.</think>\n\nFour", "Four", "It is 4."),
        ("It is 4.\n</think>\nFour", "Four", "It is 4."),
        ("<thinking>\nA\nB</thinking>Four", "Four", "A\nB"),
        ("<think>It never ends", "", "It never ends"),
        ("The tag <think> opens a thought, </think> closes it.", "The tag <think> opens a thought, </think> closes it.", None),
        ("Four", "Four", None),
    ],
)
def test_thinking_aloud_is_kept_apart_from_the_answer(content: str, text: str, reasoning: str | None) -> None:
    found = read("k", raw(content))
    assert (found.text, found.reasoning) == (text, reasoning)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_content_is_counted_and_kept_apart(name: str) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 80}}
    found = read("k", raw("Four", usage=usage, **{name: "It is 4."}))
    assert (found.text, found.reasoning, found.reasoning_tokens, found.used) == ("Four", "It is 4.", 80, Tokens(5, 90))


def test_an_answer_that_is_all_reasoning_at_its_limit_is_cut_not_unreadable() -> None:
    found = read("k", raw(None, "length", reasoning_content="Let me think"))
    assert (found.text, found.cut, found.error) == ("", True, None)


def test_reasoning_that_only_the_total_counts_is_paid_for() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 95}
    assert used_by(raw("x", usage=usage)) == Tokens(5, 90)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"choices": [{"mess', "the answer cannot be read: JSONDecodeError"),
        ('{"choices": []}', "the answer cannot be read: IndexError"),
        ("[]", "the answer cannot be read: AttributeError"),
        ('{"error": {"message": "upstream is down"}}', "the answer is an error: {'message': 'upstream is down'}"),
        (raw(None), "the answer holds no text"),
        (raw(None, refusal="I will not"), "I will not"),
        ("[" * 100_000, "the answer cannot be read: RecursionError"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, error: str) -> None:
    found = read("k", text)
    assert (found.text, found.error) == (None, error)


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": "5.5", "completion_tokens": 2}, []]
)
def test_usage_that_makes_no_sense_is_no_usage(usage: Any) -> None:
    assert used_by(raw("x", usage=usage)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "text", "usage", "error", "finish_reason", "prompt_tokens"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | st.text())
def test_no_answer_of_any_shape_raises(text: str) -> None:
    found = read("k", text)
    assert (found.text is None) == (found.error is not None)
    used_by(text)
