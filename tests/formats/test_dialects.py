"""Records of the dialects that data sets are published in: what is read of them, and that they come back as they were."""

from __future__ import annotations

import json

import pytest

from datagen.errors import DataError, UsageError
from datagen.formats.read import read

CHAT = [{"role": "user", "content": "Name a moon."}, {"role": "assistant", "content": "Io."}]
NAN = float("nan")


def said(row):
    """What a row says, without what is absent."""
    found = {k: row[k] for k in ("instruction", "input", "output", "system") if row[k]}
    if row["messages"]:
        found["messages"] = [{k: v for k, v in t.items() if v is not None} for t in row["messages"]]
    if row["candidates"]:
        found["candidates"] = [(c["text"], c["score"], c["source"]) for c in row["candidates"]]
    return found


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Name a moon.", "generation": "Io.", "model_name": "m"},
        {"instruction": "Name a moon.", "response": "Io.", "output": None},
        {"instruction": "Name a moon.", "output": "", "answer": "Io."},
        {"instruction": "Name a moon.", "completion": "Io."},
        {"Instruction": "Name a moon.", " output": "Io."},
        {"instruction": "Name a moon.", "output": ["Io."]},
        {"instruction": "Name a moon.", "generations": ["Io."]},
    ],
)
def test_the_answer_is_found_under_its_names(check_written, record):
    (row,) = check_written("alpaca", record, dialect=True)
    assert (row["instruction"], row["output"], row["candidates"]) == ("Name a moon.", "Io.", None)


@pytest.mark.parametrize(
    "record",
    [
        {"question": "Name a moon.", "output": "Io."},
        {"prompt": "Name a moon.", "completion": None, "generation": "Io."},
        {"Question": "Name a moon.", "Answer ": "Io."},
        {"prompt": "Name a moon.", "completion": [{"role": "assistant", "content": "Io."}]},
        {"prompt": CHAT[:1], "completion": "Io."},
        {"prompt": CHAT[:1], "completion": CHAT[1:]},
        {"prompt": json.dumps(CHAT[:1]), "completion": json.dumps(CHAT[1:])},
    ],
)
def test_so_it_is_of_a_prompt(check_written, record):
    (row,) = check_written("prompt_completion", record, dialect=True)
    assert (row["instruction"], row["output"], row["messages"]) == ("Name a moon.", "Io.", None)


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "text": "Name a moon."}, {"role": "assistant", "value": "Io."}]},
        {"messages": [{"role": "User", "content": "Name a moon."}, {"role": " Assistant", "content": "Io."}]},
        {"messages": [{"role": "prompter", "content": "Name a moon."}, {"role": "AI", "content": "Io."}]},
        {"contents": [{"role": "user", "parts": [{"text": "Name a moon."}]}, {"role": "model", "parts": [{"text": "Io."}]}]},
        {"conversation": CHAT, "id": 3},
        {"messages": json.dumps(CHAT)},
        {"messages": repr(CHAT)},
        {"messages": f"[{CHAT[0]}\n {CHAT[1]}]"},  # as NumPy prints an array of maps into a CSV of pandas
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Name a moon.", "image_url": None}]}, CHAT[1]]},
        {"messages": [CHAT[0], {"role": "assistant", "content": {"content_type": "text", "parts": ["Io."]}}]},
    ],
)
def test_turns_are_read_under_their_names(check_written, record):
    (row,) = check_written("messages", record, dialect=True)
    assert said(row) == {"instruction": "Name a moon.", "output": "Io."}


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": [{"from": "human", "text": "Name a moon."}, {"from": "gpt", "content": "Io."}]},
        {"conversations": [{"from": "Human", "value": "Name a moon."}, {"from": "Assistant", "value": "Io."}]},
        {"conversations": '[{"from": "human_1", "value": "Name a moon."}, {"from": "gpt-4", "value": "Io."}]'},
    ],
)
def test_so_they_are_of_sharegpt(check_written, record):
    (row,) = check_written("sharegpt", record, dialect=True)
    assert said(row) == {"instruction": "Name a moon.", "output": "Io."}


