"""Reading a file and writing the same format gives equal records: real data, and whatever hypothesis thinks of."""

from __future__ import annotations

import gzip
import html
import json

import pytest
from export_shapes import is_sound, speech, told, wrong
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datagen.formats import alpaca, messages, prompt_completion, sharegpt
from datagen.formats.read import read
from datagen.formats.records import rows_of
from datagen.formats.write import Fitting, export

MOST = 3000  # records of a file, evenly from all of it
REAL = [
    ("rows/alpaca_en_52k.jsonl.gz", "alpaca"),
    ("rows/alpaca_zh_9k.jsonl.gz", "alpaca"),
    ("rows/dolly_en_3k.jsonl.gz", "alpaca"),
    ("rows/gsm8k_train_7k.jsonl.gz", "prompt_completion"),
    ("rows/thai_wiki_qa.jsonl.gz", "alpaca"),
    ("rows/zh_own_10k.jsonl.gz", "alpaca"),
    ("chats/glaive_toolcall_en.jsonl.gz", "sharegpt"),
    ("chats/messages_en_zh.jsonl.gz", "messages"),
    ("pairs/dpo_en_zh_600.jsonl.gz", "sharegpt"),
]


def is_mark(given):
    bare = html.unescape(given).strip(" \"'`“”<>()[].,;。").lower().replace(" ", "")
    return bare in {"noinput", "noinputrequired", "noinputneeded", "无输入", "没有输入", "无需输入"} or (
        given.strip("<>").lower() in {"n/a", "none", "不适用"}
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "to"), REAL)
def test_real_data_comes_back_equal(data, records_of, tmp_path, name, to):
    path = data(name)
    with gzip.open(path) as lines:
        every = list(lines)
    path = tmp_path / "some.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(every[:: max(1, len(every) // MOST)])))
    rows = list(read(str(path), name="a-source"))
    assert not [r for r in rows if "reason" in r]
    export(rows, to, tmp_path / "out.jsonl.gz", with_card=False)
    # A mark that there is no input is none: it is read as empty, and so it is written.
    given = [{**r, "input": ""} if is_mark(r.get("input", "")) else r for r in records_of(path)]
    written = records_of(tmp_path / "out.jsonl.gz")
    assert [w for w in (wrong(to, record) for record in written) if w] == []
    assert all(new == old for new, old in zip(written, given, strict=True) if not wrong(to, old))
    again = list(read(str(tmp_path / "out.jsonl.gz"), name="a-source"))
    assert [told(row) for row in again] == [told(row) for row in rows]
    export(again, to, tmp_path / "again.jsonl.gz", with_card=False)
    assert (tmp_path / "again.jsonl.gz").read_bytes() == (tmp_path / "out.jsonl.gz").read_bytes()


@pytest.mark.parametrize("to", ["alpaca", "sharegpt", "messages", "prompt_completion", "parquet"])
def test_real_pairs_are_the_same_rows_after_any_format(data, tmp_path, to):
    rows = list(read(str(data("pairs/dpo_en_zh_600.jsonl.gz"))))
    target = tmp_path / ("out.parquet" if to == "parquet" else "out.jsonl")
    export(rows, to, target, with_card=False)
    assert [r["id"] for r in read(str(target))] == [r["id"] for r in rows]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ANY = TEXT | VALUES
EXTRA = st.dictionaries(
    TEXT | st.sampled_from(["source", "language", "id", "history", "_shape", "candidates"]), VALUES, max_size=2
)


def some(**fields):
    """Records with any subset of the fields, and others."""
    return st.builds(lambda known, others: {**others, **known}, st.fixed_dictionaries({}, optional=fields), EXTRA)


TURN = some(
    **{"from": st.sampled_from(["human", "gpt", "user", "system", "function_call", "observation", "Human", "x"])},
    value=ANY,
    weight=st.sampled_from([0, 1, 0.5, 1.0, True, "w"]),
    train=VALUES,
)
MESSAGE = some(
    role=st.sampled_from(["user", "assistant", "system", "developer", "tool", "Assistant", "function", "x"]),
    content=ANY
    | st.lists(st.fixed_dictionaries({"type": st.just("text")}, optional={"text": TEXT, "value": TEXT}), max_size=2),
    tool_calls=VALUES | st.just([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
    tool_call_id=ANY,
    reasoning=ANY,
    reasoning_content=ANY,
    loss_weight=st.sampled_from([0, 1, 0.5, 1.0, None]),
    weight=st.sampled_from([0, 1, 0.5, 1.0, True, None]),
)
CANDIDATES = st.lists(st.fixed_dictionaries({"text": TEXT, "score": st.none() | st.floats(0, 1), "source": TEXT}), max_size=3)
RECORDS = {
    alpaca: some(
        instruction=ANY,
        input=ANY,
        output=ANY,
        system=ANY,
        tools=ANY,
        context=ANY,
        response=ANY,
        chosen=ANY,
        rejected=ANY,
        history=st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=3) | VALUES,
        candidates=CANDIDATES,
    ),
    sharegpt: some(
        conversations=st.lists(TURN, max_size=5),
        system=ANY,
        tools=ANY,
        chosen=TURN | VALUES,
        rejected=TURN | VALUES,
        candidates=CANDIDATES,
    ),
    messages: some(
        messages=st.lists(MESSAGE, max_size=5),
        conversations=st.lists(MESSAGE, max_size=2),
        system=ANY,
        tools=ANY | st.lists(st.fixed_dictionaries({"name": TEXT}), max_size=2),
        chosen=MESSAGE | st.lists(MESSAGE, max_size=3) | VALUES,
        rejected=MESSAGE | st.lists(MESSAGE, max_size=3) | VALUES,
    ),
    prompt_completion: some(
        prompt=ANY | st.lists(MESSAGE, max_size=3),
        question=ANY,
        completion=ANY | st.lists(MESSAGE, max_size=3),
        answer=ANY,
        system=ANY,
        tools=ANY,
        chosen=ANY | st.lists(MESSAGE, max_size=2),
        rejected=ANY | st.lists(MESSAGE, max_size=2),
    ),
}


def check_comes_back(shape, record):
    """Whatever was read, each format writes it in its own shape, in which it says the same and stays as it is."""
    if not shape.detect(record):
        return
    try:
        (row,) = rows_of(record)
    except ValueError:
        return  # a turn without a role, an unknown part: the row is unreadable as a whole
    for other in RECORDS:
        for fitted in Fitting(other.FORMAT).through([row]):
            written = other.write_record(fitted)
            assert wrong(other.NAME, written) == ""
            if is_sound(row):
                (again,) = rows_of(written)
                assert told(again) == told(fitted) or (other is sharegpt and speech(again) == speech(fitted))
                assert json.dumps(other.write_record(again)) == json.dumps(written)


@given(RECORDS[alpaca])
def test_any_alpaca_record_comes_back(record):
    check_comes_back(alpaca, record)


@given(RECORDS[sharegpt])
@settings(deadline=None)
def test_any_sharegpt_record_comes_back(record):
    check_comes_back(sharegpt, record)


@given(RECORDS[messages])
@settings(deadline=None)
def test_any_messages_record_comes_back(record):
    check_comes_back(messages, record)


@given(RECORDS[prompt_completion])
@example({"prompt": [{"role": "user"}, {"role": "assistant"}]})
@example({"prompt": "q", "rejected": "b", "chosen": [{"role": "assistant", "content": "a", "weight": 0}]})
@settings(deadline=None)
def test_any_prompt_completion_record_comes_back(record):
    check_comes_back(prompt_completion, record)
