"""The id of a row and the views that stages compare."""

from __future__ import annotations

import json
from typing import Any, get_args

import pyarrow as pa
import pytest

from datagen.data.rows import (
    LEDGER,
    ROW,
    Row,
    View,
    conversation_turns,
    dropped_row,
    new_row,
    row_id,
    said,
    table_of,
    turn,
    view,
)

CALL = '{"name": "weather", "arguments": {"city": "Bangkok"}}'

FLAT = new_row(system="Be brief.", instruction="Translate to Thai.", input="water", output="น้ำ")
MULTI = new_row(
    instruction="And of Thailand?",
    output="Bangkok.",
    messages=[
        turn("user", "What is the capital of France?"),
        turn("assistant", "Paris."),
        turn("user", "And of Thailand?"),
        turn("assistant", "Bangkok."),
    ],
)
TOOL = new_row(
    instruction="Is it raining in Bangkok?",
    output="",
    system="Use tools.",
    tools='[{"name": "weather"}]',
    messages=[turn("user", "Is it raining in Bangkok?"), turn("assistant", None, tool_calls=CALL)],
)
ASKED = new_row(
    instruction="Still there?", messages=[turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "Still there?")]
)
RANKED = new_row(
    instruction="Say hi",
    output="Hi!",
    candidates=[{"text": "Hi!", "score": 1.0, "source": "a"}, {"text": "No.", "score": 0.1, "source": "b"}],
)


def seen(row: Row) -> dict[str, str]:
    table = table_of([row])
    return {name: view(table, name)[0] for name in get_args(View)}


def test_a_flat_row():
    assert seen(FLAT) == {
        "instruction": "Translate to Thai.",
        "context": "Be brief.\nTranslate to Thai.\nwater",
        "answer": "น้ำ",
        "answers": "น้ำ",
        "conversation": "Be brief.\nTranslate to Thai.\nwater\nน้ำ",
    }


def test_a_conversation_of_two_exchanges():
    assert seen(MULTI) == {
        "instruction": "And of Thailand?",
        "context": "What is the capital of France?\nParis.\nAnd of Thailand?",
        "answer": "Bangkok.",
        "answers": "Paris.\nBangkok.",
        "conversation": "What is the capital of France?\nParis.\nAnd of Thailand?\nBangkok.",
    }


def test_a_tool_call_is_the_answer_and_tools_are_part_of_the_conversation():
    assert seen(TOOL) == {
        "instruction": "Is it raining in Bangkok?",
        "context": "Use tools.\nIs it raining in Bangkok?",
        "answer": CALL,
        "answers": CALL,
        "conversation": f'Use tools.\nIs it raining in Bangkok?\n{CALL}\n[{{"name": "weather"}}]',
    }


def test_a_conversation_that_ends_with_the_user_has_its_last_answer_and_waits_for_another():
    assert seen(ASKED) == {
        "instruction": "Still there?",
        "context": "Hi\nHello.\nStill there?",
        "answer": "Hello.",
        "answers": "Hello.",
        "conversation": "Hi\nHello.\nStill there?",
    }


def test_other_candidates_are_part_of_the_conversation_only():
    assert seen(RANKED)["answers"] == "Hi!"
    assert seen(RANKED)["conversation"] == "Say hi\nHi!\nHi!\nNo."


def test_a_view_has_one_text_per_row_in_order():
    assert view(table_of([FLAT, MULTI, ASKED]), "answer") == ["น้ำ", "Bangkok.", "Hello."]
    assert view(table_of([]), "conversation") == []


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other.jsonl"},
        {"language": "th"},
        {"extra": '{"topic": "x"}'},
        {"tags": ["a"]},
        {"parents": ["b"]},
        {"repeat": 3},
        {"generation": {"model": "m", "prompt_hash": "", "request_key": "", "input_tokens": 1, "output_tokens": 1}},
    ],
)
def test_the_id_does_not_depend_on_what_is_not_said(change: dict[str, Any]):
    assert row_id({**FLAT, **change}) == FLAT["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"instruction": "Translate to Thai"},
        {"input": "Water"},
        {"output": "นำ้"},
        {"system": ""},
        {"tools": "[]"},
        {"candidates": [{"text": "x", "score": None, "source": None}]},
        {"instruction": "Translate to Thai.\n\nwater", "input": ""},
        {"messages": conversation_turns(FLAT)},
    ],
)
def test_the_id_depends_on_everything_that_is_said(change: dict[str, Any]):
    assert row_id({**FLAT, **change}) != FLAT["id"]


def test_the_score_of_a_candidate_does_not_change_the_id_and_its_text_does():
    best, other = RANKED["candidates"]
    assert row_id({**RANKED, "candidates": [best, {**other, "score": 0.9}]}) == RANKED["id"]
    assert row_id({**RANKED, "candidates": [other, best]}) != RANKED["id"]


def test_the_flat_columns_of_a_conversation_do_not_change_its_id_and_its_turns_do():
    assert row_id({**MULTI, "instruction": "", "output": ""}) == MULTI["id"]
    assert row_id({**MULTI, "messages": MULTI["messages"][:2]}) != MULTI["id"]
    assert row_id({**TOOL, "messages": [TOOL["messages"][0], turn("assistant", CALL)]}) != TOOL["id"]


def test_an_id_is_32_hex_digits_and_never_changes():
    assert FLAT["id"] == new_row(system="Be brief.", instruction="Translate to Thai.", input="water", output="น้ำ")["id"]
    assert len(bytes.fromhex(FLAT["id"])) == 16


def test_the_turns_of_a_flat_row_join_task_and_material():
    assert [(t["role"], t["content"]) for t in conversation_turns(FLAT)] == [
        ("system", "Be brief."),
        ("user", "Translate to Thai.\n\nwater"),
        ("assistant", "น้ำ"),
    ]
    assert [t["role"] for t in conversation_turns(MULTI)] == ["user", "assistant", "user", "assistant"]


def test_a_new_row_is_whole():
    row = new_row(instruction="a")
    assert list(row) == ROW.names
    assert (row["output"], row["messages"], row["repeat"]) == ("", None, 1)
    assert table_of([row]).to_pylist() == [row]


def test_a_column_that_rows_do_not_have_is_refused():
    with pytest.raises(KeyError, match="instructions"):
        new_row(instructions="a")


def test_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        new_row(instruction="\ud800")


def test_a_dropped_row_is_a_row_with_its_fate():
    dropped = dropped_row(FLAT, "rouge", "too_similar", score=0.8, threshold=0.7, witness_id="aa")
    [stored] = pa.Table.from_pylist([dropped], schema=LEDGER).to_pylist()
    fate = {"stage": "rouge", "reason": "too_similar", "score": 0.8, "threshold": 0.7, "witness_id": "aa", "evidence": None}
    assert stored == {**FLAT, **fate}


@pytest.mark.parametrize("text", ["小明有十六个鸡蛋", "น้องมีไข่สิบหกฟอง", "Zoë has 😀 eggs"])
def test_a_call_says_the_same_with_escapes_and_without(text):
    inner = (json.dumps({"q": text}), json.dumps({"q": text}, ensure_ascii=False))
    calls = [json.dumps({"name": "f", "arguments": a}, ensure_ascii=e) for a in inner for e in (True, False)]
    assert len({said(turn("assistant", None, tool_calls=call)) for call in calls}) == 1
    assert text in said(turn("assistant", None, tool_calls=calls[0]))
    kept = r'{"path": "C:\\users", "a": "\u000a\u0022\ud800"}'
    assert said(turn("assistant", None, tool_calls=kept)) == kept
