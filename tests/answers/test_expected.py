"""The expected score under the probabilities of the token that says it."""

from __future__ import annotations

import math

import pytest

from datagen.answers.expected import expectation, expected_score


def token(text: str, **others: float) -> dict[str, object]:
    top = [{"token": t.removeprefix("_"), "logprob": math.log(p)} for t, p in others.items()]
    return {"token": text, "top_logprobs": top or [{"token": text, "logprob": 0.0}]}


def test_the_mean_of_the_scores_weighs_them_by_their_probabilities() -> None:
    assert expectation({"4": math.log(0.5), "5": math.log(0.25), " 3": math.log(0.25), "the": 0.0, "9": 0.0}, 1, 5) == 4.0
    assert expectation({"the": 0.0}, 1, 5) is None
    two_spellings = {"4": math.log(0.5), " 4": math.log(0.25), "1": math.log(0.25)}
    assert expectation(two_spellings, 1, 5) == pytest.approx(3.25)


def test_the_token_that_says_the_score_counts_not_a_number_in_the_reasons() -> None:
    said = [token("It has 2 errors.\n"), token("Score"), token(": "), token("4", _4=0.6, _5=0.4)]
    assert expected_score(said, 1, 5) == pytest.approx(4.4)


@pytest.mark.parametrize(
    ("before", "after"), [("Score: ", "/5"), ("", " out of 5"), ("满分5分，得", "分"), ("It has 5 errors.\nScore: ", "/5.")]
)
def test_what_a_score_is_out_of_is_not_the_score(before: str, after: str) -> None:
    parts = [token(c) for c in before], [token("5", _5=0.5, _4=0.4, _3=0.1)], [token(c) for c in after]
    assert expected_score([one for part in parts for one in part], 1, 5) == pytest.approx(4.4)


def test_a_score_that_may_be_the_beginning_of_ten_is_what_it_says() -> None:
    assert expected_score([token("Score: "), token("8", _8=0.6, _1=0.4)], 1, 10) == 8


def test_an_answer_without_a_score_has_none_and_a_broken_one_too() -> None:
    assert expected_score([token("I"), token(" cannot")], 1, 5) is None
    assert expected_score([{"token": "Score: 4"}], 1, 5) == 4
    assert expected_score([{}], 1, 5) is None


@pytest.mark.parametrize("value", [1000.0, math.inf, math.nan])
def test_what_is_no_probability_leaves_the_score_that_is_said(value: float) -> None:
    odd = {"token": "4", "top_logprobs": [{"token": None, "logprob": 0.0}, {"token": "4", "logprob": value}]}
    assert expected_score([token("Score: "), odd], 1, 5) == 4
