"""Whatever dialect was read, each export is in the one documented shape of its format, and says what it leaves out."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_shapes import is_sound, speech, told, wrong

from datagen.data.rows import new_row
from datagen.formats.format import names
from datagen.formats.read import read
from datagen.formats.write import SAID, export

TARGETS = [to for to in names() if to != "parquet"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def u(text, **more):
    return {"role": "user", "content": text, **more}


def a(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, **more):
    return {**more, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(text, answers=None):
    return {"role": "tool", "content": text, **({"tool_call_id": answers} if answers else {})}


USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "กรุงเทพ"}}
MARKED = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
PAIR = {"chosen": a("Yes."), "rejected": a("No.")}
SOURCES = {
    "alpaca": {"instruction": "Hot?", "input": "Tea.", "output": "Yes.", "topic": "tea"},
    "alpaca with history": {"instruction": "Hot?", "output": "Yes.", "history": [["Tea?", "A drink."]], "system": None},
    "dolly": {"instruction": "Hot?", "context": "Tea.", "response": "Yes."},
    "thai names": {"คำสั่ง": "ร้อนไหม", "อินพุต": "ชา", "เอาต์พุต": "ร้อน"},
    "numbers": {"instruction": 5, "input": None, "output": 7.5},
    "gsm8k": {"question": "2+2?", "answer": "#### 4"},
    "messages": {"messages": [{"role": "system", "content": "Brief."}, u("Hot?", name="Ada"), a("Yes.")], "id": 3},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "热吗？"}]}, {"role": "model", "parts": [{"text": "热。"}]}]},
    "wildchat": {"conversation": [u("Hot?", turn_identifier=1), a("Yes.", turn_identifier=2)], "language": "English"},
    "lima": {"data": ["Hot?", "Yes.", "Sure?", "I am."], "source": "wiki"},
    "moss": {"conversation": [{"system": "S", "input": "Hot?", "output": "Yes."}, {"input": "Sure?", "output": "Yes."}]},
    "cohere": {"preamble": "S", "chat_history": [{"role": "USER", "message": "Tea?"}, {"role": "CHATBOT", "message": "Drink."}],
               "message": "Hot?", "text": "Yes."},
    "capitals": {"messages": [{"role": "User", "content": "Hot?"}, {"role": " Assistant", "content": "Yes."}]},
    "system field": {"system": "Brief.", "messages": [u("Hot?"), a("Yes.")], "tools": None},
    "system twice": {"system": "Brief.", "messages": [{"role": "system", "content": "Kind."}, u("Hot?"), a("Yes.")]},
    "other names": {"messages": [u("Hot?", loss_weight=0.0), a("Yes.", reasoning="Tea.", loss_weight=1.0)]},
    "null": {"messages": [u("Hot?", tool_calls=None), a(None)]},
    "json in a cell": {"messages": json.dumps([u("Hot?"), a("Yes.")])},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hot?"}, {"from": "gpt", "value": "Yes."}], "system": "S"},
    "sharegpt roles": {"conversations": [{"from": "user", "value": 5}, {"from": "assistant", "value": "Yes."}]},
    "function call": {"conversations": [{"from": "human", "value": "Hot?"},
                                        {"from": "function_call", "value": '{"name": "look", "arguments": {"n": 1}}'},
                                        {"from": "observation", "value": "hot"}, {"from": "gpt", "value": "Yes."}],
                      "tools": '[{"name": "look", "parameters": {"type": "object"}}]'},
    "no call": {"conversations": [{"from": "human", "value": "Hot?"}, {"from": "function_call", "value": "look(1)"},
                                  {"from": "observation", "value": "hot"}, {"from": "gpt", "value": "Yes."}], "tools": "look"},
    "anthropic": {"system": [{"type": "text", "text": "Brief."}],
                  "messages": [u([{"type": "text", "text": "อากาศ?"}]), a([{"type": "text", "text": "Wait."}, USE]),
                               u([{"type": "tool_result", "tool_use_id": "t1", "content": "30"}]), a("30 องศา")],
                  "tools": [{"name": "weather", "description": "of a city", "input_schema": SCHEMA}]},
    "bedrock": {"messages": [u("Hot?"), a("Yes.")],
                "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}, {"cachePoint": {}}]},
    "older functions": {"messages": [u("Hot?"), a(None, function_call={"name": "look", "arguments": "{}"}),
                                     {"role": "function", "name": "look", "content": "hot"}, a("Yes.")],
                        "functions": [{"name": "look", "parameters": SCHEMA}]},
    "parallel calls": {"messages": [u("Hot?"), a("", tool_calls=[call("f", {"n": 1}, id="x"), call("f", {"n": 2}, id="y")]),
                                    result("2", "y"), result("1", "x"), a("Yes.")]},
    "hermes": {"messages": [u("Hot?"), a(MARKED), result("<tool_response>\n12\n</tool_response>"), a("12.")]},
    "open": {"messages": [u("Hot?"), a("Yes."), u("Thanks.")]},
    "only asked": {"messages": [u("Hot?")]},
    "assistant first": {"messages": [a("Welcome."), u("Hot?"), a("Yes.")]},
    "assistant alone": {"messages": [a("Welcome.")]},
    "empty": {"messages": []},
    "hh": {"chosen": "\n\nHuman: 热吗？\n\nAssistant: 热。", "rejected": "\n\nHuman: 热吗？\n\nAssistant: 不。"},
    "hh with turns": {"chosen": [u("Hot?"), a("Yes.")], "rejected": [u("Hot?"), a("No.")]},
    "dpo": {"prompt": "Hot?", "chosen": "Yes.", "rejected": "No."},
    "dpo of chats": {"messages": [{"role": "system", "content": "S"}, u("Tea?"), a("Drink."), u("Hot?")], **PAIR},
    "dpo after a call": {"messages": [u("Hot?"), a(None, tool_calls=[call("look", "{}")]), {"role": "tool", "content": "hot"}],
                         **PAIR},
    "dpo of openai": {"input": {"messages": [u("Hot?")]}, "preferred_output": [a("Yes.")], "non_preferred_output": [a("No.")]},
    "long sides": {"prompt": [u("Hot?")], "chosen": [a("Yes."), u("Sure?"), a("I am.")], "rejected": [a("No.")]},
    "kto": {"prompt": "Hot?", "completion": "Go away.", "label": False},
    "kto of chats": {"messages": [u("Tea?"), a("Drink."), u("Hot?"), a("Go away.")], "kto_tag": False},
    "ultrafeedback": {"instruction": "Hot?", "completions": [{"model": "m", "response": "Yes.", "overall_score": 8.5},
                                                             {"model": "n", "response": "No.", "overall_score": 2.0}]},
    "names in the way": {"instruction": "Hot?", "output": "Yes.", "messages": "?", "history": "?", "prompt": "Ask: Hot?"},
}  # fmt: skip


def written(rows, to, path):
    """Export rows; return the records of all files and the notes."""
    done = export(rows, to, path, with_card=False)
    return [json.loads(line) for file in done.files for line in file.read_text("utf-8").splitlines()], done.notes


@pytest.mark.parametrize("source", SOURCES)
def test_each_export_is_in_its_documented_shape_and_stays_so(jsonl, tmp_path, source):
    (row,) = read(str(jsonl(SOURCES[source])))
    assert row.get("evidence") is None
    for to in TARGETS:
        records, notes = written([row], to, tmp_path / f"{to}.jsonl")
        assert [wrong(to, record) for record in records] == [""] * len(records)
        assert len(records) == 1 or "left out" in notes[0]
        if not records or to == "llamafactory":
            continue
        (again,) = read(str(tmp_path / f"{to}.jsonl"))
        written([again], to, tmp_path / f"{to}.again.jsonl")
        assert (tmp_path / f"{to}.again.jsonl").read_bytes() == (tmp_path / f"{to}.jsonl").read_bytes()
        if to in ("messages", "alpaca", "prompt_completion") and is_sound(row) and "open" not in source:
            assert told(again) == told(row)
        if to == "sharegpt" and is_sound(row):
            assert speech(again)[0] == speech(row)[0]


def test_what_stood_in_the_shape_comes_back_as_it_was_in_its_own_format_only(jsonl, tmp_path):
    record = {"messages": [u("Hot?", name="Ada"), a("Yes.", tool_calls=[call("look", {"n": 1})])], "prompt": "Hot?"}
    (row,) = read(str(jsonl(record)))
    assert written([row], "messages", tmp_path / "a.jsonl")[0] == [record]
    ((other,), _) = written([row], "sharegpt", tmp_path / "b.jsonl")
    assert (other["conversations"][0], other["prompt_"]) == ({"from": "human", "value": "Hot?"}, "Hot?")


def test_a_name_of_a_tool_stays_though_something_else_of_the_record_is_mended(jsonl, tmp_path):
    turns = [u("Hot?"), a(None, tool_calls=[call("look", "{}", id="x")])]
    named = {**result("hot", "x"), "name": "look"}
    (row,) = read(str(jsonl({"messages": [*turns, named, a("Yes.")]})))
    ((back,), _) = written([row], "messages", tmp_path / "a.jsonl")
    assert (back["messages"][1]["content"], back["messages"][2]) == ("", named)


@pytest.mark.parametrize("to", ["messages", "openai", "axolotl", "prompt_completion", "sharegpt"])
def test_the_padding_of_arrow_is_in_no_export(tmp_path, to):
    def record(name, arguments):
        properties = {key: {"type": "string"} for key in arguments}
        tool = {"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}
        turns = [u("Hot?"), a("", tool_calls=[call(name, arguments, id="x")]), result("1", "x")]
        return {"messages": [*turns, a("Yes.")], "tools": [tool]}

    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_pylist([record("f", {"city": "北京"}), record("g", {"n": "1"})]), path)
    records, _ = written(read(str(path)), to, tmp_path / "out.jsonl")
    first = json.dumps(records[0], ensure_ascii=False)
    assert "北京" in first and '"n"' not in first.replace('\\"', '"') and "null" not in first.replace('"content": null', "")


def test_what_is_trimmed_and_left_out_is_counted_and_said(jsonl, tmp_path):
    names = ("open", "only asked", "empty", "null", "kto", "gsm8k")
    rows = list(read(str(jsonl(*(SOURCES[name] for name in names)))))
    records, notes = written(rows, "llamafactory", tmp_path / "a.jsonl")
    assert [r["output"] for r in records] == ["Yes.", "", "#### 4"]
    assert [note.split(":")[0] for note in notes if "alternate" not in note] == [
        "1 conversations end with a turn that nobody answers",
        "1 conversations hold no answer and are left out (unanswered_turn)",
        "1 rows have no turn at all and are left out",
        "1 rows end with an answer that is not to be learned, which llamafactory cannot say",
        "1 rows have an empty answer and are written so; `datagen filter` drops them (empty_answer)",
    ]
    records, notes = written(rows, "sharegpt", tmp_path / "b.jsonl")
    assert (len(records), notes[0]) == (5, "1 rows have no turn at all and are left out")
    alone = list(read(str(jsonl(SOURCES["assistant alone"]))))
    records, notes = written(alone, "prompt_completion", tmp_path / "c.jsonl")
    assert (records, notes) == ([], (SAID["no_prompt"].format(n=1),))


def test_a_result_that_answers_no_call_is_said(jsonl, tmp_path):
    (row,) = read(str(jsonl({"messages": [u("Hot?"), result("hot"), a("Yes.")]})))
    _, notes = written([row], "openai", tmp_path / "a.jsonl")
    assert notes == ("1 conversations hold a result of a tool that answers no call; openai refuses such lines",)


def test_invented_ids_are_of_no_other_call(jsonl, tmp_path):
    calls = a(None, tool_calls=[call("f", "{}", id="call_0"), call("g", "{}")])
    results = [result("1"), result("2")]
    (row,) = read(str(jsonl({"messages": [u("Hot?"), calls, *results, a(MARKED), results[0], a("Yes.")]})))
    ((line,), _) = written([row], "openai", tmp_path / "a.jsonl")
    ids = [c["id"] for m in line["messages"] for c in m.get("tool_calls", ())]
    assert ids == ["call_0", "call_1", "call_2"]
    assert [m["tool_call_id"] for m in line["messages"] if m["role"] == "tool"] == ids


SEVERAL = [("a1", None, None), ("a2", None, None)]
SCORED = [("best", 5.0, None), ("middle", 3.0, "gpt"), ("worst", 1.0, None)]
PAIR = [("c", None, "chosen"), ("r", None, "rejected")]


@pytest.mark.parametrize("to", names())
@pytest.mark.parametrize(
    ("found", "said"),
    [
        (SEVERAL, ["have more answers than"]),
        (SCORED, ["have more answers than", "have scores or names of their answers"]),
        (SCORED[::2], ["have scores or names of their answers"]),
        (PAIR, []),
        ([("a1", None, None)], []),
    ],
)
def test_answers_that_a_format_cannot_hold_are_said_and_those_that_it_holds_come_back(to, found, said, tmp_path):
    answers = [{"text": t, "score": s, "source": n} for t, s, n in found]
    row = new_row(instruction="ถาม", output=answers[0]["text"], candidates=answers)
    done = export([row], to, tmp_path / ("a.parquet" if to == "parquet" else "a.jsonl"))
    told = [n for n in done.notes if "answers" in n]
    back = [r["candidates"] for file in done.files for r in read(str(file))]
    if to in ("openai", "axolotl", "llamafactory"):
        assert len(told) == len(said) and all(f"1 rows {words}" in note for words, note in zip(said, told, strict=True))
    else:
        assert (told, back) == ([], [answers])


@pytest.mark.parametrize("to", names())
def test_preferences_and_single_rows_in_one_file_are_said(to, tmp_path):
    pair = [{"text": t, "score": s, "source": n} for t, s, n in PAIR]
    rows = [new_row(instruction="q", output="c", candidates=pair), new_row(instruction="p", output="a")]
    name = "a.parquet" if to == "parquet" else "a.jsonl"
    apart = to in ("llamafactory", "parquet")
    for given, count in ((rows, not apart), (rows[:1], 0), (rows[1:], 0)):
        notes = export(given, to, tmp_path / name).notes
        assert sum("1 preference rows and 1 single ones are in one file" in note for note in notes) == count
