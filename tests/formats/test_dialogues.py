"""Records whose task, material or turns stand under other names or in other forms: what is read, and that they come back."""

from __future__ import annotations

import pytest

from datagen.errors import DataError
from datagen.formats.read import read

U, A = "user", "assistant"
HH = "\n\nHuman: What is tea?\n\nAssistant: A drink.\n\nHuman: Hot?\n\nAssistant: "


def told(row):
    """The columns that hold something, turns as (role, text)."""
    found = {k: row[k] for k in ("instruction", "input", "output", "system") if row[k]}
    if row["messages"]:
        found["messages"] = [(t["role"], t["content"]) for t in row["messages"]]
    if row["candidates"]:
        found["candidates"] = [c["text"] for c in row["candidates"]]
    return found


@pytest.mark.parametrize(
    "record",
    [
        {"human": "Name a moon.", "assistant": "Io."},
        {"Human": "Name a moon.", " Assistant": "Io."},
        {"user": "Name a moon.", "assistant": "Io.", "id": 3},
        {"inputs": "Name a moon.", "targets": "Io.", "task": "moons"},  # FLAN
        {"kind": "qa", "input": "Name a moon.", "target": "Io."},  # Firefly
        {"input": "Name a moon.", "output": "Io."},
        {"Q": "Name a moon.", "A": "Io."},
        {"问题": "Name a moon.", "回答": "Io."},
        {"問題": "Name a moon.", "答案": "Io."},
        {"问": "Name a moon.", "答": "Io."},
        {"คำถาม": "Name a moon.", "คำตอบ": "Io."},
        {"ถาม": "Name a moon.", "ตอบ": "Io."},
        {"prompt": "Name a moon.", "completion": "Io.", "label": True},  # KTO
        {"text": "### Human: Name a moon.### Assistant: Io."},  # Guanaco
        {"text": "\n\nHuman: Name a moon.\n\nAssistant: Io."},
        {"conversations": ["Name a moon.", "Io."], "source": "stackexchange"},  # LIMA
        {"id": "1", "data": ["Name a moon.", "Io."]},  # UltraChat
        {"source": "x", "conversation": [{"input": "Name a moon.", "output": "Io."}]},  # Capybara
        {"conversation_id": 1, "conversation": [{"human": "Name a moon.", "assistant": "Io."}]},  # MOSS
        {"chat_history": [], "message": "Name a moon.", "response": "Io."},  # Cohere
        {"对话": [{"角色": "用户", "内容": "Name a moon."}, {"角色": "助手", "内容": "Io."}]},
        {"บทสนทนา": [{"บทบาท": "ผู้ใช้", "เนื้อหา": "Name a moon."}, {"บทบาท": "ผู้ช่วย", "เนื้อหา": "Io."}]},
        {"messages": [{"role": "prompter", "text": "Name a moon."}, {"role": "assistant", "text": "Io."}]},  # OpenAssistant
        {
            "id": "t",
            "messages": [{"role": U, "content": "Name a moon.", "n": 1}, {"role": A, "content": "Io.", "n": 2}],
        },  # Tulu
        {"contents": [{"role": "user", "parts": [{"text": "Name a moon."}]}, {"role": "model", "parts": [{"text": "Io."}]}]},
        {
            "messages": [{"role": U, "content": [{"text": "Name a moon."}]}, {"role": A, "content": [{"text": "Io."}]}]
        },  # Bedrock
    ],
)
def test_one_exchange(check_written, rows, record):
    (row,) = rows(record)
    assert told(row) == {"instruction": "Name a moon.", "output": "Io."}
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        check_written(to, record, dialect=True)


