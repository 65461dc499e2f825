"""Prompt and completion records, as texts and as lists of messages; and that they come back as they were."""

from __future__ import annotations

import pytest

ASK, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Hi", "completion": "Hello"},
        {"prompt": "Hi"},
        {"prompt": None, "completion": 4},
        {"question": "2+2?", "answer": "4", "level": 1},
        {"query": "2+2?", "response": "4"},
        {"question": "2+2?", "response": "4", "answer": "D"},
        {"prompt": "Hi", "completion": "Hello", "system": "Be brief."},
        {"prompt": [ASK], "completion": [ANSWER]},
        {"prompt": [SYSTEM, ASK], "completion": [ANSWER], "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"prompt": [ASK], "completion": [ANSWER, ASK, ANSWER]},
        {"prompt": [ASK, ANSWER, ASK], "completion": [ANSWER]},
        {"prompt": [ASK], "completion": "Hello"},
        {"prompt": "Hi", "chosen": "Hello", "rejected": "Go"},
        {"prompt": "Hi", "chosen": "Hello", "rejected": "Go", "completion": "Else"},
        {"system": "Be brief.", "question": "Hi", "chosen": "Hello", "rejected": "Go"},
        {"prompt": [ASK], "chosen": [ANSWER], "rejected": [{"role": "assistant", "content": "Go"}]},
        {"prompt": [SYSTEM, ASK, ANSWER, ASK], "chosen": [ANSWER], "rejected": [ANSWER, ANSWER]},
        {"prompt": "Hi", "chosen": ["Hello"], "rejected": None},
        {"prompt": [{**ASK, "name": "Ada"}], "completion": [{**ANSWER, "weight": 0.5}]},
    ],
)
def test_every_way_to_write_it_comes_back(check_written, record):
    check_written("prompt_completion", record)


def test_question_and_answer_need_no_map(rows):
    (row,) = rows({"question": "2+2?", "answer": "4"})
    assert (row["instruction"], row["output"], row["messages"]) == ("2+2?", "4", None)


def test_lists_and_texts_are_the_same_row(rows):
    texts, lists = rows({"prompt": "Hi", "completion": "Hello"}, {"prompt": [ASK], "completion": [ANSWER]})
    assert texts["id"] == lists["id"]


def test_several_turns_are_written_as_lists(rows, exported):
    (row,) = rows({"messages": [SYSTEM, ASK, ANSWER, ASK, ANSWER]})
    assert exported([row], "prompt_completion") == [{"prompt": [SYSTEM, ASK, ANSWER, ASK], "completion": [ANSWER]}]


def test_instruction_and_input_become_one_prompt(rows, exported):
    (row,) = rows({"instruction": "Add.", "input": "2+2", "output": "4"})
    assert exported([row], "prompt_completion") == [{"prompt": "Add.\n\n2+2", "completion": "4"}]


def test_a_changed_text_shows_under_the_documented_name(rows, exported):
    (row,) = rows({"question": "", "answer": "4"})
    row["instruction"], row["output"] = "2+3?", "5"
    assert exported([row], "prompt_completion") == [{"prompt": "2+3?", "completion": "5"}]


def test_a_prompt_and_a_completion_both_have_turns_where_they_are_written(rows, exported):
    said = [{"role": "user", "content": "Hot?"}, {"role": "assistant", "content": "Yes."}]
    right = [{"prompt": said[:1], "completion": said[1:]}]
    for more in ({}, {"completion": []}, {"completion": None}):
        assert exported(rows({"prompt": said, **more}), "prompt_completion") == right
    assert exported(rows({"prompt": [], "completion": said}), "prompt_completion") == right
