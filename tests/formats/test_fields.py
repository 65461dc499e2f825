"""Fields that are read wrongly where one looks at their names only: choices, reasoning, marks of no input, several answers."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.data.rows import conversation_turns
from datagen.errors import DataError
from datagen.formats.notes import Notes
from datagen.formats.read import read
from datagen.formats.records import rows_of

ASKED = "Which is a moon?"
CHOICES = ["Mars", "Io", "Sun"]
SHOWN = f"{ASKED}\nA. Mars\nB. Io\nC. Sun"


def said(row):
    return {name: row[name] for name in ("instruction", "input", "output") if row[name]}


@pytest.mark.parametrize(
    "mark", ["<noinput>", "N/A", "nan", "None", "No input.", "Noinput", '"<noinput>"', "&lt;无输入&gt;", "ไม่มีอินพุต", "<NA>"]
)
def test_an_input_that_marks_nothing_is_empty_and_it_is_said(rows, exported, capsys, mark):
    record = {"instruction": "Name a moon.", "input": mark, "output": "Io."}
    found = rows(record, {**record, "input": "of Jupiter"}, {**record, "input": mark.swapcase()})
    assert [row["input"] for row in found] == ["", "of Jupiter", ""]
    assert "'input' is only a mark that there is none" in (told := capsys.readouterr().err)
    assert (told.count("\n"), "(2 records)" in told) == (1, True)
    assert exported(found[:1], "alpaca") == [{**record, "input": ""}]


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("What does NaN mean?", "NaN"), ("Shorten.", "No input. None at all."), ("Type?", '"null"'), ("Type?", "[None]"),
        ("Which element?", "Na"), ("Which country?", "NA"), ("什么意思：不适用", "不适用"),
    ],
)  # fmt: skip
def test_an_input_that_says_something_stays(rows, task, given):
    (row,) = rows({"instruction": task, "input": given, "output": "It is that."})
    assert row["input"] == given


@pytest.mark.parametrize(
    "record",
    [
        {"question": ASKED, "choices": CHOICES, "answer": 1},
        {"question": ASKED, "choices": {"text": CHOICES, "label": ["A", "B", "C"]}, "answerKey": "B"},
        {"question": {"stem": ASKED, "choices": [
            {"text": "Mars", "label": "A"}, {"text": "Io", "label": "B"}, {"text": "Sun", "label": "C"},
        ]}, "answerKey": "B"},
        {"question": ASKED, "A": "Mars", "B": "Io", "C": "Sun", "answer": "B"},
        {"question": ASKED, "opa": "Mars", "opb": "Io", "opc": "Sun", "cop": 1},
        {"question": ASKED, "choice0": "Mars", "choice1": "Io", "choice2": "Sun", "answer": "1"},
        {"question": ASKED, "options": {"A": "Mars", "B": "Io", "C": "Sun"}, "answer": "Io", "answer_idx": "B"},
        {"question": ASKED, "options": ["A) Mars", "B) Io", "C) Sun"], "correct": "B"},
        {"question": ASKED, "choices": "['Mars' 'Io'\n 'Sun']", "answer": "(b)"},
        {"question": ASKED, "choices": "{'text': array(['Mars', 'Io', 'Sun'], dtype=object), 'label': ['A', 'B', 'C']}",
         "answerKey": "B"},
        {"问题": SHOWN, "选项": CHOICES, "答案": "B"},  # the task shows them
    ],
)  # fmt: skip
def test_choices_are_shown_and_the_right_one_is_taught_with_its_text(record):
    (row,) = rows_of(record)
    assert said(row) == {"instruction": SHOWN, "output": "B. Io"}


def test_columns_that_count_from_0_are_named_by_their_number_also_where_the_choices_are_numbers():
    columns = {"choice0": "8", "choice1": "2", "choice2": "24", "choice3": "120"}
    (row,) = rows_of({"question": "How many?", **columns, "answer": "2"})
    assert said(row) == {"instruction": "How many?\nA. 8\nB. 2\nC. 24\nD. 120", "output": "C. 24"}


def test_labels_of_the_file_and_of_other_scripts_stay(rows):
    numbered, thai = rows(
        {"question": "Q?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"},
        {"คำถาม": "ข้อใด", "ตัวเลือก": ["ดาวอังคาร", "ไอโอ"], "คำตอบ": "ข"},
    )
    assert said(numbered) == {"instruction": "Q?\n1. x\n2. y", "output": "2. y"}
    assert said(thai) == {"instruction": "ข้อใด\nก. ดาวอังคาร\nข. ไอโอ", "output": "ข. ไอโอ"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"answer": "E"}, "'answer' holds 'E', which is none of the choices"),
        ({"answer": 9}, "holds 9, and there are 3 choices, counted from 0"),
        ({"answer": "C", "answer_index": 1}, "two different choices"),
        ({"answer": ["A", "B"]}, "several choices"),
        ({"choices": ["B", "A"], "answer": "A"}, "may mean more than one"),
        ({"choices": "Mars or Io", "answer": "B"}, "'choices' holds one text"),
    ],
)
def test_a_choice_that_would_be_a_guess_costs_its_row(fields, problem):
    with pytest.raises(ValueError, match=problem):
        rows_of({"question": ASKED, "choices": CHOICES, **fields})


@pytest.mark.parametrize(
    ("numbers", "first"),
    [
        ([2, 1, 0], 0), (["2", "1", "0"], 0), ([1.0, 0.0], 0),  # a 0, however late
        ([1, 3], 1), (["1", "3"], 1), ([3, 1], 1), ([1, *[2] * 1500, 3], 1),  # the last of three, and no 0
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["list", "columns"])
def test_the_file_shows_from_where_its_numbers_count(jsonl, capsys, numbers, first, shape):
    choices = {"choices": CHOICES} if shape == "list" else dict(zip("ABC", CHOICES, strict=True))
    path = str(jsonl(*({"question": f"{ASKED} {at}", **choices, "answer": n} for at, n in enumerate(numbers))))
    at = [int(float(n)) - first for n in numbers]
    assert [row["output"] for row in read(path, answers="needed")] == [f"{'ABC'[n]}. {CHOICES[n]}" for n in at]
    assert f"the numbers in 'answer' count the choices from {first}" in capsys.readouterr().err


@pytest.mark.parametrize("numbers", [[1], [1, 2], ["1", "2"], [1, -1]])
def test_numbers_that_may_count_from_0_or_from_1_cost_the_file(jsonl, numbers):
    path = str(jsonl(*({"question": ASKED, "choices": CHOICES, "answer": n} for n in numbers)))
    with pytest.raises(DataError, match=r"in.jsonl: the number in 'answer' may count the choices from 0 or from 1 .*letter"):
        list(read(path))


def test_a_number_that_contradicts_the_others_costs_its_row(jsonl):
    late_zero = str(jsonl(*({"question": ASKED, "choices": CHOICES, "answer": n} for n in (3, 1, 0)), name="zero.jsonl"))
    beyond = str(jsonl(*({"question": ASKED, "choices": CHOICES, "answer": n} for n in (3, 1, 4)), name="one.jsonl"))
    assert [row.get("evidence", row["output"]).split(": {")[0] for row in read(late_zero)] == [
        "zero.jsonl: line 1: the field 'answer' holds 3, and there are 3 choices, counted from 0", "B. Io", "A. Mars",
    ]  # fmt: skip
    assert [row.get("evidence", row["output"]).split(": {")[0] for row in read(beyond)] == [
        "C. Sun", "A. Mars", "one.jsonl: line 3: the field 'answer' holds 4, and there are 3 choices, counted from 1",
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "output"), [(1, "B. Io"), (2, "B. Io")])
def test_a_letter_beside_shows_from_where_a_number_counts(rows, number, output):
    (row,) = rows({"question": ASKED, "choices": CHOICES, "answer": "B", "answer_index": number})
    assert row["output"] == output


def test_known_layouts_and_class_labels_count_from_0(rows, tmp_path):
    (row,) = rows({"question": ASKED, "subject": "x", "choices": [*CHOICES, "Vega"], "answer": 1})
    assert row["output"] == "B. Io"
    table = pa.table({"question": [ASKED], "options": [CHOICES], "answer": [1]})
    told = {"info": {"features": {"answer": {"names": ["A", "B", "C"], "_type": "ClassLabel"}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(told)}), tmp_path / "a.parquet")
    assert [row["output"] for row in read(str(tmp_path / "a.parquet"))] == ["B. Io"]


def test_letters_that_are_no_choices_stay_what_they_are(rows):
    found = rows(
        {"question": "a + b + c?", "a": 1, "b": 2, "c": 3, "answer": 6},
        {"prompt": "Name one.", "A": "x", "B": "y", "completion": "Io is one."},
    )
    assert [said(row) for row in found] == [
        {"instruction": "a + b + c?", "output": "6"},
        {"instruction": "Name one.", "output": "Io is one."},
    ]


@pytest.mark.parametrize(
    ("answers", "order", "told"),
    [
        ([("a", {"pm_score": 0, "selected": False}), ("b", {"pm_score": 3, "selected": False})], "ba", False),
        ([("a", {"pm_score": 9, "selected": False}), ("b", {"pm_score": 3, "selected": True})], "ba", False),
        ([("a", {"votes": 1}), ("b", {"votes": 1})], "ab", True),
        ([("a", {}), ("b", {})], "ab", True),
        ([("a", {"score": 1}), ("b", {"rating": 2})], "ab", True),
    ],
)
def test_the_best_of_several_answers_is_taught_or_it_is_said_that_none_is_known(answers, order, told):
    notes = Notes()
    (row,) = rows_of({"question": "Q?", "answers": [{"text": t, **more} for t, more in answers]}, "", notes)
    assert ("".join(c["text"] for c in row["candidates"]), row["output"]) == (order, order[0])
    assert any("the first is taught" in line for line in notes.lines()) == told


@pytest.mark.parametrize("name", ["reasoning", "thought", "thinking", "Complex_CoT", "rationale", "chain_of_thought", "思维链"])
def test_a_column_of_reasoning_is_the_reasoning_of_the_answer(name):
    notes = Notes()
    (row,) = rows_of({"question": "Q?", "input": "I", "answer": "R.", name: "Because."}, "", notes)
    turns = [(t["role"], t["content"], t["reasoning"]) for t in conversation_turns(row)]
    assert turns == [("user", "Q?\n\nI", None), ("assistant", "R.", "Because.")]
    assert notes.lines() == [f"the field '{name}' is taught as the reasoning of the answer (1 record)"]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q?", "chosen": "a", "rejected": "b", "reasoning": "Because."},
        {"prompt": "Q?", "completion": "a", "reasoning": "on"},
        {"prompt": "Q?", "completion": "<think>Else.</think>a", "reasoning": "Because."},
        {"messages": [{"role": r, "content": c} for r, c in (("user", "1"), ("assistant", "a")) * 2], "reasoning": "Because."},
    ],
)
def test_reasoning_that_has_no_one_answer_is_said_to_be_left_out(record):
    notes = Notes()
    (row,) = rows_of(record, "", notes)
    assert not [t for t in conversation_turns(row) if t["reasoning"]]
    assert notes.lines()[0].startswith("the field 'reasoning' is left out: ")


@pytest.mark.parametrize("task", ["instruction", "question", "指令"])
def test_a_context_stands_before_the_input(task):
    notes = Notes()
    (row,) = rows_of({task: "Do.", "input": "I", "context": "C", "answer": "R"}, "", notes)
    assert said(row) == {"instruction": "Do.", "input": "C\n\nI", "output": "R"}
    assert "'context' and 'input' are read as one text" in notes.lines()[0]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"task_id": "0", "prompt": "f", "canonical_solution": "1", "test": "assert " * 9}, "canonical_solution"),
        ({"question": "Q?", "id": "a long id of a record", "url": "https://example.com", "label": "x"}, "FIELD"),
        ({"instruction": "Q?", "model_output": "R", "model": "a-model-of-a-long-name"}, "model_output"),
    ],
)  # fmt: skip
def test_a_map_is_suggested_only_where_it_is_plausible(jsonl, record, wanted):
    with pytest.raises(DataError, match=rf"the fields are: {', '.join(record)}; .*--map output={wanted}$"):
        list(read(str(jsonl(record)), answers="needed"))


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("質問,回答\n月の名前は何,イオです。\n", None, "it has: 質問, 回答; name them with --map instruction=質問,output=回答"),
        ('{"问题": {"a": 1}, "答案": "x"}', None, "the field '问题' holds a map"),
        ('{"thema": {"a": 1}, "wort": "x"}', {"instruction": "thema", "output": "wort"}, "the field 'thema' holds a map"),
    ],
)
def test_what_is_wrong_is_said_in_the_names_of_the_file(tmp_path, text, mapping, words):
    path = tmp_path / "in.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=words):
        list(read(str(path), mapping=mapping))


@pytest.mark.parametrize(
    ("record", "better", "worse"),
    [
        ({"prompt": "P", "response_0": "a", "response_1": "b", "better_response_id": 1}, "b", "a"),
        ({"history": "P", "human_ref_A": "a", "human_ref_B": "b", "labels": 1}, "a", "b"),
        ({"question": "P", "response_j": "a", "response_k": "b"}, "a", "b"),
    ],
)
def test_the_better_of_two_answers_is_chosen(rows, record, better, worse):
    (row,) = rows(record)
    assert (row["instruction"], row["output"], [c["text"] for c in row["candidates"]]) == ("P", better, [better, worse])