@pytest.mark.parametrize(
    "record",
    [
        {"question": "Hot?", "context": "Tea is hot.", "answer": "yes"},
        {"question": "Hot?", "context": ["Tea is", "hot."], "answer": "yes"},
        {"query": "Hot?", "context": "Tea is hot.", "response": "yes"},
        {"prompt": "Hot?", "input": "Tea is hot.", "completion": "yes"},
        {"question": "Hot?", "passage": "Tea is hot.", "answer": "yes"},
        {
            "id": "1",
            "title": "T",
            "context": "Tea is hot.",
            "question": "Hot?",
            "answers": {"text": ["yes"], "answer_start": [7]},
        },
        {"instruction": "Hot?", "context": "Tea is hot.", "response": "yes", "category": "closed_qa"},  # Dolly
        {"指令": "Hot?", "输入": "Tea is hot.", "输出": "yes"},
        {"คำสั่ง": "Hot?", "อินพุต": "Tea is hot.", "เอาต์พุต": "yes"},
        {"问题": "Hot?", "上下文": "Tea is hot.", "答案": "yes"},
    ],
)
def test_the_text_that_a_question_is_about_is_its_input(check_written, record):
    (row,) = check_written("alpaca", record, dialect=True)
    assert told(row) == {"instruction": "Hot?", "input": "Tea is\n\nhot." if record.get("context") == ["Tea is", "hot."]
                         else "Tea is hot.", "output": "yes"}  # fmt: skip


def test_material_that_is_shown_or_missing_or_no_text(rows):
    shown, none, empty, broken = rows(
        {"prompt": "Tea is hot. Hot?", "context": "Tea is hot.", "completion": "yes"},
        {"question": "Hot?", "context": "", "answer": "yes"},
        {"question": "Cold?", "context": "Tea is hot.", "answers": {"text": [], "answer_start": []}},
        {"question": "Hot?", "context": {"title": ["T"], "sentences": [["Tea is hot."]]}, "answer": "yes"},
    )
    assert [told(r) for r in (shown, none)] == [
        {"instruction": "Tea is hot. Hot?", "output": "yes"}, {"instruction": "Hot?", "output": "yes"},
    ]  # fmt: skip
    assert told(empty) == {"instruction": "Cold?", "input": "Tea is hot."}, "SQuAD's question without an answer has none"
    assert "the field 'context' holds a map of title, sentences" in broken["evidence"] and broken["reason"] == "unreadable"


MORE = [(U, "What is tea?"), (A, "A drink."), (U, "Hot?"), (A, "Yes.")]


@pytest.mark.parametrize(
    ("record", "system"),
    [
        ({"conversations": ["What is tea?", "A drink.", "Hot?", "Yes."]}, ""),
        ({"data": ["What is tea?", "A drink.", "Hot?", "Yes."]}, ""),
        ({"conversation": [{"input": "What is tea?", "output": "A drink."}, {"input": "Hot?", "output": "Yes."}]}, ""),
        ({"conversation": [{"system": "S", "input": "What is tea?", "output": "A drink."},
                           {"input": "Hot?", "output": "Yes."}]}, "S"),
        ({"preamble": "S", "chat_history": [{"role": "USER", "message": "What is tea?"},
                                            {"role": "CHATBOT", "message": "A drink."}],
          "message": "Hot?", "text": "Yes."}, "S"),
        ({"text": f"{HH}Yes."}, ""),
        ({"query": "Hot?", "response": "Yes.", "history": [["What is tea?", "A drink."]]}, ""),  # ms-swift
        ({"system": "S", "prompt": "Hot?", "completion": "Yes.", "history": [["What is tea?", "A drink."]]}, "S"),
        ({"id": "v", "conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "What is tea?"},
          {"from": "gpt", "value": "A drink."}, {"from": "human", "value": "Hot?"}, {"from": "gpt", "value": "Yes."}]}, "S"),
    ],
)  # fmt: skip
def test_several_exchanges(rows, check_written, record, system):
    (row,) = rows(record)
    assert told(row) == {"instruction": "Hot?", "output": "Yes.", **({"system": system} if system else {}), "messages": MORE}
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        check_written(to, record, dialect=True)


