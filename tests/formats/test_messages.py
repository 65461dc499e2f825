"""Chat records: parts, tool calls, weights, reasoning, preference pairs; and that they come back as they were."""

from __future__ import annotations

import pytest

ASK, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
BAD = {"role": "assistant", "content": "Go away"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLS = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [ASK, ANSWER]},
        {"messages": [SYSTEM, ASK, ANSWER]},
        {"messages": [ASK, ANSWER], "system": "Be brief."},
        {"messages": [SYSTEM, ASK, ANSWER], "system": "Or not."},
        {"messages": [{"role": "system", "content": ""}, ASK, ANSWER]},
        {"messages": [{"role": "developer", "content": "Be brief."}, ASK, ANSWER]},
        {"messages": [ANSWER, ASK]},
        {"messages": [ASK, ASK, ANSWER, ANSWER]},
        {"messages": [ASK, {"role": "assistant", "content": None}]},
        {"messages": [ASK, {"role": "assistant"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, ANSWER]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                ANSWER,
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, "see"]}, ANSWER]},
        {"messages": [{"role": "user", "content": []}, ANSWER]},
        {"messages": [{**ASK, "weight": 0}, {**ANSWER, "weight": 1}]},
        {"messages": [{**ASK, "loss_weight": 0.0}, {**ANSWER, "loss_weight": 1.0}]},
        {"messages": [{**ASK, "train": False}, {**ANSWER, "train": True, "weight": 0.5}]},
        {"messages": [{**ASK, "weight": "high", "train": 1}, ANSWER]},
        {"messages": [ASK, {**ANSWER, "reasoning_content": "They greet."}]},
        {"messages": [ASK, {**ANSWER, "reasoning": "They greet."}]},
        {"messages": [{**ASK, "name": "Ada"}, {**ANSWER, "logprobs": {"a": [0.1]}}]},
        {"messages": [{**ASK, "tool_calls": None, "name": None}, {**ANSWER, "tool_calls": []}]},
        {
            "messages": [
                ASK,
                {"role": "assistant", "content": None, "tool_calls": CALLS},
                {"role": "tool", "content": "1", "tool_call_id": "c1", "name": "f"},
                ANSWER,
            ],
            "tools": TOOLS,
        },
        {"messages": [ASK, {"role": "assistant", "tool_calls": [{**CALLS[0], "index": 0}]}], "tools": [{"name": "f"}]},
        {"messages": [ASK, {"role": "assistant", "content": "", "tool_calls": '[{"name": "f", "arguments": {}}]'}]},
        {
            "messages": [
                ASK,
                {
                    "role": "assistant",
                    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}],
                },
            ]
        },
        {"messages": [ASK, ANSWER], "tools": '[{"name":"f"}]', "meta": {"k": 1}, "prompt": "Hi"},
        {"messages": [ASK, ANSWER], "tools": [], "parallel_tool_calls": True},
        {"conversations": [ASK, ANSWER], "id": 3},
        {"messages": [SYSTEM, ASK], "chosen": ANSWER, "rejected": BAD},
        {"messages": [ASK], "chosen": [ANSWER], "rejected": [BAD]},
        {"messages": [ASK], "chosen": [ANSWER, ASK, ANSWER], "rejected": [BAD]},
        {"chosen": [ASK, ANSWER], "rejected": [ASK, BAD]},
        {
            "chosen": [SYSTEM, ASK, ANSWER, ASK, ANSWER],
            "rejected": [SYSTEM, ASK, ANSWER, ASK, BAD],
            "score_chosen": 8.5,
        },
        {
            "prompt": "Hi",
            "chosen": [ASK, ANSWER],
            "rejected": [ASK, BAD],
            "messages": [ASK, ANSWER],
            "score_chosen": 9.0,
        },
        {"messages": [ASK], "chosen": {"role": "assistant", "content": None, "tool_calls": CALLS}, "rejected": BAD},
        {"messages": [ASK, ANSWER], "chosen": "Hello", "rejected": "Go away"},
    ],
)
def test_every_way_to_write_it_comes_back(check_written, record):
    check_written("messages", record)


def test_one_exchange_needs_no_messages(rows):
    (row,) = rows({"messages": [SYSTEM, ASK, ANSWER]})
    assert [row[c] for c in ("instruction", "output", "system", "messages")] == ["Hi", "Hello", "Be brief.", None]


def test_weights_are_columns_whatever_their_name(rows):
    (row,) = rows({"messages": [{**ASK, "loss_weight": 0.0}, {**ANSWER, "loss_weight": 0.5}]})
    assert [t["weight"] for t in row["messages"]] == [0.0, 0.5]


def test_parts_of_text_are_joined_and_an_image_is_a_row_that_needs_it(rows):
    text, image = rows(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                ANSWER,
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "image", "image": "u"}]}, ANSWER]},
    )
    assert text["instruction"] == "a\nb"
    assert (image["stage"], image["reason"], image["instruction"]) == ("input", "needs_images", "")


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [SYSTEM, ASK], "chosen": ANSWER, "rejected": BAD},
        {"messages": [SYSTEM, ASK], "chosen": [ANSWER], "rejected": [BAD]},
        {"chosen": [SYSTEM, ASK, ANSWER], "rejected": [SYSTEM, ASK, BAD]},
        {"prompt": [SYSTEM, ASK], "chosen": [ANSWER], "rejected": [BAD]},
        {"system": "Be brief.", "question": "Hi", "chosen": "Hello", "rejected": "Go away"},
        {"instruction": "Hi", "input": "", "system": "Be brief.", "chosen": "Hello", "rejected": "Go away"},
    ],
)
def test_every_way_to_write_a_pair_is_the_same_row(rows, record):
    (row,) = rows(record)
    (same,) = rows({"messages": [SYSTEM, ASK], "chosen": ANSWER, "rejected": BAD})
    assert row["id"] == same["id"]
    assert (row["instruction"], row["output"], row["system"]) == ("Hi", "Hello", "Be brief.")


def test_a_changed_part_is_shown_as_text(rows, exported):
    (row,) = rows({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, ANSWER]})
    row["instruction"] = "Good morning"
    (back,) = exported([row], "messages")
    assert back["messages"][0]["content"] == "Good morning"


def test_a_changed_weight_is_shown_under_the_documented_name(rows, exported):
    (row,) = rows({"messages": [{**ASK, "loss_weight": 0.0}, {**ANSWER, "loss_weight": 1.0}]})
    row["messages"][1]["weight"] = 0.25
    assert exported([row], "messages")[0]["messages"][1] == {**ANSWER, "weight": 0.25}


def test_a_changed_call_is_shown(rows, exported):
    (row,) = rows({"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": CALLS}], "tools": TOOLS})
    row["messages"][1]["tool_calls"] = '{"name": "g", "arguments": {}}'
    (back,) = exported([row], "messages")
    assert back["messages"][1]["tool_calls"][0]["function"] == {"name": "g", "arguments": "{}"}


def test_a_sharegpt_call_that_does_not_parse_is_content(rows, exported):
    (row,) = rows({"conversations": [{"from": "human", "value": "x?"}, {"from": "function_call", "value": "f(1)"}]})
    assert exported([row], "messages")[0]["messages"][1] == {"role": "assistant", "content": "f(1)"}


def test_a_message_without_a_role_is_unreadable(rows):
    good, bad = rows({"messages": [ASK, ANSWER]}, {"messages": [ASK, {"role": None, "content": "x"}]})
    assert "reason" not in good
    assert "a message without a role" in bad["evidence"]
