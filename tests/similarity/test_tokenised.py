"""The kernel that cuts ASCII texts, against the patterns of `datagen.text.tokens`, token by token."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.similarity.columns import token_lists
from datagen.similarity.tokenised import numbered, tokenised, tokenised_words
from datagen.text.tokens import Units, facts, tokenizer, words

# Every kind of byte, often: digits with separators, apostrophes, underscores, signs, blanks that Python knows, the typographic.
NEAR = st.text(alphabet="ab'_-.,01 2\t\n\x1c\x7f(+*A'Z9~:;é’“”–…\u00a0中ก", max_size=24)
PLAIN = st.text(alphabet=st.characters(max_codepoint=127), max_size=40)
TEXTS = st.lists(st.one_of(NEAR, st.text(max_size=30), PLAIN), max_size=8)


@pytest.mark.parametrize("units", get_args(Units))
@given(texts=TEXTS)
def test_the_tokens_are_those_of_the_patterns(units: Units, texts: list[str]) -> None:
    found = tokenised(texts, units)
    split = tokenizer(units)
    assert [found.of(i) for i in range(len(texts))] == [split(t) for t in texts]
    assert found.counts.tolist() == [len(split(t)) for t in texts]
    assert len(set(found.vocabulary)) == len(found.vocabulary)
    assert found.column().to_pylist() == [split(t) for t in texts]


@given(texts=TEXTS)
def test_words_are_those_of_the_patterns(texts: list[str]) -> None:
    found = tokenised_words(texts)
    assert [found.of(i) for i in range(len(texts))] == [words(t) for t in texts]
    assert len(set(found.vocabulary)) == len(found.vocabulary)


@given(texts=TEXTS, data=st.data())
def test_facts_are_those_of_each_text(texts: list[str], data: st.DataObject) -> None:
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), bool)
    split = tokenizer("graphemes")
    expected = [facts(split(t)) if yes else "" for t, yes in zip(texts, wanted.tolist(), strict=True)]
    assert tokenised(texts).facts(wanted) == expected


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Don't pay $3,000.50 for 3+5!", ["don't", "pay", "$", "3,000.50", "for", "3", "+", "5"]),
        ("x -5 - (6) a-b -\n7", ["x", "-", "5", "-", "6", "a", "b", "-", "7"]),
        ("???", ["?", "?", "?"]),
        ("“Hi” – it’s", ["hi", "it's"]),
        ("1.2.3.x 12.", ["1.2.3", "x", "12"]),
        ("rock'n'roll2'x", ["rock'n'roll", "2'x"]),
    ],
)
def test_by_hand(text: str, cut: list[str]) -> None:
    assert tokenised([text]).of(0) == cut


def test_many_different_tokens_are_numbered_through_every_growth_of_the_table() -> None:
    texts = [f"w{i} w{i % 977} same" for i in range(40_000)]
    found = tokenised(texts)
    assert len(found.vocabulary) == 40_001
    assert [found.of(i) for i in (0, 1, 2047, 2048, 39_999)] == [texts[i].split() for i in (0, 1, 2047, 2048, 39_999)]


def test_tokens_of_one_hash_are_told_apart_by_their_bytes() -> None:
    data = np.frombuffer(b"abcabdabc", np.uint8)
    ids, first = numbered(data, np.array([0, 3, 6], np.int32), np.array([3, 3, 3], np.int32))
    assert ids.tolist() == [0, 1, 0] and first.tolist() == [0, 1]


def test_an_empty_batch_and_empty_texts() -> None:
    assert tokenised([]).counts.tolist() == []
    assert tokenised(["", " ", "a"]).counts.tolist() == [0, 0, 1]
    assert len(token_lists(pa.chunked_array([tokenised(["", "a b"]).column()]))) == 2
