"""Marks of calls and results in a model's raw text."""

from __future__ import annotations

import pytest

from datagen.marks import split_calls, split_reasoning, split_responses, split_thought

JSON, PYTHON = '{"name": "f", "arguments": {"ok": true}}', "\n{'arguments': {'ok': True}, 'name': 'f'}\n"


@pytest.mark.parametrize("inside", [JSON, PYTHON])
def test_a_call_is_json_or_what_python_prints(inside):
    said, (call,) = split_calls(f"Wait.\n<tool_call>{inside}</tool_call>")
    assert (said, call) == ("Wait.", {"name": "f", "arguments": {"ok": True}})


NONE = ["f(1)", "{'f': 1}", "[1]", "(" * 100_000, "{'a': " * 10_000, "{'name': 'f', 'arguments': {1}}"]


@pytest.mark.parametrize("inside", NONE, ids=range(len(NONE)))
def test_what_is_no_call_leaves_the_content_whole(inside):
    content = f"<tool_call>{inside}</tool_call>"
    assert split_calls(content) == (content, [])


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("<tool_response>\n12\n</tool_response>", ["12"]),
        (" <tool_response>ก</tool_response>\n\n<tool_response>\n{}\n</tool_response>\n", ["ก", "{}"]),
        ("<tool_response></tool_response>", [""]),
        ("", []),
        ("12", []),
        ("<tool_response>12", []),
        ("See: <tool_response>12</tool_response>", []),
        ("<tool_response>12</tool_response> Thanks", []),
    ],
)
def test_results_are_taken_out_where_there_is_nothing_else(content, texts):
    assert split_responses(content) == texts


@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        ("hm</think>\nHi", "Hi", "hm"), ("</think> Answer", "Answer", ""), ("<THINK>hm</THINK>Hi", "Hi", "hm"),
        ('He said "yes."</think>Answer', "Answer", 'He said "yes."'), ("<think>never ends", None, "never ends"),
        ("<think>The tag `</think>` closes. So.</think>Answer", "Answer", "The tag `</think>` closes. So."),
        ("<think> x </think> The tag `</think>` ends.", "The tag `</think>` ends.", "x"),
        ('<think>only "</think>" here', '" here', 'only "'), ('"a\nb"</think>\nHi', "Hi", '"a\nb"'),
    ],
)  # fmt: skip
def test_a_thought_is_told_from_what_is_said(text, said, thought):
    assert split_thought(text) == (said, thought)


@pytest.mark.parametrize(
    "text",
    [
        'Use `out = text.split("</think>\\n")[-1]`.', 'ends = ["</think>\\n\\n"]', "|</think>|end|", "the </think> tag",
        "It is `</think>`.", "Nothing.", "In the middle: <think>so</think>.",
    ],
)  # fmt: skip
def test_words_about_the_marks_stay(text):
    assert split_thought(text) == (text, "")


ASKED, SAID = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        (f"{ASKED}hm<|end|><|start|>assistant{SAID}Hi<|return|>", "Hi", "hm"),
        (f"<|start|>assistant{ASKED}hm<|end|><|start|>assistant{SAID}Hi", "Hi", "hm"),
        (f"{ASKED}cut off here", None, "cut off here"), (f"{ASKED}hm<|end|>", None, "hm"),
        ("<think>the tag </reasoning> is none of mine</think>Hi", "Hi", "the tag </reasoning> is none of mine"),
        ("<think>hm</thinking>Hi", "Hi", "hm"),
    ],
)  # fmt: skip
def test_channels_and_marks_of_one_family_are_read_alike_in_completions_and_rows(text, said, thought):
    assert split_thought(text) == (said, thought)
    assert split_reasoning(text) == (("", text) if said is None else (thought, said))


@pytest.mark.parametrize(
    ("content", "thought", "answer"),
    [
        ("hm\n</think>\n\nHi", "hm", "Hi"), ("</think> Answer", "", "</think> Answer"), ("a <b> c</think>\nHi", "", None),
        ("<think>a `</think>` b</think>Hi", "a `</think>` b", "Hi"), ("<think>never ends", "", None), ("Plain.", "", None),
    ],
)  # fmt: skip
def test_the_reasoning_of_a_row_is_told_only_where_it_is_sure(content, thought, answer):
    assert split_reasoning(content) == (thought, content if answer is None else answer)