@pytest.mark.parametrize("name", ["hummany", "critic", "agent", "narrator"])
def test_an_unknown_role_is_a_ledger_row_that_names_the_option(rows, name):
    good, bad = rows({"messages": CHAT}, {"conversations": [{"from": name, "value": "Hi"}, {"from": "gpt", "value": "Yo"}]})
    assert "reason" not in good
    assert (bad["reason"], f"--roles {name}=user" in bad["evidence"]) == ("unreadable", True)


def test_an_export_of_a_helpdesk_is_read_by_a_map_and_roles(jsonl):
    thread = [{"author": "customer", "body": "It is broken."}, {"author": "agent", "body": "Restart it."}]
    mapping = {"messages": "thread", "role": "author", "content": "body"}
    roles = {"customer": "user", "agent": "assistant"}
    for value in (thread, json.dumps(thread)):
        (row,) = read(str(jsonl({"thread": value, "id": 1})), mapping=mapping, roles=roles)
        assert said(row) == {"instruction": "It is broken.", "output": "Restart it."}
    with pytest.raises(DataError, match=r"the mapped field 'writer'.*thread"):
        list(read(str(jsonl({"thread": thread})), mapping={**mapping, "role": "writer"}, roles=roles))
    with pytest.raises(UsageError, match=r"'helper'.*is no role"):
        list(read(str(jsonl({"thread": thread})), mapping=mapping, roles={"agent": "helper"}))
    with pytest.raises(DataError, match=r"turns in 'thread' have no role; they have: author, body; .*--map role=FIELD"):
        list(read(str(jsonl({"thread": thread})), mapping={"messages": "thread"}))


def test_a_seed_task_is_one_row_per_instance(rows):
    task = {"id": "s1", "instruction": "Is it a moon?"}
    one = {"input": "Io", "output": "yes"}
    found = rows({**task, "instances": [one, {"input": "Mars", "output": "no"}]})
    assert [(r["instruction"], r["input"], r["output"]) for r in found] == [
        ("Is it a moon?", "Io", "yes"),
        ("Is it a moon?", "Mars", "no"),
    ]
    assert [json.loads(r["extra"])["id"] for r in found] == ["s1", "s1"]


def test_completions_of_ultrafeedback_are_candidates_the_best_first(check_written):
    completions = [
        {"model": "a", "response": "Mars.", "overall_score": 2.0},
        {"model": "b", "response": "Io.", "overall_score": 8.5},
    ]
    (row,) = check_written("alpaca", {"source": "x", "instruction": "Name a moon.", "completions": completions})
    assert said(row)["candidates"] == [("Io.", 8.5, "b"), ("Mars.", 2.0, "a")]
    assert row["output"] == "Io."


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (["Io", "Titan"], {"output": "Io", "candidates": [("Io", None, None), ("Titan", None, None)]}),
        (["Io"], {"output": "Io"}),
        ({"text": ["Io"], "answer_start": [3]}, {"output": "Io"}),  # SQuAD
        (7, {"output": "7"}),
        (True, {"output": "true"}),
        ([], {}),
        (NAN, {}),
        (None, {}),
    ],
)
def test_an_answer_that_is_no_text(rows, answer, right):
    for record in ({"question": "Name a moon.", "answer": answer}, {"instruction": "Name a moon.", "output": answer}):
        (row,) = rows(record)
        assert said(row) == {"instruction": "Name a moon.", **right}


def test_a_list_of_answers_is_no_preference_and_stays_in_exports(rows, exported):
    (row,) = rows({"question": "Name a moon.", "answer": ["Io", "Titan"]})
    (back,) = exported([row], "messages")
    assert "rejected" not in back
    assert [c["text"] for c in back["candidates"]] == ["Io", "Titan"]
    (again,) = rows(back)
    assert again["id"] == row["id"]


def test_no_export_writes_a_row_for_what_needs_images(rows, exported):
    found = rows({"messages": CHAT}, {"messages": [{"role": "user", "content": [{"type": "image"}]}, CHAT[1]]})
    assert exported(found, "messages") == [{"messages": CHAT}]