@pytest.mark.parametrize(
    "record",
    [
        {"chosen": f"{HH}Yes.", "rejected": f"{HH}No."},
        {"prompt": HH, "chosen": "Yes.", "rejected": "No."},
        {"prompt": HH, "chosen": f"{HH}Yes.", "rejected": f"{HH}No."},
    ],
)
def test_transcripts_of_a_pair(rows, check_written, record):
    (row,) = rows(record)
    assert told(row) == {"instruction": "Hot?", "output": "Yes.", "messages": MORE, "candidates": ["Yes.", "No."]}
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        check_written(to, record, dialect=True)


@pytest.mark.parametrize(
    "text", ["Human: is a word, and no mark.", "The play.\n\nHuman: Hi.\n\nAssistant: Ho.", "\n\nAssistant: Hi.\n\nHuman: Ho."]
)
def test_a_text_that_is_no_transcript_is_none(jsonl, text):
    with pytest.raises(DataError, match="no known fields; it has: text"):
        list(read(str(jsonl({"text": text}))))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"prompt": {"message_id": "x", "text": "Q", "role": "prompter", "replies": []}, "n": 1}, "a tree of messages"),
        ({"message_id": "x", "parent_id": None, "text": "Q", "role": "prompter"}, "one message of a tree"),
        ({"dialog": ["Hi there.", "Hello."]}, "the turns in 'dialog' do not say who speaks"),
        ({"history": "Q", "human_ref_A": "A", "human_ref_B": "B"}, "it has: history, human_ref_A, human_ref_B; .* --map"),
        ({"id": "1", "frage": "Wie heißt er?", "antwort": "Er heißt Io."}, "--map instruction=frage,output=antwort"),
        ({"chat_history": ["Hi"], "message": "Q", "response": "A"}, "'chat_history' holds \"Hi\", where a turn"),
        ({"conversation": [{"input": 3, "output": "A"}]}, "exchange 1 in 'conversation' has no text as its 'input'"),
    ],
)  # fmt: skip
def test_what_is_not_certain_stops_with_what_there_is(jsonl, record, words):
    with pytest.raises(DataError, match=words):
        list(read(str(jsonl(record))))


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q", "completion": "Bad.", "label": False},
        {"prompt": [{"role": U, "content": "Q"}], "completion": [{"role": A, "content": "Bad."}], "label": False},
        {"instruction": "Q", "input": "", "output": "Bad.", "kto_tag": False},
        {"messages": [{"role": U, "content": "Q"}, {"role": A, "content": "Bad."}], "kto_tag": False},
        {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "Bad."}], "kto_tag": False},
        {"messages": [{"role": U, "content": "Q"}, {"role": A, "content": "Bad."}], "label": False},  # ms-swift
        {"prompt": "Q", "completion": "Bad.", "label": "False"},
        {"prompt": "Q", "completion": "Bad.", "label": 0.0, "rationale": ""},
        {"Prompt": "Q", " completion": "Bad.", "Label": "false "},
        {"question": "Q", "response": "Bad.", "label": 0},
        {"query": "Q", "answer": "Bad.", "label": False},
        {"问题": "Q", "答案": "Bad.", "label": False},
        {"คำถาม": "Q", "คำตอบ": "Bad.", "label": "0"},
        {"human": "Q", "assistant": "Bad.", "label": False},
        {"instruction": "Q", "response": "Bad.", "kto_tag": "false"},
        {"instruction": "Q", "prompt": "P", "question": "R", "output": "Bad.", "kto_tag": 0},
        {"instruction": "Q", "instances": [{"input": "", "output": "Bad."}], "kto_tag": False},
    ],
)
def test_an_answer_that_people_did_not_want_is_not_taught(rows, exported, record):
    (row,) = rows(record)
    assert (row["instruction"], row["output"]) == ("Q", "Bad.")
    assert [(t["role"], t["train"]) for t in row["messages"]] == [(U, None), (A, False)]
    (made,) = exported([row], "axolotl")
    assert made["messages"][-1] == {"role": A, "content": "Bad.", "weight": 0} or made["messages"][-1].get("train") is False


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        ({"prompt": "Q", "completion": "Bad.", "label": False, "context": "M"}, [(U, "Q\n\nM")]),
        ({"instruction": "Q", "input": "M", "output": "Bad.", "kto_tag": False, "history": [["a", "b"]]},
         [(U, "a"), (A, "b"), (U, "Q\n\nM")]),
        ({"prompt": [{"role": U, "content": "a"}, {"role": A, "content": "b"}, {"role": U, "content": "Q"}],
          "response": "Bad.", "label": 0}, [(U, "a"), (A, "b"), (U, "Q")]),
    ],
)  # fmt: skip
def test_an_answer_that_was_not_wanted_comes_after_all_that_was_said_before_it(rows, exported, jsonl, record, asked):
    (row,) = rows(record)
    assert told(row)["messages"] == [*asked, (A, "Bad.")]
    assert [t["train"] for t in row["messages"]] == [None] * len(asked) + [False]
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        (again,) = read(str(jsonl(*exported([row], to))))
        assert [(t["role"], t["content"], t["train"]) for t in again["messages"]] == [
            (t["role"], t["content"], t["train"]) for t in row["messages"]
        ]


