"""ShareGPT records: roles, system prompts, tools, pairs; and that they come back as they were."""

from __future__ import annotations

import pytest

from datagen.data.rows import row_id


def said(*turns: tuple[str, object], **fields: object) -> dict[str, object]:
    return {"conversations": [{"from": role, "value": value} for role, value in turns], **fields}


CALL = '{"name": "f", "arguments": {"x": 1}}'
PAIR = {"chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}}


@pytest.mark.parametrize(
    "record",
    [
        said(("human", "Hi"), ("gpt", "Hello")),
        said(("user", "Hi"), ("assistant", "Hello")),
        said(("system", "Be brief."), ("human", "Hi"), ("gpt", "Hello")),
        said(("human", "Hi"), ("gpt", "Hello"), system="Be brief."),
        said(("system", "One."), ("human", "Hi"), ("gpt", "Hello"), system="Two."),
        said(("system", ""), ("human", "Hi"), ("gpt", "Hello")),
        said(("system", "Be brief."), ("human", "Hi"), ("gpt", "Hello"), system="", tools=""),
        said(("human", "Hi"), ("gpt", "Hello"), system=None, tools=None),
        said(("gpt", "Welcome"), ("human", "Hi")),
        said(("human", "Hi"), ("human", "Still there?"), ("gpt", "Yes"), ("gpt", "Really")),
        said(("human", "Hi"), ("gpt", "Hello"), ("human", "Bye")),
        said(("human", "Hi"), ("gpt", None)),
        said(("human", 5), ("gpt", 7)),
        said(("Human ", "Hi"), ("GPT", "Hm"), ("human_2", "Hi"), ("gpt-4", "Hm")),
        said(("human", "x?"), ("function_call", CALL), ("observation", "1"), ("gpt", "one"), tools="[]"),
        said(("human", "x?"), ("function_call", "not json"), ("observation", "1"), ("gpt", "one")),
        said(("human", "x?"), ("function_call", CALL), ("tool", "1"), ("gpt", "one"), tools=[{"name": "f"}]),
        said(("human", "Hi"), **PAIR),
        said(("system", "Be brief."), ("human", "Hi"), language="en", **PAIR),
        said(("human", "Hi"), ("gpt", "Hello"), ("human", "More"), **PAIR),
        said(("human", "Hi"), chosen={"from": "function_call", "value": CALL}, rejected=PAIR["rejected"]),
        said(("human", "Hi"), ("gpt", "Hello"), chosen="text", rejected="text"),
        said(("human", "Hi"), chosen={"from": "gpt", "value": "good", "score": 9}, rejected=PAIR["rejected"]),
        {"conversations": [{"from": "human", "value": "Hi", "weight": 0}, {"from": "gpt", "value": "Yo", "weight": 1}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo", "train": False}]},
        {"conversations": [{"from": "human", "value": "Hi", "id": "a1"}, {"from": "gpt", "value": "Yo", "lang": "en"}]},
        {"conversations": [{"from": "human"}, {"from": "gpt", "value": "Yo"}]},
        {"messages": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]},
        {"id": "x_1", "model": "", **said(("human", "Hi"), ("gpt", "Hello"))},
    ],
)
def test_every_way_to_write_it_comes_back(check_written, record):
    check_written("sharegpt", record)


def test_one_exchange_needs_no_messages(rows):
    (row,) = rows(said(("system", "Be brief."), ("human", "Hi"), ("gpt", "Hello")))
    columns = ("instruction", "input", "output", "system", "messages")
    assert [row[c] for c in columns] == ["Hi", "", "Hello", "Be brief.", None]


def test_flat_columns_show_the_last_exchange(rows):
    (row,) = rows(said(("human", "a"), ("gpt", "b"), ("human", "c"), ("gpt", "d")))
    assert (row["instruction"], row["output"], len(row["messages"])) == ("c", "d", 4)


def test_a_tool_call_keeps_its_text(rows):
    (row,) = rows(said(("human", "x?"), ("function_call", CALL), ("observation", "1"), ("gpt", "one"), tools="[]"))
    assert [t["role"] for t in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert (row["messages"][1]["content"], row["messages"][1]["tool_calls"]) == (None, CALL)
    assert row["tools"] == "[]"


def test_an_answer_that_is_a_call_shows_it_in_output(rows):
    (row,) = rows(said(("human", "x?"), ("function_call", CALL)))
    assert row["output"] == CALL


def test_pairs_become_candidates_and_the_turns_end_with_the_chosen_one(rows):
    one, more = rows(said(("human", "Hi"), **PAIR), said(("human", "Hi"), ("gpt", "a"), ("human", "b"), **PAIR))
    for row in (one, more):
        assert [(c["text"], c["score"], c["source"]) for c in row["candidates"]] == [
            ("good", None, "chosen"),
            ("bad", None, "rejected"),
        ]
        assert row["output"] == "good"
    assert one["messages"] is None
    assert [t["content"] for t in more["messages"]] == ["Hi", "a", "b", "good"]


def test_a_stage_may_change_texts_and_remove_turns(rows, exported):
    (row,) = rows(said(("user", "Hi"), ("assistant", "Hello"), ("user", 5), ("assistant", "Bye"), system=""))
    row["messages"][2]["content"] = "six"
    (back,) = exported([row], "sharegpt")
    assert back == said(("human", "Hi"), ("gpt", "Hello"), ("human", "six"), ("gpt", "Bye"))
    row["messages"], row["system"] = row["messages"][:2], "Be brief."
    assert exported([row], "sharegpt") == [said(("human", "Hi"), ("gpt", "Hello"), system="Be brief.")]


def test_changed_candidates_show(rows, exported):
    (row,) = rows(said(("human", "Hi"), **PAIR))
    row["candidates"][0]["text"] = row["output"] = "better"
    assert exported([row], "sharegpt")[0]["chosen"] == {"from": "gpt", "value": "better"}


def test_best_of_n_keeps_every_candidate_with_its_score(rows, exported):
    (row,) = rows({"instruction": "Hi", "input": "", "output": "a"})
    row["candidates"] = [{"text": t, "score": s, "source": "m"} for t, s in (("a", 0.9), ("b", 0.5), ("c", 0.1))]
    for to in ("sharegpt", "alpaca", "messages", "prompt_completion"):
        (again,) = rows(*exported([row], to))
        assert again["candidates"] == row["candidates"]
        assert again["id"] == row_id(row)


def test_openai_calls_become_name_and_arguments(rows, exported):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    chat = [
        {"role": "user", "content": "x?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "content": "1", "tool_call_id": "c1"},
    ]
    (back,) = exported(rows({"messages": chat}), "sharegpt")
    assert back["conversations"] == [
        {"from": "human", "value": "x?"},
        {"from": "gpt", "value": "Let me see."},
        {"from": "function_call", "value": CALL},
        {"from": "observation", "value": "1", "tool_call_id": "c1"},
    ]


def test_a_turn_without_a_role_is_unreadable(rows):
    good, bad = rows(said(("human", "Hi"), ("gpt", "Yo")), {"conversations": [{"from": 3, "value": "x"}]})
    assert "reason" not in good
    assert bad["reason"] == "unreadable"
