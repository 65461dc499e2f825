"""What a model's answer names as tags, in every shape that models write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.answers.tags import LONGEST, MOST, tags_of

THREE = ["Poetry", "Word Limit", "C++"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"tag": "Poetry", "explanation": "a poem"}, {"tag": "Word Limit", "explanation": "ten words"}, {"tag": "C++"}]',
        'Here you are:\n```json\n[\n  {"tag": "Poetry", "explanation": "a [short] one"},\n  {"tag": "Word Limit"},'
        ' {"tag": "C++"}\n]\n```\nAnything else?',
        '{"tags": ["Poetry", "Word Limit", "C++"]}',
        '{"result": [{"Tag": "Poetry"}, {"Tag": "Word Limit"}, {"Tag": "C++"}]}',
        '["Poetry", "Word Limit", "C++", "poetry"]',
        "[{'tag': 'Poetry', 'explanation': 'x'}, {'tag': 'Word Limit'}, {'tag': 'C++'}]",
        '[{"tag": "Poetry", "explanation": "a poem"}, {"tag": "Word Limit", "explanation": "t"}, {"tag": "C++", "expl',
        "1. Poetry: the request is for a poem\n2. **Word Limit** - ten words\n3. C++",
        "Sure! The tags are:\n- Poetry\n- Word Limit\n- C++\nLet me know.",
        "Poetry, Word Limit, C++",
        "Tags: Poetry; Word Limit; C++",
    ],
)  # fmt: skip
def test_the_tags_of_an_answer(text: str) -> None:
    assert tags_of(text) == THREE


def test_other_languages() -> None:
    assert tags_of('[{"标签": "合同法", "说明": "…"}, {"标签": "字数限制", "说明": "…"}]') == ["合同法", "字数限制"]
    assert tags_of('[{"แท็ก": "กฎหมายสัญญา", "คำอธิบาย": "…"}]') == ["กฎหมายสัญญา"]
    assert tags_of("1、合同法\n2、字数限制：不超过一百字") == ["合同法", "字数限制"]


def test_what_is_no_tag() -> None:
    assert tags_of("") == tags_of("   \n") == tags_of("[]") == tags_of("123") == []
    assert tags_of(f'["{"x" * (LONGEST + 1)}", "Fine"]') == ["Fine"]
    assert len(tags_of(str([f"tag {i}" for i in range(300)]).replace("'", '"'))) == MOST
    assert tags_of("I would rather not.\nIt is late.") == []


@given(st.text(max_size=400))
def test_no_answer_breaks_it(text: str) -> None:
    for tag in tags_of(text):
        assert tag == tag.strip() and 0 < len(tag) <= LONGEST


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, "- " * 100_000, '"tag": "' * 50_000])
def test_a_hostile_answer_ends(text: str) -> None:
    assert isinstance(tags_of(text), list)


def test_what_json_spells_and_no_file_can_hold_is_replaced() -> None:
    assert tags_of('[{"tag": "\\ud800abc"}, {"tag": "fine"}]') == ["\ufffdabc", "fine"]


def test_a_long_run_of_blanks_in_a_line_ends() -> None:
    assert tags_of("- a" + " " * 15_000 + "b\n- y") == ["a b", "y"]