def test_all_turns_of_an_answer_that_was_not_wanted_are_not_taught(rows):
    said = [{"role": A, "content": "Bad."}, {"role": U, "content": "Why?"}, {"role": A, "content": "So."}]
    (row,) = rows({"prompt": [{"role": U, "content": "Q"}], "completion": said, "label": False})
    assert [t["train"] for t in row["messages"]] == [None, False, None, False]


def test_a_mark_that_is_neither_true_nor_false_is_no_answer_to_teach(rows, jsonl):
    good, bad = rows({"prompt": "Q", "completion": "A", "label": 1}, {"prompt": "Q", "completion": "A", "label": "bad"})
    assert (good["output"], good["messages"], bad["reason"]) == ("A", None, "unreadable")
    assert "the field 'label' holds \"bad\", which is neither true nor false" in bad["evidence"]
    classes = [{"question": "Q", "answer": "A", "label": n} for n in range(4)]
    with pytest.raises(DataError, match="'label' is false in 1 record and neither true nor false in 2"):
        list(read(str(jsonl(*classes))))


def test_what_was_read_of_marks_is_said_once(jsonl, capsys):
    answers = [{"prompt": "Q", "completion": str(n), "label": n % 2} for n in range(4)]
    list(read(str(jsonl(*answers, {"question": "Q", "answer": "A", "Label": "geography"}))))
    said = capsys.readouterr().err
    assert "the field 'label' says that an answer was not wanted: it is not taught (2 records)" in said
    assert "the field 'Label' is not read as whether an answer was wanted: if it is, call it kto_tag (1 record)" in said


@pytest.mark.parametrize("label", [False, 0, "false", "geography"])
def test_an_export_never_makes_an_unwanted_answer_of_a_good_one(rows, exported, jsonl, label):
    (row,) = rows({"instruction": "Q", "input": "", "output": "A", "label": label})
    for to in ("messages", "sharegpt", "alpaca", "prompt_completion"):
        (again,) = read(str(jsonl(*exported([row], to))))
        assert (again["output"], again["messages"]) == ("A", None)


def test_labels_that_are_not_of_kto_say_nothing_about_the_answer(rows):
    good, other = rows({"prompt": "Q", "completion": "A", "label": True}, {"instruction": "Q", "output": "A", "label": False})
    assert good["messages"] is None is other["messages"]


def test_a_system_prompt_by_another_name_is_said_once(rows):
    chat = [{"role": "system", "content": "Be brief."}, {"role": U, "content": "Q"}, {"role": A, "content": "A"}]
    one, two = rows({"system_prompt": "Be brief.", "question": "Q", "response": "A"}, {"system_prompt": "x", "messages": chat})
    assert told(one) == told(two) == {"instruction": "Q", "output": "A", "system": "Be brief."}
