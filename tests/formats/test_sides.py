"""Preferences whose sides are several messages: the chosen conversation is the row, and both sides come back."""

from __future__ import annotations

import json

import pytest

from datagen.errors import DataError
from datagen.formats.read import read
from datagen.formats.write import export


def u(text):
    return {"role": "user", "content": text}


def a(text):
    return {"role": "assistant", "content": text}


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {
    "name": "look", "arguments": {"at": "tea"}}}]}  # fmt: skip
RESULT = {"role": "tool", "content": "hot", "tool_call_id": "c"}
LONG = {"prompt": [u("Hot?")], "chosen": [a("Yes."), u("Sure?"), a("I am.")], "rejected": [a("No.")]}


@pytest.mark.parametrize(
    ("record", "to"),
    [
        (LONG, "prompt_completion"),
        ({"messages": LONG["prompt"], "chosen": LONG["chosen"], "rejected": LONG["rejected"]}, "messages"),
        ({"chosen": [u("Hot?"), *LONG["chosen"]], "rejected": [u("Hot?"), *LONG["rejected"]]}, "messages"),
    ],
)
def test_sides_that_part_early_are_kept_whole(check_written, exported, record, to):
    (row,) = check_written(to, record)
    assert (row["instruction"], row["output"]) == ("Sure?", "I am.")
    assert [t["content"] for t in row["messages"]] == ["Hot?", "Yes.", "Sure?", "I am."]
    chosen, rejected = row["candidates"]
    assert (json.loads(chosen["text"]), rejected["text"]) == (LONG["chosen"], "No.")
    assert exported([row], "prompt_completion") == [LONG]
    (made,) = exported([row], "messages")
    both = [made[name] for name in ("chosen", "rejected")]
    assert [side[-len(ours) :] for side, ours in zip(both, (LONG["chosen"], LONG["rejected"]), strict=True)] == [
        LONG["chosen"], LONG["rejected"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": [u("Hot?")], "chosen": [CALL, RESULT, a("Yes.")], "rejected": [CALL, RESULT, a("No.")]},
        {"messages": [u("Hot?")], "chosen": [CALL, RESULT, a("Yes.")], "rejected": [CALL, RESULT, a("No.")]},
        {"chosen": [u("Hot?"), CALL, RESULT, a("Yes.")], "rejected": [u("Hot?"), CALL, RESULT, a("No.")]},
    ],
)
def test_what_both_sides_begin_with_belongs_to_the_prompt(rows, exported, record):
    (row,) = rows(record)
    assert [c["text"] for c in row["candidates"]] == ["Yes.", "No."]
    assert (row["output"], [t["role"] for t in row["messages"]]) == ("Yes.", ["user", "assistant", "tool", "assistant"])
    (made,) = exported([row], "openai")
    assert [len(made["input"]["messages"]), made["preferred_output"], made["non_preferred_output"]] == [
        3,
        [a("Yes.")],
        [a("No.")],
    ]


def test_a_side_with_tools_comes_back(check_written):
    both = {"chosen": [CALL, RESULT, a("Yes.")], "rejected": [a("No idea."), u("Look."), CALL, RESULT, a("No.")]}
    (row,) = check_written("prompt_completion", {"prompt": [u("Hot?")], **both})
    assert [len(json.loads(c["text"])) for c in row["candidates"]] == [3, 5]
    check_written("messages", {"messages": [u("Hot?")], **both})


@pytest.mark.parametrize("to", ["sharegpt", "alpaca", "openai", "axolotl", "llamafactory"])
def test_a_format_of_one_answer_a_side_gets_the_chosen_conversation_and_says_so(rows, tmp_path, to):
    written = rows(LONG)
    done = export(written, to, tmp_path / "made.jsonl", with_card=False)
    assert [n for n in done.notes if n.startswith("1 preference rows have several messages on a side")]
    text = (tmp_path / "made.jsonl").read_text()
    assert '"chosen":' not in text and "I am." in text
    if to in ("sharegpt", "alpaca"):  # which keep other fields
        (row,) = read(str(tmp_path / "made.jsonl"))
        assert (row["candidates"], row["output"]) == (written[0]["candidates"], "I am.")


def test_turns_of_from_on_a_side(rows):
    asked = [{"from": "human", "value": "Hot?"}]
    yes, no = ({"from": "gpt", "value": text} for text in ("Yes.", "No."))
    one, many = rows(
        {"conversations": asked, "chosen": [yes], "rejected": [no]},
        {"conversations": asked, "chosen": [yes, *asked, yes], "rejected": [no]},
    )
    assert (one["output"], [c["text"] for c in one["candidates"]]) == ("Yes.", ["Yes.", "No."])
    assert "the field 'chosen' holds several turns of 'from'" in many["evidence"]


def test_sides_without_a_common_beginning_stop(jsonl):
    path = jsonl({"chosen": [u("Hot?"), a("Yes.")], "rejected": [u("Cold?"), a("No.")]})
    with pytest.raises(DataError, match="chosen and rejected share no message"):
        list(read(str(path)))