@pytest.mark.parametrize("answer", [{"a": 1}, [1, 2], [{"a": "Io"}], {}])
def test_a_map_as_the_answer_is_an_error_that_names_the_field(rows, answer):
    _, bad = rows({"question": "a", "answer": "b"}, {"question": "Name a moon.", "answer": answer})
    assert (bad["reason"], "the field 'answer' holds" in bad["evidence"]) == ("unreadable", True)


def test_a_task_that_is_a_map_is_an_error_too(rows):
    _, bad = rows({"question": "a", "answer": "b"}, {"instruction": {"en": "Name a moon."}, "output": "Io."})
    assert "the field 'instruction' holds a map" in bad["evidence"]


def test_nan_is_missing(rows):
    first, second = rows({"instruction": "Add.", "input": NAN, "output": "4"}, {"instruction": "Say hi", "output": NAN})
    assert (first["input"], second["output"]) == ("", "")


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}, CHAT[1]]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "text", "text": "?"}]}
            ]
        },
        {"contents": [{"role": "user", "parts": [{"text": "What?"}, {"inlineData": {"data": "AAAA"}}]}]},
        {"conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "Io."}], "image": "x.jpg"},
        {"instruction": "<video>What?", "output": "Io.", "videos": ["x.mp4"]},
        {"question": "What?", "answer": "Io.", "image": {"bytes": "AAAA", "path": "x.png"}},
    ],
)
def test_what_needs_images_is_a_ledger_row(rows, record):
    good, bad = rows({"instruction": "Draw an <image> tag.", "output": "<image>", "image": None}, record)
    assert "reason" not in good
    assert (bad["stage"], bad["reason"]) == ("input", "needs_images")
    assert "AAAA" not in bad["evidence"]


