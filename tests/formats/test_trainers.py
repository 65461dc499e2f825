"""The formats of OpenAI, LLaMA-Factory and Axolotl: strict records, and what their configs need."""

from __future__ import annotations

import json

import pytest
import yaml

from datagen.data.rows import new_row, turn
from datagen.errors import DataError
from datagen.formats.read import read
from datagen.formats.write import export

CALL = '{"name": "f", "arguments": {"x": 1}}'
TOOLS = '[{"name": "f", "parameters": {"type": "object"}}]'


def one(**more):
    return new_row(**{"instruction": "Add.", "input": "2+2", "output": "4", **more})


def chat(*turns, **more):
    return new_row(messages=[turn(*t[:2], **(t[2] if len(t) > 2 else {})) for t in turns], **more)


def pair(**more):
    candidates = [{"text": t, "score": None, "source": s} for t, s in (("good", "chosen"), ("bad", "rejected"))]
    return new_row(**{"instruction": "Hi", "output": "good", "candidates": candidates, **more})


def test_openai_lines_are_strict(rows, exported):
    row = chat(
        ("system", "Two."),
        ("user", "x?", {"weight": 0.0}),
        ("assistant", "Let me see.", {"train": False}),
        ("assistant", None, {"tool_calls": CALL}),
        ("assistant", None, {"tool_calls": CALL, "reasoning": "hm"}),
        ("tool", "1"),
        ("tool", "2"),
        ("assistant", None, {"tool_calls": "not json"}),
        ("assistant", "one", {"weight": 0.5}),
        system="One.",
        tools=TOOLS,
        extra='{"topic": "x"}',
    )
    function = {"name": "f", "arguments": '{"x": 1}'}
    assert exported([row], "openai") == [
        {
            "messages": [
                {"role": "system", "content": "One."},
                {"role": "system", "content": "Two."},
                {"role": "user", "content": "x?"},
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "weight": 0,
                    "tool_calls": [
                        {"id": "call_0", "type": "function", "function": function},
                        {"id": "call_1", "type": "function", "function": function},
                    ],
                },
                {"role": "tool", "content": "1", "tool_call_id": "call_0"},
                {"role": "tool", "content": "2", "tool_call_id": "call_1"},
                {"role": "assistant", "content": "not json"},
                {"role": "assistant", "content": "one", "weight": 1},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        }
    ]


def test_openai_keeps_the_ids_of_its_calls(rows, exported):
    call = {"id": "abc", "type": "function", "function": {"name": "f", "arguments": "{ }"}}
    record = {
        "messages": [
            {"role": "user", "content": "x?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "1", "tool_call_id": "abc"},
            {"role": "assistant", "content": "one"},
        ]
    }
    assert exported(rows(record), "openai") == [record]


def test_openai_preference_lines_go_out_and_come_back(rows, exported):
    row = pair(system="Be brief.")
    (line,) = exported([row], "openai")
    assert line == {
        "input": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }
    (back,) = rows(line)
    assert back["id"] == row["id"]
    assert exported([back], "openai") == [line]


def test_openai_says_what_it_cannot_hold(tmp_path):
    rows = [chat(("user", "a"), ("assistant", "b", {"reasoning": "r", "weight": 0.5})), chat(("user", "a")), pair()]
    notes = " ".join(export(rows, "openai", tmp_path / "a.jsonl").notes)
    for words in (
        "1 rows have reasoning",
        "1 rows have weights between",
        "1 preference rows and 1",
        "1 conversations hold no answer and are left out (unanswered_turn)",
    ):
        assert words in notes


def test_llamafactory_takes_alpaca_when_it_says_all(tmp_path):
    rows = [one(system="s"), chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))]
    done = export(rows, "llamafactory", tmp_path / "mine.json")
    assert json.loads((tmp_path / "mine.json").read_text()) == [
        {"instruction": "Add.", "input": "2+2", "output": "4", "system": "s", "history": []},
        {"instruction": "c", "input": "", "output": "d", "system": "", "history": [["a", "b"]]},
    ]
    entry = {
        "file_name": "mine.json",
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        },
    }
    assert json.loads((tmp_path / "dataset_info.json").read_text()) == {"mine": entry} == json.loads(done.config)
    assert [r["id"] for r in read(str(tmp_path))] == [rows[0]["id"], rows[1]["id"]]


def test_llamafactory_takes_sharegpt_for_tools_and_a_second_file_for_pairs(tmp_path):
    (tmp_path / "dataset_info.json").write_text('{"other": {"file_name": "o.json"}}')
    call = chat(("user", "x?"), ("assistant", None, {"tool_calls": CALL}), ("tool", "1"), ("assistant", "one"), tools=TOOLS)
    done = export([one(), call, pair()], "llamafactory", tmp_path / "mine.jsonl")
    assert [f.name for f in done.files] == ["mine.jsonl", "mine_preference.jsonl"]
    singles = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text().splitlines()]
    assert singles[0] == {
        "conversations": [{"from": "human", "value": "Add.\n\n2+2"}, {"from": "gpt", "value": "4"}],
        "system": "",
        "tools": "",
    }
    assert singles[1]["conversations"][1] == {"from": "function_call", "value": CALL}
    assert json.loads((tmp_path / "mine_preference.jsonl").read_text())["rejected"] == {"from": "gpt", "value": "bad"}
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert sorted(info) == ["mine", "mine_preference", "other"]
    assert (info["mine"]["formatting"], info["mine"]["columns"]) == (
        "sharegpt",
        {"messages": "conversations", "tools": "tools"},
    )
    assert info["mine_preference"]["ranking"] is True
    assert info["mine"]["tags"]["function_tag"] == "function_call"


def test_llamafactory_warns_of_what_its_loader_skips(tmp_path):
    done = export([chat(("assistant", "a"), ("assistant", "b")), one()], "llamafactory", tmp_path / "a.json")
    assert done.notes == ("1 conversations do not alternate between asking and answering; LLaMA-Factory skips them",)


def test_llamafactory_never_overwrites_a_broken_dataset_info(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{broken")
    with pytest.raises(DataError, match=r"dataset_info\.json: not JSON"):
        export([one()], "llamafactory", tmp_path / "a.json")
    assert (tmp_path / "dataset_info.json").read_text() == "{broken"


def test_axolotl_gets_messages_and_its_yaml(tmp_path):
    row = chat(("user", "x?"), ("assistant", "one", {"weight": 0.0}), ("user", "y?"), ("assistant", "two"), tools=TOOLS)
    done = export([row], "axolotl", tmp_path / "a.jsonl")
    (line,) = [json.loads(text) for text in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert line["messages"][1] == {"role": "assistant", "content": "one", "train": False}
    assert yaml.safe_load(done.config) == {
        "datasets": [
            {
                "path": "a.jsonl",
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
                "message_property_mappings": {"role": "role", "content": "content"},
                "field_tools": "tools",
                "message_field_training": "train",
            }
        ]
    }


def test_axolotl_pairs_are_for_dpo(tmp_path):
    done = export([pair()], "axolotl", tmp_path / "a.jsonl")
    config = yaml.safe_load(done.config)
    assert (config["rl"], config["datasets"][0]["type"]) == ("dpo", "chat_template.default")
    (back,) = read(str(tmp_path / "a.jsonl"))
    assert back["id"] == pair()["id"]
