"""Records with more than one answer, or task: the same one is taught whatever stands beside it, and the others come back."""

from __future__ import annotations

import json

import pytest

from datagen.formats.read import read

TWO = [
    {"question": "Name a moon.", "output": "Mars.", "answer": "Io."},
    {"instruction": "Name a moon.", "response": "Io.", "completion": "Mars."},
    {"prompt": "Name a moon.", "completion": "Io.", "response": "Mars."},
    {"prompt": "Name a moon.", "output": "Mars.", "response": "Io."},
    {"问题": "Name a moon.", "输出": "Mars.", "答案": "Io."},
    {"คำถาม": "Name a moon.", "เอาต์พุต": "Mars.", "คำตอบ": "Io."},
]


@pytest.mark.parametrize("record", TWO)
@pytest.mark.parametrize(
    "more", [{}, {"context": "Of Jupiter."}, {"rationale": "It goes round."}, {"label": True}, {"kto_tag": False}]
)
def test_what_stands_beside_two_answers_does_not_change_which_is_taught(rows, exported, record, more):
    (row,) = rows({**record, **more})
    assert row["output"] == "Io."
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        (made,) = exported([row], to)
        assert [key.rstrip("_") in ("output", "completion", "response") for key, value in made.items() if value == "Mars."] == [
            True
        ]


def test_two_answers_are_said_once_in_the_names_of_the_file(jsonl, capsys):
    list(read(str(jsonl({"问题": "Q", "输出": "O", "答案": "A"}, {"问题": "Q", "输出": "P", "答案": "A"}))))
    list(read(str(jsonl({"prompt": "Q", "completion": "A", "response": "A "}))))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the answer in '答案' is taught; '输出' holds another one, which is kept beside it (2 records)")


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"question": "Q", "answer": "A", "generation": "G", "rationale": "Why."}, {"generation": "G"}),
        ({"instruction": "Q", "prompt": "P", "output": "A", "thinking": "Why."}, {"prompt": "P"}),
        ({"prompt": "Q", "completion": "A", "query": "R", "generation": "G", "cot": "Why."}, {"query": "R", "generation": "G"}),
    ],
)
def test_an_answer_with_its_reasoning_keeps_the_fields_that_are_not_read(rows, record, kept):
    (row,) = rows(record)
    assert [(t["role"], t["content"], t["reasoning"]) for t in row["messages"]] == [
        ("user", "Q", None), ("assistant", "A", "Why."),
    ]  # fmt: skip
    assert json.loads(row["extra"]) == kept


def test_reasoning_stands_behind_the_whole_task(rows):
    (row,) = rows({"instruction": "Hot?", "context": "Tea is hot.", "response": "yes", "reasoning": "It says so."})
    assert [t["content"] for t in row["messages"]] == ["Hot?\n\nTea is hot.", "yes"]


def test_a_call_of_a_tool_is_a_turn_of_the_assistant_beside_reasoning_too(rows):
    turns = [("human", "Hot?"), ("function_call", '{"name": "look", "arguments": {}}'), ("observation", "hot"), ("gpt", "yes")]
    (row,) = rows({"conversations": [{"from": role, "value": text} for role, text in turns], "rationale": "It says so."})
    assert row["output"] == "yes" and json.loads(row["extra"])["rationale"] == "It says so."


def test_a_list_under_a_name_that_is_not_the_task_makes_no_answer(rows):
    prompt = [{"role": "user", "content": "P"}]
    said = [{"role": "assistant", "content": "A"}, {"role": "user", "content": "R"}, {"role": "assistant", "content": "B"}]
    none, several, good = rows(
        {"instruction": "Q", "prompt": prompt},
        {"instruction": "Q", "prompt": prompt, "completion": said},
        {"instruction": "Q", "prompt": prompt, "completion": said[:1]},
    )
    assert (none["output"], good["output"]) == ("", "A")
    (whole,) = rows({"prompt": "Q", "completion": said})
    assert [t["content"] for t in whole["messages"]] == ["Q", "A", "R", "B"]
    assert several["reason"] == "unreadable" and "where the text of an answer belongs" in several["evidence"]


def test_two_marks_of_an_answer_that_is_left_out_say_nothing_of_the_one_before_it(rows, exported):
    (row,) = rows({"instruction": "Q", "history": [["Hi.", "Hello."]], "output": "", "kto_tag": False, "label": False})
    (made,) = exported([{**row, "messages": row["messages"][:2]}], "prompt_completion")
    assert made.keys() >= {"label_", "kto_tag_"} and made.keys().isdisjoint(("label", "kto_tag"))


def test_candidates_that_a_person_wrote_are_read_best_first_and_come_back(rows, exported):
    best, worst = {"text": "Io.", "score": 9}, {"text": "Mars.", "score": 2}
    for one in ([worst, best], [best, {**worst, "source": "ours"}]):
        (row,) = rows({"instruction": "Name a moon.", "candidates": one})
        assert row["output"] == "Io."
        assert [(c["text"], c["score"]) for c in row["candidates"]] == [("Io.", 9.0), ("Mars.", 2.0)]
    (row,) = rows({"instruction": "Name a moon.", "output": "Io.", "candidates": [{"text": "Io."}, {"text": "Mars."}]})
    assert [(c["text"], c["score"], c["source"]) for c in row["candidates"]] == [("Io.", None, None), ("Mars.", None, None)]
    (made,) = exported([row], "alpaca")
    assert made == {"instruction": "Name a moon.", "output": "Io.", "candidates": [{"text": "Io."}, {"text": "Mars."}]}
    for odd in ([{"text": "Io.", "score": True}], [{"text": "Io.", "rank": 1}], [{"score": 1.0}], ["Io."], "Io."):
        (row,) = rows({"instruction": "Name a moon.", "output": "Io.", "candidates": odd})
        assert row["candidates"] is None and json.loads(row["extra"])["candidates"] == odd
