"""Options from text and YAML: read by type, checked, and every mistake one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from datagen.errors import UsageError
from datagen.options import between, build, check_same_answer, split_stage, values


@dataclass(frozen=True)
class Options:
    threshold: float = 0.7
    ngram: int = 5
    exact: bool = False
    compared: Literal["instruction", "answer"] = "instruction"
    same_answer: float | None = 0.7
    cap: int | None = None
    path: str | None = None
    levels: tuple[str, ...] = ("1", "1/2")
    sizes: tuple[int, ...] = ()
    sources: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0, 1)


@dataclass(frozen=True)
class Needs:
    path: str


def made(**given: Any) -> Options:
    return build(Options, given, "stage 'x'")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"threshold": "0.5"}, 0.5),
        ({"threshold": 1}, 1.0),
        ({"ngram": "7"}, 7),
        ({"ngram": 7.0}, 7),
        ({"ngram": "1e2"}, 100),
        ({"exact": "on"}, True),
        ({"exact": "No"}, False),
        ({"exact": True}, True),
        ({"exact": 1}, True),
        ({"compared": "answer"}, "answer"),
        ({"same_answer": "off"}, None),
        ({"same_answer": None}, None),
        ({"same_answer": False}, None),
        ({"same_answer": "0.6"}, 0.6),
        ({"cap": "off"}, None),
        ({"cap": "100"}, 100),
        ({"path": "a.jsonl"}, "a.jsonl"),
        ({"path": 5}, "5"),
        ({"levels": "1,1/4"}, ("1", "1/4")),
        ({"levels": [1, 0.5]}, ("1", "0.5")),
        ({"levels": "1"}, ("1",)),
        ({"sizes": "1,2"}, (1, 2)),
        ({"sources": {"a": "b"}}, {"a": "b"}),
    ],
)
def test_values_are_read_as_the_type_of_their_field(given: dict[str, Any], expected: Any):
    found = getattr(made(**given), next(iter(given)))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"treshold": 1}, "stage 'x' has no option 'treshold'; did you mean 'threshold'?"),
        ({1: 2}, "stage 'x' has no option '1'; known: cap, compared, exact, levels"),
        ({True: 2}, "stage 'x' has no option 'True'"),
        ({"threshold": "high"}, "stage 'x', option 'threshold': 'high' is not a number"),
        ({"threshold": "nan"}, "stage 'x', option 'threshold': 'nan' is not a number"),
        ({"threshold": True}, "'True' is not a number"),
        ({"threshold": "off"}, "'off' is not a number"),
        ({"threshold": None}, "'None' is not a number"),
        ({"threshold": [0.5, 0.6]}, "expected one float, not [0.5, 0.6]"),
        ({"threshold": 1.5}, "stage 'x': threshold must be at least 0 and at most 1, not 1.5"),
        ({"ngram": "2.5"}, "option 'ngram': '2.5' is not a whole number"),
        ({"ngram": "inf"}, "option 'ngram': 'inf' is not a whole number"),
        ({"ngram": float("inf")}, "option 'ngram': 'inf' is not a whole number"),
        ({"exact": "maybe"}, "option 'exact': 'maybe' is not on or off"),
        ({"compared": "answr"}, "option 'compared': 'answr' is not one of instruction, answer; did you mean 'answer'?"),
        ({"compared": "zzz"}, "option 'compared': 'zzz' is not one of instruction, answer"),
        ({"compared": ["answer"]}, "is not one of instruction, answer"),
        ({"cap": "many"}, "option 'cap': 'many' is not a whole number"),
        ({"sizes": "1,b"}, "option 'sizes': 'b' is not a whole number"),
        ({"sources": "a.jsonl"}, "option 'sources': expected names and values, such as {\"top_k\": 20} in JSON, not 'a.jsonl'"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(given: dict[str, Any], message: str):
    with pytest.raises(UsageError) as error:
        build(Options, given, "stage 'x'")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_option_is_named():
    with pytest.raises(UsageError, match="step 'train' needs the option 'path'"):
        build(Needs, {}, "step 'train'")


def test_values_spell_every_option_out():
    found = values(made(threshold="0.5", same_answer="off"))
    assert found["threshold"] == 0.5
    assert found["same_answer"] is None
    assert found["levels"] == ["1", "1/2"]
    assert build(Options, found, "again") == made(threshold=0.5, same_answer=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules", ("rules", {})),
        ("rouge:", ("rouge", {})),
        ("rouge:threshold=0.6", ("rouge", {"threshold": "0.6"})),
        ("rouge:threshold=0.6,field=context", ("rouge", {"threshold": "0.6", "field": "context"})),
        ("a.b:path=s3://x:y/z", ("a.b", {"path": "s3://x:y/z"})),
        ("x:pattern=a,b=c", ("x", {"pattern": "a", "b": "c"})),
        ("x:pattern=a,B=c,1=2, d=3", ("x", {"pattern": "a,B=c,1=2, d=3"})),
        ("x:levels=1,1/2,1/4,rows=9", ("x", {"levels": "1,1/2,1/4", "rows": "9"})),
        ("x:pattern=a=b=c", ("x", {"pattern": "a=b=c"})),
        ("x:tag=a,tag=b", ("x", {"tag": ["a", "b"]})),
        ("x:tag=a,tag=b,tag=c", ("x", {"tag": ["a", "b", "c"]})),
        ("x:path=", ("x", {"path": ""})),
    ],
)
def test_a_stage_is_split_at_the_first_colon_and_before_names(text: str, expected: tuple[str, dict[str, Any]]):
    assert split_stage(text) == expected


def test_a_piece_without_an_equals_sign_is_refused():
    with pytest.raises(UsageError, match=r"--stage rouge:0\.6: '0.6' is not option=value"):
        split_stage("rouge:0.6")


def test_between_says_the_limits():
    between("x", 0.5, 0, 1)
    with pytest.raises(ValueError, match="x must be at least 0 and below 1, not 1"):
        between("x", 1, 0, 1, open_high=True)
    with pytest.raises(ValueError, match="x must be at least 0 and at most 1, not nan"):
        between("x", float("nan"), 0, 1)


def test_answers_that_do_not_matter_have_no_threshold():
    check_same_answer(None, 0)
    with pytest.raises(ValueError, match="same_answer must be at least 0 and below 1, not 1"):
        check_same_answer(1.0, 20)
    with pytest.raises(ValueError, match="short_answer must be at least 0"):
        check_same_answer(0.7, -1)
