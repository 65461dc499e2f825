"""Alpaca records: which columns they fill, and that they come back as they were."""

from __future__ import annotations

import json

import pytest

PLAIN = {"instruction": "Add.", "input": "2+2", "output": "4"}


def test_plain_record_fills_three_columns_and_nothing_else(rows):
    (row,) = rows(PLAIN)
    assert (row["instruction"], row["input"], row["output"]) == ("Add.", "2+2", "4")
    assert (row["system"], row["messages"], row["extra"], row["source"]) == ("", None, "", "")


@pytest.mark.parametrize(
    "record",
    [
        PLAIN,
        {"instruction": "Add.", "output": "4"},
        {"instruction": "Add.", "input": None, "output": "4"},
        {"instruction": "Add.", "input": "", "output": "4", "system": "Be brief."},
        {"instruction": "Add.", "input": "", "output": "4", "system": ""},
        {"instruction": "Add.", "input": "", "output": "4", "system": None},
        {**PLAIN, "category": "maths", "meta": {"nested": [1, {"deep": None}]}, "topic": "เลข"},
        {"instruction": 5, "input": 1.5, "output": True},
        {"instruction": "List.", "input": ["a", "b"], "output": 7},
        {"instruction": "Big.", "input": "", "output": 123456789012345678901234567890},
        {"instruction": "Not a number.", "input": "", "output": "x", "score": 0.1},
        {"instruction": "Add."},
        {"instruction": "", "input": "", "output": ""},
        {**PLAIN, "history": []},
        {**PLAIN, "history": ""},
        {**PLAIN, "history": [["Hi", "Hello"], ["And?", "So."]]},
        {"instruction": "Add.", "output": "4", "history": [["Hi", "Hello"]], "system": "Be brief."},
        {**PLAIN, "history": [["Hi", None]]},
        {"instruction": "Add.", "input": "2+2", "chosen": "4", "rejected": "5"},
        {**PLAIN, "chosen": "4", "rejected": "5"},
        {**PLAIN, "chosen": 4, "rejected": 5},
        {"instruction": "Who?", "context": "Ada wrote it.", "response": "Ada", "category": "closed_qa"},
        {**PLAIN, "source": "wiki", "language": "en", "id": 7},
        {**PLAIN, "tools": '[{"name": "f"}]'},
        {**PLAIN, "_shape": "theirs"},
        {**PLAIN, "text": "Below is an instruction. Add.", "prompt": "Add.", "messages": "not a list"},
    ],
)
def test_every_way_to_write_it_comes_back(check_written, record):
    check_written("alpaca", record)


def test_not_a_number_is_null_for_no_file_of_json_may_hold_it(rows, exported):
    (back,) = exported(rows({**PLAIN, "score": float("nan")}), "alpaca")
    assert back == {**PLAIN, "score": None}


def test_canonical_records_carry_no_shape(rows):
    assert "_shape" not in rows({**PLAIN, "system": "Be brief.", "topic": "x"})[0]["extra"]


def test_history_comes_before_the_last_exchange(rows):
    (row,) = rows({**PLAIN, "history": [["Hi", "Hello"]]})
    assert [(t["role"], t["content"]) for t in row["messages"]] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Add.\n\n2+2"),
        ("assistant", "4"),
    ]
    assert (row["instruction"], row["input"], row["output"]) == ("Add.", "2+2", "4")


def test_non_text_is_kept_as_its_json_text(rows):
    (row,) = rows({"instruction": 5, "input": {"é": 1}, "output": True})
    assert (row["instruction"], row["input"], row["output"]) == ("5", '{"é": 1}', "true")


def test_source_and_language_fill_their_columns(rows):
    (row,) = rows({**PLAIN, "source": "wiki", "language": "en"})
    assert (row["source"], row["language"]) == ("wiki", "en")


def test_chosen_and_rejected_become_candidates(rows):
    (row,) = rows({"instruction": "Add.", "input": "", "chosen": "4", "rejected": "5"})
    assert [(c["text"], c["source"]) for c in row["candidates"]] == [("4", "chosen"), ("5", "rejected")]
    assert (row["output"], row["messages"]) == ("4", None)


def test_export_shows_a_text_that_a_stage_changed(rows, exported):
    (row,) = rows({"instruction": 5, "output": "4", "system": None})
    row["instruction"], row["input"], row["output"], row["system"] = "six", "new", "four", "Be brief."
    assert exported([row], "alpaca") == [{"instruction": "six", "input": "new", "output": "four", "system": "Be brief."}]


def test_a_changed_turn_wins_over_the_flat_columns(rows, exported):
    (row,) = rows({**PLAIN, "history": [["Hi", "Hello"]]})
    row["messages"][2]["content"] = "Subtract."
    (back,) = exported([row], "alpaca")
    assert (back["instruction"], back["input"], back["history"]) == ("Subtract.", "", [["Hi", "Hello"]])


def test_chat_goes_to_history(rows, exported):
    (row,) = rows({"conversations": [{"from": f, "value": v} for f, v in zip(["human", "gpt"] * 2, "abcd", strict=True)]})
    assert exported([row], "alpaca") == [{"instruction": "c", "input": "", "output": "d", "history": [["a", "b"]]}]


def test_a_conversation_that_history_cannot_say_keeps_its_turns(rows, exported):
    turns = [
        {"role": "assistant", "content": "Welcome."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"},
    ]
    (row,) = rows({"messages": turns})
    (back,) = exported([row], "alpaca")
    assert back == {"instruction": "Hi", "input": "", "output": "Yo", "messages": turns}
    (again,) = rows(back)
    assert again["id"] == row["id"]


def test_shape_never_shows_in_another_format(rows, exported):
    (row,) = rows({"instruction": "Add.", "output": "4", "topic": "x"})
    assert "_shape" in row["extra"]
    for to in ("sharegpt", "messages", "prompt_completion"):
        (back,) = exported([row], to)
        assert "_shape" not in json.dumps(back)
        assert back["topic"] == "x"