def test_thinking_calls_and_results_of_parts_are_reasoning_calls_and_tool_turns(check_written):
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "12C"}]}
    record = {
        "messages": [
            {"role": "user", "content": "Weather in Oslo?"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "Look."}, {"type": "text", "text": "Wait."}, use],
            },
            {"role": "user", "content": [result, {"type": "text", "text": "Well?"}]},
            {"role": "assistant", "content": "12 degrees."},
        ]
    }
    (row,) = check_written("messages", record, dialect=True)
    asked, called, answered, again, final = said(row)["messages"]
    assert (asked["role"], again, final["content"]) == ("user", {"role": "user", "content": "Well?"}, "12 degrees.")
    assert (called["content"], called["reasoning"]) == ("Wait.", "Look.")
    assert json.loads(called["tool_calls"]) == [
        {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    ]
    assert answered == {"role": "tool", "content": "12C", "tool_call_id": "t1"}


def test_a_part_of_an_unknown_kind_is_a_ledger_row(rows):
    _, bad = rows({"messages": CHAT}, {"messages": [{"role": "user", "content": [{"type": "hologram"}]}, CHAT[1]]})
    assert "turn 1: a content part of an unknown kind 'hologram'" in bad["evidence"]


def test_a_text_under_an_unknown_name_is_a_ledger_row_that_names_the_map(rows):
    _, bad = rows({"messages": CHAT}, {"messages": [{"role": "user", "body": "Hi"}, {"role": "assistant", "body": "Yo"}]})
    assert "turn 1: no text under a known name; it has: role, body; say --map content=body" in bad["evidence"]


def test_null_padding_of_arrow_is_not_part_of_calls_and_tools(rows):
    def record(arguments, properties):
        call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}
        return {"messages": [CHAT[0], {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": [tool]}

    padded = record({"a": 1, "b": None}, {"a": {"type": "number"}, "b": None})
    first, second = rows(padded, record({"a": 1}, {"a": {"type": "number"}}))
    assert first["id"] == second["id"]
    assert '"b"' not in first["tools"]


@pytest.mark.parametrize("to", ["messages", "sharegpt", "openai"])
def test_the_older_field_of_calls_stays_in_every_export(rows, exported, to):
    record = {
        "messages": [
            CHAT[0],
            {"role": "assistant", "content": None, "function_call": {"name": "moons", "arguments": '{"n": 1}'}},
            {"role": "function", "name": "moons", "content": "Io"},
            CHAT[1],
        ],
        "functions": [{"name": "moons", "parameters": {"type": "object"}}],
    }
    (row,) = rows(record)
    assert [t["role"] for t in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    (back,) = exported([row], to)
    assert all(word in json.dumps(back) for word in ("moons", "parameters", "Io")) and 'function_call"' not in str(back)


def test_a_file_whose_answers_have_an_unknown_name_stops_with_the_map_that_fits(jsonl):
    path = str(jsonl({"instruction": "Name a moon.", "reply": "Io is one.", "id": "a1"}))
    for needs in ("needed", "named"):
        with pytest.raises(
            DataError, match=r"no record has an answer; the fields are: instruction, reply, id; .*--map output=reply"
        ):
            list(read(path, answers=needs))
    (row,) = read(path)
    assert row["output"] == ""
    (row,) = read(path, mapping={"output": "reply"}, answers="needed")
    assert row["output"] == "Io is one."


def test_prompts_are_read_where_answers_are_not_needed(jsonl):
    for record in ({"instruction": "Name a moon."}, {"messages": CHAT[:1]}, {"prompt": CHAT[:1]}):
        path = str(jsonl(record))
        assert [r["instruction"] for r in read(path, answers="named")] == ["Name a moon."]
        with pytest.raises(DataError, match="no record has an answer"):
            list(read(path, answers="needed"))


def test_answers_that_are_empty_under_a_known_name_are_rows(jsonl):
    (row,) = read(str(jsonl({"instruction": "Name a moon.", "output": None})), answers="needed")
    assert (row["instruction"], row["output"]) == ("Name a moon.", "")


def test_columns_of_a_csv_may_have_blanks_and_capitals(tmp_path):
    (tmp_path / "in.csv").write_text("Instruction, output\nName a moon.,Io.\n", "utf-8")
    (row,) = read(str(tmp_path / "in.csv"))
    assert (row["instruction"], row["output"]) == ("Name a moon.", "Io.")


def test_a_prompt_that_quotes_json_is_a_text(rows):
    quoted = '[{"name": "Io"}]'
    (row,) = rows({"prompt": quoted, "completion": quoted})
    assert (row["instruction"], row["output"]) == (quoted, quoted)


ASKED, IO, MARS = CHAT[0], CHAT[1], {"role": "assistant", "content": "Mars."}
HUMAN = {"from": "human", "value": "Name a moon."}


@pytest.mark.parametrize(
    ("to", "record"),
    [
        ("prompt_completion", {"prompt": [ASKED], "chosen": IO, "rejected": MARS}),
        ("prompt_completion", {"prompt": [ASKED], "chosen": "Io.", "rejected": "Mars."}),
        ("prompt_completion", {"prompt": [ASKED], "chosen": [ASKED, IO], "rejected": [MARS]}),
        ("prompt_completion", {"prompt": "Name a moon.", "chosen": [IO], "rejected": "Mars."}),
        ("prompt_completion", {"question": "Name a moon.", "chosen": IO, "rejected": MARS}),
        ("alpaca", {"instruction": "Name a moon.", "chosen": [IO], "rejected": ["Mars."]}),
        ("messages", {"messages": [ASKED], "chosen": "Io.", "rejected": MARS}),
        ("messages", {"messages": [ASKED], "chosen": [ASKED, IO], "rejected": [ASKED, MARS]}),
        ("sharegpt", {"conversations": [HUMAN], "chosen": "Io.", "rejected": [{"from": "gpt", "value": "Mars."}]}),
        ("sharegpt", {"conversations": [HUMAN], "chosen": IO, "rejected": MARS}),
    ],
)
def test_a_better_and_a_worse_answer_are_read_however_they_are_written(check_written, to, record):
    (row,) = check_written(to, record, dialect=True)
    assert [c["text"] for c in row["candidates"]] == ["Io.", "Mars."]
    assert (row["instruction"], row["output"]) == ("Name a moon.", "Io.")
    assert [t["content"] for t in row["messages"] or ()] in ([], ["Name a moon.", "Io."])


def test_a_chosen_answer_without_a_rejected_one_is_the_answer(rows):
    records = [
        {"prompt": "Name a moon.", "chosen": "Io.", "rejected": None},
        {"prompt": [ASKED], "chosen": [IO]},
        {"messages": [ASKED], "chosen": IO, "rejected": []},
        {"instruction": "Name a moon.", "response": "Io.", "chosen": None, "rejected": None},
        {"instruction": "Name a moon.", "output": "Io.", "chosen": "Titan.", "rejected": ""},
    ]
    assert [said(row) for row in rows(*records)] == [{"instruction": "Name a moon.", "output": "Io."}] * 5


def test_conversations_that_part_early_have_the_turns_they_share_as_their_prompt(rows):
    more = [{"role": "user", "content": "More?"}, {"role": "assistant", "content": "Titan."}]
    (row,) = rows({"chosen": [ASKED, IO, *more], "rejected": [ASKED, MARS]})
    assert [t["content"] for t in row["messages"]] == ["Name a moon.", "Io.", "More?", "Titan."]
    assert row["candidates"][1]["text"] == "Mars."


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"prompt": "Q", "chosen": {"a": 1}, "rejected": {"a": 2}}, "the field 'chosen' holds"),
        ({"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c"]}, "the field 'chosen' holds"),
        ({"prompt": "Q", "rejected": "Mars."}, "none that was chosen"),
        ({"instruction": "Q", "chosen": [IO, MARS], "rejected": "x"}, "one answer belongs as text"),
        ({"conversations": [HUMAN], "chosen": [IO, MARS], "rejected": IO}, "holds 2 turns"),
        ({"prompt": "Q", "chosen": [{"role": "critic", "content": "x"}], "rejected": "y"}, "the role 'critic' is unknown"),
    ],
)
def test_sides_that_are_no_answers_are_a_ledger_row_and_never_an_empty_answer(rows, record, words):
    _, bad = rows({"messages": CHAT}, record)
    assert (bad["reason"], words in bad["evidence"]) == ("unreadable", True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bot", "the role 'bot', which --roles does not name, is read as assistant (2 records)"),
        ("Customer", "the role 'Customer', which --roles does not name, is read as user (2 records)"),
        ("助手", "the role '助手', which --roles does not name, is read as assistant (2 records)"),
        ("ผู้ใช้", "the role 'ผู้ใช้', which --roles does not name, is read as user (2 records)"),
        ("human_1", "the role 'human_1', which --roles does not name, is read as user (2 records)"),
        ("agent", ""),
        ("User", ""),
        ("system", ""),
    ],
)
def test_a_role_that_the_users_roles_leave_out_is_said_once(jsonl, capsys, name, said):
    thread = [{"role": "kunde", "content": "Hi"}, {"role": name, "content": "auto"}, {"role": "agent", "content": "Yes"}]
    records = [{"messages": thread}, {"messages": thread}]
    rows = list(read(str(jsonl(*records)), roles={"kunde": "user", "agent": "assistant"}))
    assert not [r for r in rows if "reason" in r]
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == bool(said)


def test_a_role_that_is_known_to_nobody_stays_a_row_of_the_ledger(jsonl, capsys):
    thread = [{"role": "kunde", "content": "Hi"}, {"role": "robot", "content": "auto"}, {"role": "agent", "content": "Yes"}]
    good = {"instruction": "q", "output": "a"}
    found = list(read(str(jsonl(good, {"messages": thread})), roles={"kunde": "user", "agent": "assistant"}))
    assert "the role 'robot' is unknown" in found[1]["evidence"]
    list(read(str(jsonl({"messages": [{"role": "human", "content": "Hi"}, {"role": "bot", "content": "Yes"}]}))))
    assert capsys.readouterr().err == ""  # without roles of the user's own it is the one table


def test_a_role_that_is_none_of_ours_is_one_list(jsonl):
    with pytest.raises(UsageError) as told:
        read(str(jsonl({"instruction": "q", "output": "a"})), roles={"bot": "skip"})
    assert str(told.value) == "roles: 'skip' (for 'bot') is no role; they are user, assistant, system, tool"
    with pytest.raises(UsageError, match=r"'asistant' .* is no role; did you mean 'assistant'\?; they are user, assistant"):
        read(str(jsonl({"instruction": "q", "output": "a"})), roles={"bot": "asistant"})
